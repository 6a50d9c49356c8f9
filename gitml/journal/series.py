"""The points of a live run's metrics: the first ones in one file, the others in one file a metric."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path

from gitml.formats import history, names, run_tree
from gitml.journal.append_file import AppendFile, Trouble
from gitml.journal.folder import METRICS_FILE, read_file
from gitml.journal.whole import append_whole, locked_file, read_locked


class FirstPoints:
    """The first point of each metric of a live run, in the order logged; other processes add to it too."""

    def __init__(self, folder: Path) -> None:
        """Name the live run's folder."""
        self._path = folder / METRICS_FILE
        self._known: dict[str, bytes] = {}
        self._seen = 0
        self._lock = threading.Lock()

    def of(self, metric: str) -> bytes | None:
        """Return the points of a metric that are here, as lines of a history; None if it is new.

        Raises:
            OSError: The file can't be read.
        """
        with self._lock:
            try:
                self._learn(history.whole_lines(read_file(os.fspath(self._path), self._seen)))
            except FileNotFoundError:
                return None
            return self._known.get(metric)

    def add(self, metric: str, line: bytes) -> bool:
        """Add the first point of a metric; False if another process was first.

        Raises:
            OSError: It can't be written; nothing was.
        """
        with self._lock, locked_file(self._path) as fd:
            news = read_locked(fd, self._seen)
            whole = history.whole_lines(news)
            if len(whole) < len(news):  # whoever wrote it died in the middle
                os.ftruncate(fd, self._seen + len(whole))
            self._learn(whole)
            if metric in self._known:
                return False
            first = history.encode_first(metric, line)
            append_whole(fd, first)
            self._learn(first)
            return True

    def _learn(self, lines: bytes) -> None:
        self._seen += len(lines)
        for metric, points in history.decode_first(lines).items():
            self._known[metric] = self._known.get(metric, b"") + points


class Series(AppendFile):
    """The points of one metric.

    The first goes to `FirstPoints`: most short runs log one value of a metric, and
    to make and remove a file of its own for it costs more than all else about it.

    Attributes:
        steps: The steps that come next, for points that name none.
    """

    __slots__ = ("_add_first", "_metric", "_opened", "steps")

    def __init__(
        self,
        folder: Path,
        metric: str,
        report: Trouble,
        first_points: FirstPoints,
        opened: Callable[[Series], None],
    ) -> None:
        """Go on after the points that are there.

        Args:
            folder: The live run's.
            metric: The metric's name.
            report: Whom to tell of trouble.
            first_points: Where its first point is, or is to be.
            opened: Called when its own file was opened.

        Raises:
            InvalidNameError: No file can be named by it.
        """
        super().__init__(folder, f"{run_tree.HISTORY}/{names.metric_path(metric)}", report)
        self._metric = metric
        self._opened = opened
        self._add_first = first_points.add
        try:
            begun = first_points.of(metric)
        except OSError as err:
            report(err, METRICS_FILE, False)
            begun = b""
        rest = self.read()
        last = max(history.last_step(begun or b""), history.last_step(rest or b""))
        self.steps = itertools.count(last + 1)
        if begun is None and rest is None:
            self.write = self._write_first

    def _write_first(self, line: bytes) -> int:
        with self._lock:
            # `write` is another one by now if a second thread logs its first point too.
            is_first = self.write == self._write_first
            self.write = self._write_slowly
        if not is_first or not self._add(line):
            self.append_rest(line)
        return len(line)

    def _add(self, line: bytes) -> bool:
        try:
            return self._add_first(self._metric, line)
        except OSError:  # a full disk: its own file keeps points in memory, in order
            return False

    def append_rest(self, data: bytes) -> None:
        """Write what is not written yet, after what waits already."""
        was_open = self.is_open
        super().append_rest(data)
        if self.is_open and not was_open:
            self._opened(self)
