"""Environments: from what defines one to one that is ready, and from a recorded lock back to the same one."""

from __future__ import annotations

from gitml.execution.environments.environment import Environment
from gitml.execution.environments.prepare import prepare
from gitml.execution.environments.rebuild import rebuild

__all__ = ["Environment", "prepare", "rebuild"]
