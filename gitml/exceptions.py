"""Where MLflow keeps its exception; gitml's own are in `gitml.errors`."""

from __future__ import annotations

from gitml.errors import ExecutionError as ExecutionException
from gitml.errors import GitmlError as MlflowException

__all__ = ["ExecutionException", "MlflowException"]
