"""Where MLflow keeps helpers; only the names of its reserved tags are here."""

from __future__ import annotations

from gitml.utils import mlflow_tags

__all__ = ["mlflow_tags"]
