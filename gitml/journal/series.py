"""The points of a live run's metrics: the first ones in one file, the others in one file a metric."""

from __future__ import annotations

import itertools
from pathlib import Path

from gitml.formats import history
from gitml.journal.append_file import AppendFile, Trouble
from gitml.journal.folder import METRICS_FILE


class FirstPoints(AppendFile):
    """The first point of each metric of a live run, in the order logged; other processes add to it too."""

    __slots__ = ("_known", "_seen")

    def __init__(self, folder: Path, report: Trouble) -> None:
        """Name the live run's folder and whom to tell of trouble."""
        super().__init__(folder / METRICS_FILE, report, "metrics")
        self._known: dict[str, bytes] = {}
        self._seen = 0

    def of(self, metric: str) -> bytes | None:
        """Return the points of a metric that are here, as lines of a history; None if it is new."""
        lines = history.whole_lines(self.read(self._seen) or b"")
        self._seen += len(lines)
        for name, points in history.decode_first(lines).items():
            self._known[name] = self._known.get(name, b"") + points
        return self._known.get(metric)


class Series(AppendFile):
    """The points of one metric.

    The first goes to `FirstPoints`: most short runs log one value of a metric, and
    to make and remove a file of its own for it costs more than all else about it.

    Attributes:
        steps: The steps that come next, for points that name none.
    """

    __slots__ = ("_first_points", "_metric", "steps")

    def __init__(self, metric: str, path: Path, first_points: FirstPoints, report: Trouble) -> None:
        """Go on after the points that are there.

        Args:
            metric: The metric's name.
            path: Its history.
            first_points: Where its first point is, or is to be.
            report: Whom to tell of trouble.
        """
        super().__init__(path, report)
        self._metric = metric
        self._first_points = first_points
        begun = first_points.of(metric)
        rest = self.read()
        self.steps = itertools.count(max(history.last_step(begun or b""), history.last_step(rest or b"")) + 1)
        if begun is None and rest is None:
            self.write = self._write_first

    def _write_first(self, line: bytes) -> int:
        with self._lock:
            # `write` is another one by now if a second thread logs its first point too.
            is_first = self.write == self._write_first
            self.write = self._write_slowly
        if is_first:
            self._first_points.append(history.encode_first(self._metric, line))
        else:
            self.append_rest(line)
        return len(line)
