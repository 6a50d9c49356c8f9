"""Fresh folders below the cache for code that is laid out; whoever is killed leaves one to the next."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitml.execution.cache import cache_folder
from gitml.execution.sources.locks import try_lock

_FOLDER, _LOCK = "work", ".lock"


@contextmanager
def fresh_folder(cache: Path) -> Iterator[Path]:
    """Have a new, empty folder with a name of its own; it goes when it is left."""
    top = cache_folder(cache / _FOLDER)
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
            _remove(folder, lock)
    finally:
        os.close(fd)


def _sweep(top: Path) -> None:
    """Remove what processes left that are no more: nobody holds the locks of their folders."""
    for lock in top.glob(f"*{_LOCK}"):
        fd = try_lock(lock)
        if fd is not None:
            try:
                _remove(lock.with_suffix(""), lock)
            finally:
                os.close(fd)


def _remove(folder: Path, lock: Path) -> None:
    """Remove a folder, parts that a program made read-only too; what is another user's stays for the next call."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        shutil.rmtree(folder, ignore_errors=True)  # a program that goes on removes in it too
    except OSError:
        folder.chmod(0o700)
        for here, names, _ in os.walk(folder):
            for path in (Path(here, name) for name in names):
                if not path.is_symlink():
                    with suppress(PermissionError):  # as a container's files may be
                        path.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        lock.unlink(missing_ok=True)
