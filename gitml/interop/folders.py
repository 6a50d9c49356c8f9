"""Reading a folder that somebody else wrote: nothing outside of it, whatever it holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from gitml.errors import DamagedError

MAX_TEXT = 64 * 1024**2


def folders(path: Path) -> list[os.DirEntry[str]]:
    """List the folders in a folder by name; links are none."""
    return [entry for entry in _entries(path) if entry.is_dir(follow_symlinks=False)]


def files(path: str, prefix: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Walk the regular files below a folder: path with '/', and entry; links are left out."""
    return ((name, entry) for name, entry in walk(path, prefix) if not entry.is_symlink())


def walk(path: str, prefix: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Walk the regular files and the links below a folder; links are not followed."""
    for entry in _entries(path):
        name = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from walk(entry.path, f"{name}/")
        elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
            yield name, entry


def _entries(path: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as found:
            return sorted(found, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def read_bytes(path: str) -> bytes:
    """Read a small regular file; a link in its place is not followed.

    Raises:
        DamagedError: It is no file, or larger than any fact can be.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as err:
        raise DamagedError(f"'{path}' can't be read: {(err.strerror or str(err)).lower()}") from err
    try:
        size = os.fstat(descriptor).st_size
        if size > MAX_TEXT:
            raise DamagedError(f"'{path}' has {size:,} bytes, more than the {MAX_TEXT:,} allowed")
        data = os.read(descriptor, size + 1)
        while more := os.read(descriptor, max(size + 1 - len(data), 1)):
            data += more
            if len(data) > MAX_TEXT:
                raise DamagedError(f"'{path}' grows while it is read")
    except OSError as err:
        raise DamagedError(f"'{path}' can't be read: {(err.strerror or str(err)).lower()}") from err
    else:
        return data
    finally:
        os.close(descriptor)


def read_texts(path: str) -> dict[str, str]:
    """Read a folder of small files as a mapping, names with '/' for folders in it."""
    return {name: read_bytes(entry.path).decode("utf-8", "replace") for name, entry in files(path)}


def is_inside(path: Path, roots: tuple[Path, ...]) -> bool:
    """Whether a path, with all links followed, is in one of some (resolved) folders."""
    try:
        real = path.resolve()
    except (OSError, RuntimeError):  # a loop of links
        return False
    return any(real == root or real.is_relative_to(root) for root in roots)
