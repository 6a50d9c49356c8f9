"""What a live run's folder has besides the run's own tree, and how it is read and locked."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from gitml.formats import run_tree

LOCK_FILE = ".lock"  # its bytes are room to say how the run ended when the disk is full
METRICS_FILE = ".metrics"  # the first point of each metric, in the order logged
BASE_FILE = ".base"  # the record that a resumed run goes on from
ASSUMED_FILE = ".assumed"  # params that hold unless params.yaml has others by these names
TEMPORARY = ".gitml-"  # begins the name of a file that is not whole yet
_ENVIRONMENT = f"{run_tree.ENVIRONMENT}/"
_RESERVE_BYTES = 8192


class FolderLock:
    """A lock on a live run's folder, let go when the process ends, however it ends.

    A shared one is shared with forked children, and lasts as long as any of them:
    they log to the run too. One that is held alone ends when it is released.
    """

    def __init__(self, fd: int, *, alone: bool) -> None:
        """Take over a locked descriptor."""
        self._fd = fd
        self._alone = alone

    def release(self) -> None:
        """Let go; harmless when repeated."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            if self._alone:
                fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)


def lock_folder(folder: Path, how: int, *, new: bool = False) -> FolderLock:
    """Lock a live run's folder as `flock` does; a new one's lock is filled with the reserve.

    Raises:
        FileNotFoundError: It is gone.
        OSError: What `flock` says.
    """
    fd = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if new:
            os.write(fd, bytes(_RESERVE_BYTES))
        fcntl.flock(fd, how)
        if os.fstat(fd).st_nlink == 0:  # the folder was removed while we waited
            raise FileNotFoundError(errno.ENOENT, "the live run is gone", str(folder))
    except BaseException:
        os.close(fd)
        raise
    return FolderLock(fd, alone=bool(how & fcntl.LOCK_EX))


def give_up_reserve(folder: Path) -> None:
    """Make room on a full disk to say how a run ended.

    Raises:
        OSError: It can't be made.
    """
    os.truncate(folder / LOCK_FILE, 0)


def tree_files(folder: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Walk the files that are part of the run's tree: path in it, and entry."""
    return ((name, entry) for name, entry in _walk(folder, "") if not name.startswith("."))


def changing_files(folder: str) -> Iterator[os.DirEntry[str]]:
    """Walk the files that change when something is logged; those of the environment can be older than the run."""
    for name, entry in _walk(folder, ""):
        if name not in (LOCK_FILE, BASE_FILE) and not name.startswith((TEMPORARY, _ENVIRONMENT)):
            yield entry


def _walk(folder: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Regular files below a folder, in name order; links are not followed."""
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, f"{prefix}{entry.name}/")
        elif entry.is_file(follow_symlinks=False):
            yield prefix + entry.name, entry


def read_file(path: str, start: int = 0) -> bytes:
    """Read a small file, from an offset on, in two system calls."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size - start
        data = os.pread(fd, size, start) if size > 0 else b""
        while len(data) < size and (more := os.pread(fd, size - len(data), start + len(data))):
            data += more
        return data
    finally:
        os.close(fd)


def remove_folder(folder: str) -> None:
    """Remove a folder of our own that holds no folders of others.

    `shutil.rmtree` guards against links that are swapped in while it runs, at
    twice the cost; what it does is done for every run.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                remove_folder(entry.path)
            else:
                os.unlink(entry.path)
    os.rmdir(folder)
