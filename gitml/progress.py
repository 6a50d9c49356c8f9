"""How far long work is: what it calls, whoever shows it.

The library takes these functions and never draws; `gitml.render.progress` makes
them for a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Advance = Callable[[int], None]
"""Told how much was done since the last call."""

Reach = Callable[[int, int], None]
"""Told how much is done, and of how much."""

ShowProgress = Callable[[str, "int | None", str], AbstractContextManager[Advance]]
"""Given a label, the total (None: unknown) and its unit, a context with a function to count in."""


@contextmanager
def no_progress(label: str, total: int | None, unit: str) -> Iterator[Advance]:  # noqa: ARG001
    """Show nothing; what shows something is of the same form."""
    yield lambda _: None
