"""Write what a program prints to the run, without ever holding the program up.

A thread of its own does the writing, so a slow disk only makes the backlog
grow. Only when that is full and stays full is output left out of the record
(never off the terminal), and the run says so.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

BACKLOG_BYTES = 64 << 20
_PATIENCE_S = 2.0  # how long one full backlog may hold the program up
_GIVE_UP_S = 30.0  # how long a disk may stand still at the end


class OutputLog:
    """A queue of output with a thread that writes it.

    Args:
        write: Gets the output in order, from one thread. What it raises is
            noted, and the next piece is tried again.
        backlog_bytes: How much may wait for the disk.
        give_up_s: How long `close` waits for a disk that does nothing, in seconds.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        *,
        backlog_bytes: int = BACKLOG_BYTES,
        give_up_s: float = _GIVE_UP_S,
    ) -> None:
        self._write = write
        self._limit = backlog_bytes
        self._give_up_s = give_up_s
        self._queue: deque[bytes] = deque()
        self._waiting = 0
        self._lost = 0
        self._error: Exception | None = None
        self._overrun = False
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="gitml-output", daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        """Record `data` after what was put before it."""
        with self._changed:
            if self._waiting >= self._limit and not self._overrun:
                self._changed.wait_for(lambda: self._waiting < self._limit, _PATIENCE_S)
            self._overrun = self._waiting >= self._limit
            if self._overrun:
                self._lost += len(data)
                return
            self._queue.append(data)
            self._waiting += len(data)
            self._changed.notify_all()

    def close(self) -> str | None:
        """Wait until all is written.

        Returns:
            What is missing and why, as a sentence; None when nothing is.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._join_while_it_moves()
        with self._changed:
            lost = self._lost + self._waiting
        if not lost and self._error is None:
            return None
        reason = str(self._error) if self._error is not None else "the disk was too slow"
        return f"{lost:,} bytes of output could not be recorded: {reason}"

    def _join_while_it_moves(self) -> None:
        left, since = -1, time.monotonic()
        while self._thread.is_alive() and time.monotonic() - since < self._give_up_s:
            self._thread.join(0.2)
            if self._waiting != left:
                left, since = self._waiting, time.monotonic()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    return
                data = b"".join(self._queue)
                self._queue.clear()
            error = self._try_to_write(data)
            with self._changed:
                if error is not None:
                    self._error = error
                    self._lost += len(data)
                self._waiting -= len(data)
                self._changed.notify_all()

    def _try_to_write(self, data: bytes) -> Exception | None:
        try:
            self._write(data)
        except Exception as error:  # noqa: BLE001 - whatever logging meets, the program goes on
            return error
        return None
