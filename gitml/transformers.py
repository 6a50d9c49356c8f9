"""Where MLflow keeps pipelines of transformers; the flavor is `gitml.models.flavors.transformers`."""

from __future__ import annotations

from gitml.models.autolog.calls import autolog_transformers as autolog
from gitml.models.flavors.transformers import load_model, log_model, save_model

__all__ = ["autolog", "load_model", "log_model", "save_model"]
