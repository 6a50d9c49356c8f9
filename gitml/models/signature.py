"""Where MLflow keeps what goes into a model and comes out: `mlflow.models.signature`."""

from __future__ import annotations

from gitml.entities.signature import ModelSignature
from gitml.models.information import set_signature
from gitml.models.signatures.infer import infer_signature

__all__ = ["ModelSignature", "infer_signature", "set_signature"]
