"""Where MLflow keeps models of Keras; the flavor is `gitml.models.flavors.keras`."""

from __future__ import annotations

from gitml.models.autolog.calls import autolog_keras as autolog
from gitml.models.flavors.keras import load_model, log_model, save_model

__all__ = ["autolog", "load_model", "log_model", "save_model"]
