"""A throw-away SQLite view of the runs branch, and the language to ask it."""

from __future__ import annotations

from gitml.index.database import Index
from gitml.index.live_rows import LiveRow
from gitml.index.search import Query

__all__ = ["Index", "LiveRow", "Query"]
