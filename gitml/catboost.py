"""Where MLflow keeps models of CatBoost; the flavor is `gitml.models.flavors.catboost`."""

from __future__ import annotations

from gitml.models.autolog.calls import autolog_catboost as autolog
from gitml.models.flavors.catboost import load_model, log_model, save_model

__all__ = ["autolog", "load_model", "log_model", "save_model"]
