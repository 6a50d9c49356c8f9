"""Single keys from the terminal, which is left as it was whatever happens."""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Pause = Callable[[float], bool]
"""Waits so many seconds; tells whether it was asked to quit."""
_ESCAPE = b"\x1b"


def sleep(seconds: float) -> bool:
    """Wait where there are no keys."""
    time.sleep(seconds)
    return False


@contextmanager
def quit_key() -> Iterator[Pause | None]:
    """Read keys without echo, and give a way to wait that `q` ends.

    None is given where standard input is no terminal, or another program's.
    """
    if not sys.stdin.isatty() or not _is_ours(sys.stdin.fileno()):
        yield None
        return
    fd = sys.stdin.fileno()
    before: list[Any] = termios.tcgetattr(fd)
    # Their default ends the process before anything is put back.
    handlers = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield lambda seconds: _pause(fd, seconds)
    finally:
        if _is_ours(fd):
            termios.tcsetattr(fd, termios.TCSANOW, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _is_ours(fd: int) -> bool:
    """Whether the terminal is ours now: a job in the background that changes it is stopped."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError as err:  # it is no job control's, or it is gone
        return err.errno == errno.ENOTTY


def _pause(fd: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if not _is_ours(fd):
            time.sleep(left)
            continue
        tty.setcbreak(fd, termios.TCSANOW)  # each time: a shell puts its own mode back on Ctrl-Z
        if select.select([fd], [], [], left)[0]:
            typed = os.read(fd, 64)
            if not typed or (b"q" in typed.lower() and not typed.startswith(_ESCAPE)):
                return True
    return False


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
