"""Where MLflow keeps models of XGBoost; the flavor is `gitml.models.flavors.xgboost`."""

from __future__ import annotations

from gitml.models.autolog.calls import autolog_xgboost as autolog
from gitml.models.flavors.xgboost import load_model, log_model, save_model

__all__ = ["autolog", "load_model", "log_model", "save_model"]
