"""Fresh folders below the cache for code that is laid out; whoever is killed leaves one to the next."""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from gitml.execution.sources.locks import private_folder, try_lock

_FOLDER, _LOCK = "work", ".lock"
_Found = tuple[type[BaseException], BaseException, TracebackType]


@contextmanager
def fresh_folder(cache: Path) -> Iterator[Path]:
    """Have a new, empty folder with a name of its own; it goes when it is left."""
    top = private_folder(cache / _FOLDER)
    _sweep(top)
    name = uuid.uuid4().hex
    lock = top / f"{name}{_LOCK}"
    fd = try_lock(lock)
    while fd is None:  # another process swept it in the moment before it was ours
        fd = try_lock(lock)
    try:
        folder = top / name
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            _remove(folder)
            lock.unlink(missing_ok=True)
    finally:
        os.close(fd)


def _sweep(top: Path) -> None:
    """Remove what processes left that are no more: nobody holds the locks of their folders."""
    for lock in top.glob(f"*{_LOCK}"):
        fd = try_lock(lock)
        if fd is not None:
            try:
                _remove(lock.with_suffix(""))
                lock.unlink(missing_ok=True)
            finally:
                os.close(fd)


def _remove(folder: Path) -> None:
    """Remove a folder as far as we may; a program may have made parts of it read-only, or another user's."""

    def once_more(_: Callable[..., object], path: str, __: _Found) -> None:
        with suppress(OSError):  # another user's, as a container's are: the next call tries again
            for place in (os.path.dirname(path), path):
                mode = os.lstat(place).st_mode
                if stat.S_ISDIR(mode):
                    os.chmod(place, stat.S_IMODE(mode) | 0o700)
            if stat.S_ISDIR(os.lstat(path).st_mode):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)

    shutil.rmtree(folder, onerror=once_more)
