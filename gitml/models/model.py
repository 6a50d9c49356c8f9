"""Where MLflow keeps what an `MLmodel` file says: `mlflow.models.model`."""

from __future__ import annotations

from gitml.entities.model import Model, ModelInfo
from gitml.models.information import get_model_info

__all__ = ["Model", "ModelInfo", "get_model_info"]
