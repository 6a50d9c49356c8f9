"""What a live run could not write: told once while it lasts, summed up at its end."""

from __future__ import annotations

import warnings
from collections.abc import Iterable


class IncompleteRunWarning(UserWarning):
    """Something a run should have recorded could not be written."""


class Troubles:
    """The trouble that one live run has with the disk."""

    def __init__(self, run_id: str, *, strict: bool) -> None:
        """Begin with none.

        Args:
            run_id: The run's id.
            strict: Whether trouble is raised instead.
        """
        self._run_id = run_id
        self._strict = strict
        self._told = False
        self._reasons: dict[str, str] = {}
        self._lost: dict[str, int] = {}

    def add(self, err: OSError, what: str, is_lost: bool) -> None:
        """Note that something could not be written.

        Args:
            err: Why.
            what: The file that it belongs to.
            is_lost: Whether it is gone; else it is kept in memory and tried again.

        Raises:
            OSError: `err`, where that was asked for.
        """
        if self._strict:
            raise err
        reason = err.strerror or str(err)
        self._reasons[what] = reason
        if is_lost:
            self._lost[what] = self._lost.get(what, 0) + 1
        if not self._told:
            self._told = True
            fate = "it is lost" if is_lost else "it is kept in memory"
            warnings.warn(
                f"run '{self._run_id[:8]}' could not write {what}: {reason}; {fate}; "
                "the program goes on, gitml tries again and reports at the end of the run",
                IncompleteRunWarning,
                stacklevel=4,
            )

    def summary(self, waiting: Iterable[str]) -> list[str]:
        """Say what is missing in the record, a sentence each; nothing if all was written in the end.

        Args:
            waiting: What could not be written to this day.
        """
        counts = {what: self._lost.get(what, 0) for what in (*self._lost, *waiting)}
        return [
            f"{what}: {self._reasons.get(what, 'not written')}" + (f" ({times:,} times)" if times > 1 else "")
            for what, times in counts.items()
        ]
