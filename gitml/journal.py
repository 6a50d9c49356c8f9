"""Live runs: a run's own tree as a plain folder, written append-only.

A `write(2)` to a file opened with O_APPEND survives the death of its process,
so everything logged before a `kill -9` is there afterwards. Whoever writes to a
live run holds a shared lock on its folder; a folder that can be locked
exclusively belongs to nobody any more and may be committed by anyone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import itertools
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from gitml.entities.run import MetricSummary, Run
from gitml.errors import NotFoundError
from gitml.formats import history, names, run_tree, yaml

LOCK_FILE = ".lock"
METRICS_FILE = ".metrics"  # names of metrics in the order first logged
BASE_FILE = ".base"  # the record that a resumed run goes on from
ASSUMED_FILE = ".assumed"  # params that hold unless params.yaml has others by these names
RESERVE_FILE = ".reserve"  # room to say how the run ended when the disk is full
_RESERVE_BYTES = 8192
_PRIVATE = frozenset((LOCK_FILE, METRICS_FILE, BASE_FILE, ASSUMED_FILE, RESERVE_FILE))
TEMPORARY = ".gitml-"  # begins the name of a file that is not whole yet
MAX_KEPT = 256 * 1024**2

Trouble = Callable[[OSError, str, bool], None]  # why, of which file, and whether it is lost


class NotLiveError(NotFoundError):
    """There is no live run of that id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run '{run_id}' is not live", hint="gitml status lists the live runs")
        self.run_id = run_id


class AppendFile:
    """A file of a live run that only grows.

    What can't be written (a full disk) is kept in memory in order and tried
    again with each later write, so that nothing is lost while there is room.

    Attributes:
        write: The file's own unbuffered `write` while all is well (one system
            call, no lock: the system appends atomically), else a slow one. May
            write less than it was given or raise; then `append_rest` goes on.
        steps: For the history of a metric, the steps that come next.
    """

    __slots__ = ("_file", "_kept", "_lock", "_report", "path", "steps", "write")

    def __init__(self, path: Path, report: Trouble) -> None:
        """Name the file and whom to tell of trouble; it is opened at the first write."""
        self.path = path
        self.steps = itertools.count()
        self.write: Callable[[bytes], int | None] = self._write_slowly
        self._file: io.FileIO | None = None
        self._lock = threading.Lock()
        self._kept = bytearray()
        self._report = report

    def append(self, data: bytes) -> None:
        """Write bytes at the end, in one call where the system lets it."""
        try:
            written = self.write(data) or 0
        except (OSError, ValueError):  # ValueError: another thread closed it just now
            written = 0
        if written != len(data):
            self.append_rest(data[written:])

    def _write_slowly(self, data: bytes) -> int:
        self.append_rest(data)
        return len(data)

    def append_rest(self, data: bytes) -> None:
        """Write what is not written yet, after what waits already."""
        with self._lock:
            room = MAX_KEPT - len(self._kept)
            self._kept += data[:room]
            try:
                self._write_kept()
            except OSError as err:
                self.write = self._write_slowly
                self._report(err, self.path.name, len(data) > room)

    def _write_kept(self) -> None:
        if self._file is None:
            self._file = self._open()
        while self._kept:
            written = self._file.write(self._kept)
            del self._kept[:written]
        self.write = self._file.write

    def _open(self) -> io.FileIO:
        try:
            return io.FileIO(self.path, "a")
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return io.FileIO(self.path, "a")

    def flush(self) -> bool:
        """Try again to write what was kept; say whether all is written."""
        if self._kept:
            self.append_rest(b"")
        return not self._kept

    def close(self) -> None:
        """Close the file; a later write opens it again."""
        with self._lock:
            self.write = self._write_slowly
            if self._file is not None:
                self._file.close()
                self._file = None

    @property
    def is_open(self) -> bool:
        """Whether it holds a file open."""
        return self._file is not None


class FolderLock:
    """A lock on a live run's folder, let go when the process ends, however it ends."""

    def __init__(self, fd: int) -> None:
        """Take over a locked descriptor."""
        self._fd = fd

    def release(self) -> None:
        """Let go; harmless when repeated."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class Journal:
    """All live runs of a repository."""

    def __init__(self, root: Path) -> None:
        """Name the folder that holds `live/` and `trash/`."""
        self.root = root
        self.live = root / "live"

    def ids(self) -> list[str]:
        """List live runs, orphaned ones included."""
        try:
            with os.scandir(self.live) as entries:
                return sorted(entry.name for entry in entries if not entry.name.startswith("."))
        except FileNotFoundError:
            return []

    def folder(self, run_id: str) -> Path:
        """Where a live run is, or would be."""
        return self.live / names.check_run_id(run_id)

    def create(self, run_id: str, files: dict[str, bytes]) -> tuple[Path, FolderLock]:
        """Make a live run that appears whole and locked.

        Args:
            run_id: The run's id.
            files: Path within the folder to its first content.

        Raises:
            FileExistsError: There is a live run of that id.
        """
        folder = self.folder(run_id)
        unborn = self.live / f".{run_id}-{uuid.uuid4().hex}"
        unborn.mkdir(parents=True)
        try:
            made = {unborn}
            for name, data in files.items():
                path = unborn / name
                if path.parent not in made:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    made.add(path.parent)
                path.write_bytes(data)
            (unborn / RESERVE_FILE).write_bytes(bytes(_RESERVE_BYTES))
            lock = _lock(unborn, fcntl.LOCK_SH)
            try:
                if folder.exists():
                    raise FileExistsError(errno.EEXIST, "a live run has this id", str(folder))
                unborn.rename(folder)
            except BaseException:
                lock.release()
                raise
        except BaseException:
            shutil.rmtree(unborn, ignore_errors=True)
            raise
        return folder, lock

    def join(self, run_id: str) -> tuple[Path, FolderLock]:
        """Lock a live run for writing, beside its other writers.

        Raises:
            NotLiveError: It is not live (any more).
        """
        folder = self.folder(run_id)
        try:
            lock = _lock(folder, fcntl.LOCK_SH)
        except FileNotFoundError:
            raise NotLiveError(run_id) from None
        if not (folder / run_tree.RUN_FILE).exists():
            lock.release()
            raise NotLiveError(run_id)
        return folder, lock

    def try_take(self, run_id: str) -> FolderLock | None:
        """Lock a live run alone; None if somebody writes to it or it is gone."""
        folder = self.folder(run_id)
        try:
            lock = _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, FileNotFoundError, PermissionError):
            return None
        except OSError as err:
            if err.errno == errno.EROFS:  # a repository that can only be read is left as it is
                return None
            raise
        if not (folder / run_tree.RUN_FILE).exists():
            lock.release()
            return None
        return lock

    def is_orphaned(self, run_id: str) -> bool:
        """Whether nobody writes to a live run any more."""
        lock = self.try_take(run_id)
        if lock is None:
            return False
        lock.release()
        return True

    def discard(self, run_id: str) -> None:
        """Remove a live run that has been committed; harmless when repeated."""
        folder = self.folder(run_id)
        trash = self.root / "trash"
        trash.mkdir(parents=True, exist_ok=True)
        target = trash / f"{run_id}-{uuid.uuid4().hex}"
        try:
            folder.rename(target)
        except FileNotFoundError:
            return
        _remove(os.fspath(target))

    def read(self, run_id: str) -> Run:
        """Read the present state of a live run.

        Raises:
            NotLiveError: It is not live (any more).
        """
        run = self.read_facts(run_id)
        prefix = run_tree.HISTORY + "/"
        metrics: dict[str, MetricSummary] = {}
        for name, entry in self.files(run_id):
            if name.startswith(prefix):
                data = history.whole_lines(Path(entry.path).read_bytes())
                summary = history.summarize(data, source=name)
                if summary is not None:
                    metrics[names.metric_name(name[len(prefix) :])] = summary
        return replace(run, metrics=self.in_logged_order(run_id, metrics))

    def read_facts(self, run_id: str) -> Run:
        """Read a live run without its metrics, whose curves can be long.

        Raises:
            NotLiveError: It is not live (any more).
        """
        folder = self.folder(run_id)
        files: dict[str, bytes] = {}
        for name in run_tree.RECORD_FILES:
            with contextlib.suppress(FileNotFoundError):
                files[name] = read_file(f"{folder}/{name}")
        if run_tree.RUN_FILE not in files:
            raise NotLiveError(run_id)
        files.pop(run_tree.METRICS_FILE, None)
        run = run_tree.decode_run(files, commit=None)
        with contextlib.suppress(FileNotFoundError):
            assumed = yaml.load_journal((folder / ASSUMED_FILE).read_bytes(), source=ASSUMED_FILE)
            run = replace(run, params={**assumed, **run.params})
        return run

    def signature(self, run_id: str) -> str:
        """A text that changes whenever something was written to a live run."""
        parts: list[str] = []
        for _, entry in self.files(run_id):
            with contextlib.suppress(FileNotFoundError):
                status = entry.stat()
                parts.append(f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}")
        return ",".join(parts)

    def files(self, run_id: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Walk the files of a live run that are part of its tree: path in it, and entry."""
        for name, entry in _walk(os.fspath(self.folder(run_id)), ""):
            if name not in _PRIVATE and not name.startswith(TEMPORARY):
                yield name, entry

    def in_logged_order(self, run_id: str, metrics: dict[str, MetricSummary]) -> dict[str, MetricSummary]:
        """Put metrics into the order in which they were first logged."""
        try:
            data = (self.folder(run_id) / METRICS_FILE).read_bytes()
        except FileNotFoundError:
            return metrics
        logged = dict.fromkeys(history.whole_lines(data).decode("utf-8", "replace").split("\n"))
        return {name: metrics[name] for name in logged if name in metrics} | metrics

    def history_path(self, run_id: str, metric: str) -> Path:
        """Where a metric's history is."""
        return self.folder(run_id) / run_tree.HISTORY / names.metric_path(metric)

    @contextlib.contextmanager
    def branch_lock(self) -> Iterator[None]:
        """Queue up the local writers of the runs branch.

        Only against needless retries: what makes moving the branch safe is
        git's own compare-and-swap.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.root / "branch.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def _remove(folder: str) -> None:
    """Remove a folder of our own that holds no folders of others.

    `shutil.rmtree` guards against links that are swapped in while it runs, at
    twice the cost; what it does is done for every run.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _remove(entry.path)
            else:
                os.unlink(entry.path)
    os.rmdir(folder)


def read_file(path: str) -> bytes:
    """Read a small file in two system calls."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        data = os.read(fd, size)
        while len(data) < size and (more := os.read(fd, size - len(data))):
            data += more
        return data
    finally:
        os.close(fd)


def _lock(folder: Path, how: int) -> FolderLock:
    fd = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(fd, how)
        if os.fstat(fd).st_nlink == 0:  # the folder was removed while we waited
            raise FileNotFoundError(errno.ENOENT, "the live run is gone", str(folder))
    except BaseException:
        os.close(fd)
        raise
    return FolderLock(fd)


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
