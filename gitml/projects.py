"""Where MLflow keeps what runs projects; on the command line it is `gitml run PROJECT`."""

from __future__ import annotations

from gitml.api.project_calls import ProjectFailedError as ExecutionException
from gitml.api.project_calls import SubmittedRun, run

__all__ = ["ExecutionException", "SubmittedRun", "run"]
