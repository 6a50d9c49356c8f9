"""Where MLflow keeps the states of runs; gitml's own place is `gitml.entities.run`."""

from __future__ import annotations

from gitml.entities.run import RunStatus

__all__ = ["RunStatus"]
