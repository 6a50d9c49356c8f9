"""Where MLflow keeps its client; gitml's own is `gitml.Client`."""

from __future__ import annotations

from gitml.api.client import Client as MlflowClient

__all__ = ["MlflowClient"]
