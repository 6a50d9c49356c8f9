"""Adding to a small file that other processes add to as well: all of it, or nothing."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked_file(path: Path) -> Iterator[int]:
    """Open a file for reading and appending, locked against others that do the same."""
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            yield fd
        finally:
            # A child that another thread forked just now has the descriptor too: closing ours is not enough.
            fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)


def read_locked(fd: int, start: int = 0) -> bytes:
    """Read the file from an offset on."""
    return os.pread(fd, max(os.fstat(fd).st_size - start, 0), start)


def append_whole(fd: int, data: bytes) -> None:
    """Append bytes to a file that is locked.

    Raises:
        OSError: There is no room for all of them; the file is as it was.
    """
    if not data:
        return
    written = os.write(fd, data)
    if written < len(data):
        os.ftruncate(fd, os.fstat(fd).st_size - written)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
