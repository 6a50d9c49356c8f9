"""Locks on what several processes of a user have in the cache."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; waits for who has it. The system lets go of it when a process dies."""
    fd = os.open(path, _FLAGS, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def try_lock(path: Path) -> int | None:
    """Take a lock file if nobody has it; gives the descriptor to close, None if it is taken or gone."""
    fd = os.open(path, _FLAGS, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except (BlockingIOError, FileNotFoundError):
        ours = False
    except BaseException:
        os.close(fd)
        raise
    if not ours:
        os.close(fd)
        return None
    return fd


def private_folder(folder: Path) -> Path:
    """Make a folder of the cache, if needed, and the cache; only their owner can look into them."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
