"""Where MLflow keeps models of Keras; the flavor is `gitml.models.flavors.keras`."""

from __future__ import annotations

from gitml.models.flavors.keras import load_model, log_model, save_model

__all__ = ["load_model", "log_model", "save_model"]
