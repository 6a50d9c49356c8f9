"""Who looks after the processes that serve: starts them, replaces them, ends them.

What a stage or alias leads to from then on is loaded by new processes beside the old ones, which take
no new connections once the new ones answer, and end when the old connections have gone. So no request
is lost, modules of two versions never meet, and what can't be loaded does not disturb what is served.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from gitml.errors import GitmlError
from gitml.models.serving.following import check_moves, fixed_name, version_now
from gitml.models.serving.generation import RETIRE, Worker, WorkerError
from gitml.models.serving.process import CUT_OFF
from gitml.models.serving.settings import COUNTS_VARIABLE, ServeSettings

if TYPE_CHECKING:
    from gitml.models.serving.metrics import Metrics

_log = logging.getLogger("gitml.serving")
_TICK_S, _REST_S, _MARGIN_S = 0.05, 1.0, 5.0
_RETRY_S = 60.0  # before a version that could not be loaded is tried again


class Supervisor:
    """Looks after processes."""

    def __init__(self, settings: ServeSettings, listening: socket.socket) -> None:
        """Make one; nothing is started yet."""
        self._settings = settings
        self._listening = listening
        self._serving: list[Worker] = []
        self._coming: list[Worker] = []
        self._retired: list[tuple[Worker, float]] = []
        self._ending = False
        self._version: int | None = None
        self._failed: tuple[int | None, float] = (None, 0.0)
        self._said = ""
        self._restart_at = 0.0

    def run(self, ready: Callable[[str, int | None], None]) -> int:
        """Serve until told to end by SIGTERM or SIGINT.

        Args:
            ready: Called once all processes answer, with the model's name and version.

        Returns:
            The exit status: 0 if all ended as they should.

        Raises:
            GitmlError: The model can't be loaded, or there is nothing to follow.
        """
        if self._settings.follow_s is not None:
            check_moves(self._settings.uri)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        with tempfile.TemporaryDirectory(prefix="gitml-serve-") as counts:
            os.environ[COUNTS_VARIABLE] = counts
            try:
                if self._replace(self._settings):
                    said = self._serving[0].said or {}
                    ready(str(said.get("name")), self._version)
                from gitml.models.serving.metrics import Metrics  # it looks at the variable once

                self._watch(Metrics())
            finally:
                codes = self._finish()
        return 0 if not any(codes) else CUT_OFF

    def _replace(self, settings: ServeSettings) -> bool:
        """Start processes, wait until they answer, and let them take over; False if it is to end meanwhile.

        Raises:
            WorkerError: One can't serve; then none of them does, and the old ones go on.
        """
        self._coming = [Worker(settings, self._listening) for _ in range(settings.workers)]
        try:
            while not all(worker.is_ready(_TICK_S) for worker in self._coming):
                if self._is_ending():
                    return False
        except WorkerError:
            for worker in self._coming:
                worker.send(signal.SIGKILL)
                worker.finish(time.monotonic())
            self._coming = []
            raise
        until = time.monotonic() + self._settings.drain_s + _MARGIN_S
        for worker in self._serving:
            worker.send(RETIRE)
        self._retired += [(worker, until) for worker in self._serving]
        self._serving, self._coming = self._coming, []
        self._version = (self._serving[0].said or {}).get("version")
        return True

    def _watch(self, counted: Metrics) -> None:
        """Wait for the end; meanwhile start anew what died, and follow."""
        follow_s = self._settings.follow_s
        look = time.monotonic() + (follow_s or 0)
        while not self._is_ending():
            time.sleep(_TICK_S)
            self._reap()
            if follow_s is not None and time.monotonic() >= look:
                self._follow(counted)
                look = time.monotonic() + follow_s
            if not self._is_ending() and any(worker.process.poll() is not None for worker in self._serving):
                self._revive()

    def _reap(self) -> None:
        for worker, until in list(self._retired):
            if worker.process.poll() is not None or time.monotonic() > until:
                self._retired.remove((worker, until))
                worker.finish(time.monotonic())

    def _revive(self) -> None:
        """Start anew what died, with the version that the others serve."""
        if time.monotonic() < self._restart_at:
            return
        self._restart_at = time.monotonic() + _REST_S
        settings = self._settings
        if self._version is not None:
            settings = replace(settings, uri=fixed_name(settings.uri, self._version))
        for place, worker in enumerate(self._serving):
            status = worker.process.poll()
            if status is not None:
                _log.error(
                    "process %d ended with status %d; another one is started", worker.process.pid, status
                )
                worker.close()
                self._serving[place] = Worker(settings, self._listening)

    def _follow(self, counted: Metrics) -> None:
        """See where the name leads now, and let that be served."""
        wanted = None
        try:
            wanted = version_now(self._settings.uri)
            if wanted == self._version:
                if self._said:
                    counted.recovered()
                self._said, self._failed = "", (None, 0.0)
                return
            if self._failed[0] == wanted and time.monotonic() < self._failed[1]:
                return
            before = self._version
            if self._replace(self._settings):
                counted.reloaded("loaded")
                _log.info(
                    "v%s of '%s' is served now, before it was v%s", self._version, self._settings.uri, before
                )
                self._said = ""
        except GitmlError as err:
            self._failed = (wanted, time.monotonic() + _RETRY_S)
            counted.reloaded("failed")
            if str(err) != self._said:
                told = "'%s' can't be loaded, v%s is served on: %s"
                _log.error(told, self._settings.uri, self._version, err)
            self._said = str(err)

    def _is_ending(self) -> bool:
        return self._ending  # a signal sets it at any time

    def _end(self, _number: int, _frame: object) -> None:
        self._ending = True
        for worker in (*self._serving, *self._coming):
            worker.send(signal.SIGTERM)

    def _finish(self) -> list[int]:
        """End all that is left, and say how those ended that served."""
        self._ending = True
        for worker in (*self._serving, *self._coming, *(each for each, _ in self._retired)):
            worker.send(signal.SIGTERM)
        until = time.monotonic() + self._settings.drain_s + _MARGIN_S
        codes = [worker.finish(until) for worker in self._serving]
        for worker in (*self._coming, *(each for each, _ in self._retired)):
            worker.finish(until)
        return codes
