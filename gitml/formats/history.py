"""The history of a metric: one line a point, `step TAB timestamp_ms TAB value`.

Values are what Python's `repr` prints: the shortest text that reads back
exactly; integers stay integers of any size; `nan`, `inf` and `-inf`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from gitml.entities.run import MetricPoint, MetricSummary, Number
from gitml.errors import DamagedError


def encode_point(step: int, timestamp_ms: int, value: Number) -> bytes:
    """Write one point as a line."""
    return f"{step}\t{timestamp_ms}\t{value!r}\n".encode()


def encode_first(metric: str, line: bytes) -> bytes:
    """Write the first point of a metric beside those of other metrics: its line, and the metric's name."""
    return line[:-1] + b"\t" + metric.encode() + b"\n"


def decode_first(data: bytes) -> dict[str, bytes]:
    """Read first points: each metric's lines, in the order in which the metrics were first logged.

    A line that is only a name says that the metric comes here in the order, and has no point
    here. Lines whose name is not UTF-8 stand under an empty name.
    """
    points: dict[str, bytes] = {}
    for line in data.split(b"\n"):
        if line:
            point, tab, name = line.rpartition(b"\t")
            try:
                metric = name.decode()
            except UnicodeDecodeError:
                metric = ""
            points[metric] = points.get(metric, b"") + (point + b"\n" if tab else b"")
    return points


def first_points_of(metric: str, data: bytes) -> bytes:
    """Pick the lines of one metric from first points."""
    end_of_line = b"\t" + metric.encode() + b"\n"
    points = b""
    end = data.find(end_of_line)
    while end >= 0:
        points += data[data.rfind(b"\n", 0, end) + 1 : end] + b"\n"
        end = data.find(end_of_line, end + 1)
    return points


def whole_lines(data: bytes) -> bytes:
    """Cut off a last line that a crash left unfinished."""
    return data if data.endswith(b"\n") else data[: data.rfind(b"\n") + 1]


_POINT = re.compile(rb"-?[0-9]+\t-?[0-9]+\t(?:-?[0-9]+|-?[0-9]+\.[0-9]+|-?[0-9.]+e[-+]?[0-9]+|-?inf|nan)\n")


def sound_lines(data: bytes) -> bytes:
    """Keep only lines that are points: what a full disk tore in two is left out."""
    return b"".join(line for line in data.splitlines(keepends=True) if _POINT.fullmatch(line))


def last_step(data: bytes) -> int:
    """The highest step of a history's points, -1 if there are none; what is no point is passed over."""
    data = whole_lines(data)
    try:
        return _highest(data)
    except ValueError:
        return _highest(sound_lines(data))


def _highest(data: bytes) -> int:
    return max((int(line.split(b"\t", 1)[0]) for line in data.splitlines()), default=-1)


_POINTS = re.compile(b"(?:%s)*" % _POINT.pattern)


def has_form(data: bytes) -> bool:
    """Whether all lines are points as gitml writes them; quick, and of what others write `iter_points` decides."""
    return _POINTS.fullmatch(data) is not None


def decode_points(data: bytes, *, source: str) -> list[MetricPoint]:
    """Read all points, in the order they were logged.

    Raises:
        DamagedError: A line is not a point; names the file and the line.
    """
    return list(iter_points(data, source=source))


def iter_points(data: bytes, *, source: str) -> Iterator[MetricPoint]:
    """Read points one by one; see `decode_points`."""
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        if not line:
            continue
        try:
            step, timestamp, value = line.split("\t")
            yield MetricPoint(int(step), int(timestamp), _number(value))
        except ValueError:
            raise DamagedError(
                f"'{source}', line {number} is not 'step TAB timestamp TAB value': {line[:80]!r}"
            ) from None


def _number(text: str) -> Number:
    try:
        return int(text)
    except ValueError:
        return float(text)


def summarize(data: bytes, *, source: str, start: MetricSummary | None = None) -> MetricSummary | None:
    """Fold points into what `metrics.yaml` says of them.

    Args:
        data: Whole lines of a history.
        source: What to call the file in an error.
        start: The summary of the points before these, to go on from.

    Returns:
        The summary, or `start` if there are no points.
    """
    points = iter(iter_points(data, source=source))
    if start is None:
        first = next(points, None)
        if first is None:
            return None
        start = MetricSummary(
            first.value, first.step, first.timestamp_ms, first.value, first.step, first.value, first.step, 1
        )
    last, step, timestamp = start.last, start.step, start.timestamp_ms
    low, low_step, high, high_step = start.min, start.min_step, start.max, start.max_step
    count = start.count
    for point in points:
        count += 1
        value = point.value
        if (point.step, point.timestamp_ms) >= (step, timestamp):
            last, step, timestamp = value, point.step, point.timestamp_ms
        if value < low or (low != low and value == value):
            low, low_step = value, point.step
        if value > high or (high != high and value == value):
            high, high_step = value, point.step
    return MetricSummary(last, step, timestamp, low, low_step, high, high_step, count)


def summarize_sound(data: bytes) -> tuple[bytes, MetricSummary | None]:
    """Fold points where some lines may be none, which a full disk tore in two.

    Returns:
        The lines that are points, and their summary.
    """
    try:
        return data, summarize(data, source="")
    except DamagedError:
        data = sound_lines(data)
        return data, summarize(data, source="")


def same_number(left: Number, right: Number) -> bool:
    """Whether two values are the same, NaN being the same as NaN."""
    return left == right or (math.isnan(left) and math.isnan(right))
