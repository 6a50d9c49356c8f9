"""The runs that one client has open for writing, a handle a run.

A client may log to any run by its id. If it is live here, its handle is used;
if another process writes to it, it is joined; if it has ended, it is reopened
on top of its record with its status and end kept, and recorded again as one
more record when the client is flushed or closed: not a commit a point.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitml.entities.run import RunStatus
from gitml.formats import run_tree

if TYPE_CHECKING:
    from gitml.entities.run import Run
    from gitml.repo import Repo
    from gitml.tracking.live import LiveRun

MAX_REOPENED = 32


@dataclass(slots=True)
class _Open:
    live: LiveRun
    before: Run | None = None  # what it was before it was reopened


class OpenRuns:
    """Handles for writing, by run id; safe to use from several threads."""

    def __init__(self, repo: Repo, *, strict: bool = False) -> None:
        self._repo = repo
        self._strict = strict
        self._open: dict[str, _Open] = {}
        self._mutex = threading.RLock()
        self._pid = os.getpid()

    @property
    def strict(self) -> bool:
        """Whether trouble with the disk raises rather than warns."""
        return self._strict

    @strict.setter
    def strict(self, strict: bool) -> None:
        with self._mutex:
            self._strict = strict
            for item in self._open.values():
                item.live.strict = strict

    def start(self, **facts: Any) -> LiveRun:
        """Begin a run; takes what `tracking.start.start_run` does."""
        from gitml.tracking.start import start_run

        return self._keep(start_run(self._repo, strict=self._strict, **facts))

    def add_python(self, live: LiveRun) -> None:
        """Record the Python of this process for a run whose command did not show one."""
        from gitml.tracking.start import add_python

        add_python(self._repo, live)

    def resume(self, run_id: str) -> LiveRun:
        """Go on with a run: it is running again until it is ended.

        Raises:
            NotFoundError: There is no such run.
            RefusedError: It was deleted.
        """
        with self._mutex:
            item = self._held(run_id)
            if item is None:
                return self._keep(self._resumed(run_id))
            if item.before is not None:  # open for a late word only; now it really goes on
                item.before = None
                item.live.update(**_RUNNING_AGAIN)
            return item.live

    def writer(self, run_id: str) -> LiveRun:
        """Get a handle to write to a run, whatever its state, which stays what it is.

        Raises:
            NotFoundError: There is no such run.
            RefusedError: It was deleted.
        """
        with self._mutex:
            item = self._held(run_id)
            if item is not None:
                return item.live
            before = None if self.is_live(run_id) else self._ended(run_id)
            live = self._keep(self._resumed(run_id), before)
            if before is not None and live.owner:
                live.update(**_end_of(before))
                self._limit_reopened()
            return live

    def is_live(self, run_id: str) -> bool:
        """Whether a run is live in any process."""
        return (self._repo.journal.folder(run_id) / run_tree.RUN_FILE).exists()

    def find(self, run_id: str) -> LiveRun | None:
        """The handle to a run that is open here, if it is."""
        with self._mutex:
            item = self._held(run_id)
            return None if item is None else item.live

    def end(
        self, run_id: str, status: RunStatus, *, error: str | None = None, end_ms: int | None = None
    ) -> LiveRun:
        """End a run, or tell whoever owns it that it should count as ended.

        Args:
            run_id: The run.
            status: How it ended.
            error: Why, if it did not end well.
            end_ms: When, if not now.

        Returns:
            Its handle, closed; its `lost` says what could not be recorded.
        """
        with self._mutex:
            live = self.resume(run_id) if self._must_resume(run_id) else self.writer(run_id)
            self._open.pop(run_id, None)
        if not live.owner:
            live.update(status=status, error=error)
            live.close()
            return live
        if end_ms is None:
            from gitml.tracking.commit import finish_run

            finish_run(self._repo, live, status, error=error)
        else:
            start = live.update().start_ms
            end = max(start, end_ms)
            _commit(self._repo, live, status=status, error=error, end_ms=end, duration_s=(end - start) / 1000)
        return live

    def forget(self, run_id: str) -> None:
        """Let go of a run without ending it."""
        with self._mutex:
            item = self._open.pop(run_id, None)
        if item is not None:
            item.live.close()

    def flush(self) -> None:
        """Record again every ended run that was written to since."""
        with self._mutex:
            reopened = [run_id for run_id, item in self._open.items() if item.before is not None]
        for run_id in reopened:
            self.settle(run_id)

    def settle(self, run_id: str) -> None:
        """Record an ended run again if it was written to since; else do nothing."""
        with self._mutex:
            item = self._open.get(run_id)
            if item is None or item.before is None:
                return
            del self._open[run_id]
        if item.live.owner and not item.live.ended:
            _commit(self._repo, item.live, **_end_of(item.before))
        else:
            item.live.close()

    def close(self) -> None:
        """Flush, and let go of every run; those that were not ended stay live."""
        if os.getpid() != self._pid:  # a forked child leaves its parent's runs alone
            return
        self.flush()
        with self._mutex:
            run_ids = list(self._open)
        for run_id in run_ids:
            self.forget(run_id)

    def _keep(self, live: LiveRun, before: Run | None = None) -> LiveRun:
        with self._mutex:
            self._open[live.run_id] = _Open(live, before if live.owner else None)
        return live

    def _held(self, run_id: str) -> _Open | None:
        item = self._open.get(run_id)
        if item is not None and item.live.ended:
            del self._open[run_id]
            return None
        return item

    def _must_resume(self, run_id: str) -> bool:
        return run_id not in self._open and not self.is_live(run_id)

    def _resumed(self, run_id: str) -> LiveRun:
        from gitml.tracking.start import resume_run

        return resume_run(self._repo, run_id, strict=self._strict)

    def _ended(self, run_id: str) -> Run:
        from gitml.tracking.history import get_run

        return get_run(self._repo, run_id)

    def _limit_reopened(self) -> None:
        reopened = [run_id for run_id, item in self._open.items() if item.before is not None]
        for run_id in reopened[:-MAX_REOPENED]:
            self.settle(run_id)


_RUNNING_AGAIN: dict[str, Any] = {
    "status": RunStatus.RUNNING,
    "end_ms": None,
    "duration_s": None,
    "exit_code": None,
    "error": None,
}


def _end_of(run: Run) -> dict[str, Any]:
    return {
        "status": run.status,
        "end_ms": run.end_ms,
        "duration_s": run.duration_s,
        "exit_code": run.exit_code,
        "error": run.error,
        "incomplete": run.incomplete,
    }


def _commit(repo: Repo, live: LiveRun, **end: Any) -> None:
    """Record a run with an end that is given rather than now."""
    from gitml.tracking.commit import commit_live

    try:
        complete = not live.lost
        live.update(**{**end, "incomplete": bool(end.get("incomplete")) or not complete})
        commit_live(repo, live.run_id)
    finally:
        live.close()
