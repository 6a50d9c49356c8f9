"""Progress of git, which counts phase by phase, as bars."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from gitml.progress import Advance, ShowProgress

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


class Phases:
    """A bar for each phase; called as git's progress is told."""

    def __init__(self, progress: ShowProgress, label: str) -> None:
        """Say how bars are shown, and what is done in all phases."""
        self._progress = progress
        self._label = label
        self._stack = ExitStack()
        self._phase = ""
        self._done = 0
        self._advance: Advance = lambda _: None

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Show how far a phase is."""
        if phase != self._phase:
            self._stack.close()
            self._phase, self._done = phase, 0
            shown = self._progress(f"{self._label}: {phase}", total, "")
            self._advance = self._stack.enter_context(shown)
        self._advance(done - self._done)
        self._done = done

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
