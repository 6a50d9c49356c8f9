"""Where MLflow keeps models of TensorFlow; the flavor is `gitml.models.flavors.tensorflow`."""

from __future__ import annotations

from gitml.models.autolog.calls import autolog_keras as autolog
from gitml.models.flavors.tensorflow import load_model, log_model, save_model

__all__ = ["autolog", "load_model", "log_model", "save_model"]
