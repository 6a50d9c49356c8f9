"""Where MLflow keeps models of LightGBM; the flavor is `gitml.models.flavors.lightgbm`."""

from __future__ import annotations

from gitml.models.autolog.calls import autolog_lightgbm as autolog
from gitml.models.flavors.lightgbm import load_model, log_model, save_model

__all__ = ["autolog", "load_model", "log_model", "save_model"]
