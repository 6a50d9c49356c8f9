"""Folders of their own for what a bundle needs while it is made or applied.

Whoever has one holds a lock that all of them share. A process that is killed lets go of
it and leaves its folder: when nobody holds the lock, all that is there was abandoned,
and `gitml gc` removes it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitml.repo import Repo
from gitml.sync.seen import list_refs

_FOLDER, _LOCK, _BESIDE = "bundles", ".lock", "beside"
_TEMPORARY = re.compile(r"\.gitml-[0-9a-f]{32}")
# As earlier versions had it, which fetched what came into refs.
_EARLIER, _EARLIER_REFS = ".incoming-", "refs/gitml/incoming/"


@contextmanager
def workspace(repo: Repo) -> Iterator[Path]:
    """Have a folder that nobody else uses; it goes when it is left."""
    top = repo.root / _FOLDER
    top.mkdir(parents=True, exist_ok=True)
    with _lock(top, fcntl.LOCK_SH):
        folder = top / uuid.uuid4().hex
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def temporary_beside(target: Path, folder: Path) -> Path:
    """Name a file in the folder of another one, to be renamed; noted in the workspace, so that it can be found."""
    name = target.absolute().with_name(f".gitml-{uuid.uuid4().hex}")
    (folder / _BESIDE).write_bytes(os.fsencode(name))
    return name


def abandoned(repo: Repo) -> tuple[list[Path], dict[str, str]]:
    """Find what killed processes left: files and folders, and refs with what they point at."""
    top = repo.root / _FOLDER
    paths = [path for path in _listed(repo.root) if path.name.startswith(_EARLIER)]
    if not top.is_dir():
        return paths, list_refs(repo, _EARLIER_REFS)
    try:
        with _lock(
            top, fcntl.LOCK_EX | fcntl.LOCK_NB
        ):  # names are made once: whoever comes later has another
            folders = [path for path in _listed(top) if path.name != _LOCK]
            paths += [one for folder in folders for one in _beside(folder)]
            return paths + folders, list_refs(repo, _EARLIER_REFS)
    except BlockingIOError:
        return [], {}


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _beside(folder: Path) -> Iterator[Path]:
    try:
        path = Path(os.fsdecode((folder / _BESIDE).read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return
    if path.is_absolute() and _TEMPORARY.fullmatch(path.name) and path.is_file() and not path.is_symlink():
        yield path


@contextmanager
def _lock(top: Path, how: int) -> Iterator[None]:
    fd = os.open(top / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        os.close(fd)
