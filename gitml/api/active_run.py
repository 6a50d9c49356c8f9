"""The run that code is in: a handle that always shows the present state."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from gitml.api.handles import Run, RunInfo, run_info
from gitml.entities.run import RunStatus

if TYPE_CHECKING:
    from typing_extensions import Self

    from gitml.api.client import Client
    from gitml.entities import run as entities
    from gitml.tracking.live import LiveRun

_LONGEST_ERROR = 2000


class Stoppable(Protocol):
    """A background watcher of a run."""

    def stop(self) -> None:
        """End it; harmless when repeated."""
        ...


class ActiveRun(Run):
    """A run that was started or joined here; ends itself as a context manager.

    Unlike other handles it is no picture of a moment: `info`, `data` and
    `inputs` are read when asked for, also after the run has ended.
    """

    def __init__(
        self,
        live: LiveRun,
        client: Callable[[], Client],
        end: Callable[[ActiveRun, RunStatus, str | None], None],
        *,
        owned: bool,
    ) -> None:
        """Wrap a live run.

        Args:
            live: The run.
            client: Gives the client to read it back with.
            end: Ends the run when its block is left.
            owned: Whether ending it here finishes it.
        """
        self.run_id = live.run_id
        self.live: LiveRun | None = live
        self.owned = owned
        self.ended = False
        self.pid = os.getpid()
        self.monitor: Stoppable | None = None
        self.client = client()  # the one it was opened with, whatever is chosen later
        self._repo = self.client.repo
        self._client = client
        self._end = end
        self._final: entities.Run | None = None

    @property
    def entity(self) -> entities.Run:
        """The run in gitml's own form, as it is now."""
        if self._final is not None:
            return self._final
        live = self.live
        if live is not None and not live.ended:
            return live.to_run()
        client = self.client if self.pid == os.getpid() else self._client()
        run = client.get_run(self.run_id).entity
        if not run.live:
            self._final = run
        return run

    @property
    def info(self) -> RunInfo:
        """Who, what and when; cheap, curves are not read."""
        live = self.live
        if live is None or live.ended:
            return run_info(self.entity)
        return run_info(live.facts())

    def disown(self) -> None:
        """Become a forked child's view: log to the same run, never end it."""
        self.live = None  # its locks may have been held when the process was copied
        self.owned = False
        self.monitor = None

    # Two handles are two: telling whether they show the same would read whole runs.
    __hash__ = object.__hash__
    __eq__ = object.__eq__

    def __repr__(self) -> str:
        return f"<ActiveRun {self.run_id[:12]}{' (ended)' if self.ended else ''}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.ended:
            self._end(self, status_of(error), describe_error(error))


def status_of(error: BaseException | None) -> RunStatus:
    """Tell how a run ends that is left by an exception, or by none.

    Example:
        >>> status_of(KeyboardInterrupt()), status_of(SystemExit(0))
        (<RunStatus.KILLED: 'killed'>, <RunStatus.FINISHED: 'finished'>)
    """
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return RunStatus.FINISHED
    return RunStatus.KILLED if isinstance(error, KeyboardInterrupt) else RunStatus.FAILED


def describe_error(error: BaseException | None) -> str | None:
    """Say in a line why a run ended badly; None if it did not."""
    if error is None or status_of(error) is RunStatus.FINISHED:
        return None
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return f"the program ended itself with exit code {error.code}"
    text = str(error.code if isinstance(error, SystemExit) else error)
    name = type(error).__name__
    return f"{name}: {text}"[:_LONGEST_ERROR] if text else name
