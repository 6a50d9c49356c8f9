"""Where a project's code comes from: a folder as it is, or a commit that is laid out in a fresh one."""

from __future__ import annotations

from gitml.execution.sources.opening import open_source
from gitml.execution.sources.source import Source

__all__ = ["Source", "open_source"]
