"""Where MLflow keeps its version."""

from __future__ import annotations

from gitml import __version__ as VERSION  # noqa: N812 - MLflow's name

__all__ = ["VERSION"]
