"""Where MLflow keeps what runs projects; on the command line it is `gitml run PROJECT`."""

from __future__ import annotations

from gitml.api.project_calls import SubmittedRun, run
from gitml.exceptions import ExecutionException

__all__ = ["ExecutionException", "SubmittedRun", "run"]
