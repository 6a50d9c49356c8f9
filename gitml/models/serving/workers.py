"""Several processes that serve the same model on one socket, and who looks after them."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from gitml.errors import GitmlError
from gitml.models.serving.metrics import FOLDER_VARIABLE
from gitml.models.serving.process import CUT_OFF
from gitml.models.serving.settings import ServeSettings

_log = logging.getLogger("gitml.serving")
_TICK_S, _REST_S, _MARGIN_S = 0.1, 1.0, 5.0


class WorkerError(GitmlError):
    """A process could not begin to serve."""

    exit_code = 7

    def __init__(self, said: dict[str, Any] | None, status: int | None) -> None:
        said = said or {}
        super().__init__(
            str(said.get("error") or f"a process that was to serve ended with status {status}; see above"),
            hint=said.get("hint"),
        )
        self.exit_code = int(said.get("exit_code") or self.exit_code)


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    told: IO[bytes]
    started: float


class Workers:
    """Starts processes, starts those anew that died, and ends all of them."""

    def __init__(self, settings: ServeSettings, listening: socket.socket) -> None:
        self._settings = settings
        self._listening = listening
        self._running: list[_Worker] = []
        self._ending = False

    def run(self, ready: Callable[[str, int | None], None]) -> int:
        """Serve until told to end by SIGTERM or SIGINT.

        Args:
            ready: Called once all processes answer, with the model's name and version.

        Returns:
            The exit status: 0 if all ended as they should.

        Raises:
            WorkerError: A process could not load the model.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        with tempfile.TemporaryDirectory(prefix="gitml-serve-") as counts:
            os.environ[FOLDER_VARIABLE] = counts
            try:
                self._running = [self._start() for _ in range(self._settings.workers)]
                said = [self._hear(worker) for worker in self._running]
                if not self._ending:
                    ready(str(said[0]["name"]), said[0]["version"])
                self._watch()
            finally:
                codes = self._finish()
        return 0 if not any(codes) else CUT_OFF

    def _start(self) -> _Worker:
        reading, writing = os.pipe()
        listening = self._listening.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "gitml.models.serving.worker", str(listening), str(writing)],
            stdin=subprocess.PIPE,
            pass_fds=(listening, writing),
        )
        os.close(writing)
        if process.stdin is not None:
            process.stdin.write(self._settings.to_json().encode())
            process.stdin.close()
        return _Worker(process, os.fdopen(reading, "rb"), time.monotonic())

    def _hear(self, worker: _Worker) -> dict[str, Any]:
        line = worker.told.readline()
        said: dict[str, Any] | None = json.loads(line) if line else None
        if said is None or "error" in said:
            status = worker.process.wait()
            if self._ending:
                return {"name": "", "version": None}
            raise WorkerError(said, status)
        return said

    def _watch(self) -> None:
        """Wait for the end; meanwhile, start anew what died."""
        while not self._ending:
            time.sleep(_TICK_S)
            for place, worker in enumerate(self._running):
                status = worker.process.poll()
                if status is None or self._ending:
                    continue
                _log.error(
                    "process %d ended with status %d; another one is started", worker.process.pid, status
                )
                worker.told.close()
                _forget(worker.process.pid)
                if time.monotonic() - worker.started < _REST_S:
                    time.sleep(_REST_S)
                self._running[place] = self._start()

    def _end(self, _number: int, _frame: object) -> None:
        self._ending = True
        for worker in self._running:
            if worker.process.poll() is None:
                worker.process.terminate()

    def _finish(self) -> list[int]:
        self._ending = True
        for worker in self._running:
            if worker.process.poll() is None:
                worker.process.terminate()
        until = time.monotonic() + self._settings.drain_s + _MARGIN_S
        codes = []
        for worker in self._running:
            try:
                codes.append(worker.process.wait(max(0.0, until - time.monotonic())))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                codes.append(worker.process.wait())
            worker.told.close()
        return codes


def _forget(pid: int) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)  # type: ignore[no-untyped-call]
