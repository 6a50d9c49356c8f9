"""Where MLflow keeps models of CatBoost; the flavor is `gitml.models.flavors.catboost`."""

from __future__ import annotations

from gitml.models.flavors.catboost import load_model, log_model, save_model

__all__ = ["load_model", "log_model", "save_model"]
