"""Processes that were started together and serve the same version of a model."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from typing import IO, Any

from gitml.errors import GitmlError
from gitml.models.serving.settings import ServeSettings

# Not by `-m`: the current folder's modules are not ours.
_START = (
    "import sys; sys.path[:1] == [''] and sys.path.pop(0); from gitml.models.serving.worker import main; "
    "sys.exit(main(sys.argv[1:]))"
)
RETIRE = signal.SIGUSR1  # take no new connections, and end when the old ones have gone


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


class Worker:
    """A process that serves.

    Attributes:
        process: The process.
        said: What it told once it served: the model's name and version; None before.
    """

    def __init__(self, settings: ServeSettings, listening: socket.socket) -> None:
        """Start it."""
        reading, writing = os.pipe()
        number = str(listening.fileno())
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, number, str(writing)],
            stdin=subprocess.PIPE,
            pass_fds=(listening.fileno(), writing),
            start_new_session=True,  # Ctrl-C comes to whoever looks after it
        )
        os.close(writing)
        self.said: dict[str, Any] | None = None
        self._told: IO[bytes] = os.fdopen(reading, "rb")
        if self.process.stdin is not None:
            # It stays open: when it closes, the process knows that nobody looks after it any more.
            self.process.stdin.write(settings.to_json().encode() + b"\n")
            self.process.stdin.flush()

    def is_ready(self, wait_s: float) -> bool:
        """Whether it serves; waits so long for that at most.

        Raises:
            WorkerError: It can't, and has ended or will.
        """
        if self.said is None and select.select([self._told], [], [], wait_s)[0]:
            line = self._told.readline()
            said = json.loads(line) if line else None
            if said is None or "error" in said:
                raise WorkerError(said, self.process.wait())
            self.said = said
        return self.said is not None

    def send(self, number: int) -> None:
        """Send a signal, if it is still there."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def finish(self, until: float) -> int:
        """Wait for its end, and end it by force when the time is over; gives its status."""
        try:
            status = self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.close()
        return status

    def close(self) -> None:
        """Forget a process that has ended."""
        from prometheus_client.multiprocess import mark_process_dead

        self._told.close()
        if self.process.stdin is not None:
            self.process.stdin.close()
        mark_process_dead(self.process.pid)  # type: ignore[no-untyped-call]
