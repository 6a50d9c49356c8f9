"""All live runs of a repository: making, joining, taking over, reading and removing them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gitml.entities.run import MetricSummary, Run
from gitml.errors import InvalidNameError, NotFoundError
from gitml.formats import history, names, run_tree, yaml
from gitml.journal.facts import as_document, last_document
from gitml.journal.folder import (
    ASSUMED_FILE,
    METRICS_FILE,
    FolderLock,
    changing_files,
    lock_folder,
    read_file,
    remove_folder,
    tree_files,
)
from gitml.journal.whole import locked_file


class NotLiveError(NotFoundError):
    """There is no live run of that id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run '{run_id}' is not live", hint="gitml status lists the live runs")
        self.run_id = run_id


@dataclass(frozen=True, slots=True)
class Curve:
    """The points of one metric of a live run.

    Attributes:
        metric: Its name.
        points: They, as lines of a history.
        summary: What metrics.yaml says of them; None if there are none.
        torn: Whether lines were left out because they are no points.
    """

    metric: str
    points: bytes
    summary: MetricSummary | None
    torn: bool


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

    def create(
        self, run_id: str, files: Mapping[str, bytes], twins: Mapping[str, Path] | None = None
    ) -> tuple[Path, FolderLock]:
        """Make a live run that appears whole and locked.

        Args:
            run_id: The run's id.
            files: Path within the folder to its first content.
            twins: For some of these paths a file of that content, on this file
                system, that nobody changes: it is linked where that works.

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
                if twins is None or name not in twins or not _linked(twins[name], path):
                    path.write_bytes(as_document(data) if name == run_tree.RUN_FILE else data)
            lock = lock_folder(unborn, fcntl.LOCK_SH, new=True)
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
            lock = lock_folder(folder, fcntl.LOCK_SH)
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
            lock = lock_folder(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
        remove_folder(os.fspath(target))

    def read(self, run_id: str) -> Run:
        """Read the present state of a live run.

        Raises:
            NotLiveError: It is not live (any more).
        """
        run = self.read_facts(run_id)
        metrics: dict[str, MetricSummary] = {}
        incomplete = run.incomplete
        for curve in self.curves(run_id):  # one at a time: they can be long
            incomplete |= curve.torn
            if curve.summary is not None:
                metrics[curve.metric] = curve.summary
        return replace(run, metrics=metrics, incomplete=incomplete)

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
        files[run_tree.RUN_FILE] = last_document(files[run_tree.RUN_FILE])
        run = run_tree.decode_run(files, commit=None)
        with contextlib.suppress(FileNotFoundError):
            assumed = yaml.load_journal((folder / ASSUMED_FILE).read_bytes(), source=ASSUMED_FILE)
            run = replace(run, params={**assumed, **run.params})
        return run

    def read_run_file(self, run_id: str) -> Run:
        """Read what run.yaml of a live run says: the run without params, metrics and tags.

        Raises:
            NotLiveError: It is not live (any more).
        """
        try:
            data = read_file(f"{self.folder(run_id)}/{run_tree.RUN_FILE}")
        except FileNotFoundError:
            raise NotLiveError(run_id) from None
        return run_tree.decode_run({run_tree.RUN_FILE: last_document(data)}, commit=None)

    def curves(self, run_id: str) -> Iterator[Curve]:
        """Read all points of a live run, its metrics in the order first logged."""
        prefix = run_tree.HISTORY + "/"
        paths = {
            names.metric_name(name[len(prefix) :]): entry.path
            for name, entry in self.files(run_id)
            if name.startswith(prefix)
        }
        # After the files are listed: then the first points of all that have a file are seen too.
        first = history.decode_first(_whole_lines_of(f"{self.folder(run_id)}/{METRICS_FILE}"))
        for metric in dict.fromkeys((*first, *paths)):
            points = first.get(metric, b"")
            if metric in paths:
                points += _whole_lines_of(paths[metric])
            if not points:
                continue
            if _is_metric(metric):
                sound, summary = history.summarize_sound(points)
                yield Curve(metric, sound, summary, torn=sound != points)
            else:  # of a damaged line it may be anything
                yield Curve(metric, b"", None, torn=True)

    def history(self, run_id: str, metric: str) -> bytes:
        """Read the points of one metric of a live run as lines; empty if there are none."""
        rest = _whole_lines_of(os.fspath(self.history_path(run_id, metric)))  # first: see `curves`
        first = _whole_lines_of(f"{self.folder(run_id)}/{METRICS_FILE}")
        points = history.first_points_of(metric, first) + rest
        return points if history.has_form(points) else history.summarize_sound(points)[0]

    def signature(self, run_id: str) -> str:
        """A text that changes whenever something was written to a live run."""
        parts: list[str] = []
        for entry in changing_files(os.fspath(self.folder(run_id))):
            with contextlib.suppress(FileNotFoundError):
                status = entry.stat()
                parts.append(f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}")
        return ",".join(parts)

    def last_change_ms(self, run_id: str) -> int:
        """When something was last written to a live run, in milliseconds since 1970; 0 if never."""
        times = [0]
        for entry in changing_files(os.fspath(self.folder(run_id))):
            with contextlib.suppress(FileNotFoundError):
                times.append(entry.stat().st_mtime_ns // 1_000_000)
        return max(times)

    def files(self, run_id: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Walk the files of a live run that are part of its tree: path in it, and entry.

        The first point of a metric is not in its history; see `curves`.
        """
        return tree_files(os.fspath(self.folder(run_id)))

    def history_path(self, run_id: str, metric: str) -> Path:
        """Where a metric's points after the first are."""
        return self.folder(run_id) / run_tree.HISTORY / names.metric_path(metric)

    @contextlib.contextmanager
    def branch_lock(self) -> Iterator[None]:
        """Queue up the local writers of the runs branch.

        Only against needless retries: what makes moving the branch safe is
        git's own compare-and-swap.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with locked_file(self.root / "branch.lock"):
            yield


def _is_metric(name: str) -> bool:
    try:
        names.metric_path(names.check_name("metric", name))
    except InvalidNameError:
        return False
    return True


def _linked(twin: Path, path: Path) -> bool:
    try:
        os.link(twin, path)
    except OSError:  # a file system without links, too many of them, or the twin was swept up just now
        return False
    return True


def _whole_lines_of(path: str) -> bytes:
    try:
        return history.whole_lines(read_file(path))
    except FileNotFoundError:
        return b""
