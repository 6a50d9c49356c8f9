"""Where MLflow keeps models of LightGBM; the flavor is `gitml.models.flavors.lightgbm`."""

from __future__ import annotations

from gitml.models.flavors.lightgbm import load_model, log_model, save_model

__all__ = ["load_model", "log_model", "save_model"]
