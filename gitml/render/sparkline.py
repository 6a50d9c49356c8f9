"""Curves thinned without losing a spike, and drawn in one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gitml.entities.run import MetricPoint, Number

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII_BLOCKS = "_.-~=+*#"


def min_max_buckets(points: Sequence[MetricPoint], buckets: int) -> list[MetricPoint]:
    """Thin a long curve so that no spike disappears.

    Args:
        points: The curve, length n, ordered by step.
        buckets: Into how many equal slices of n to cut it.

    Returns:
        The lowest and the highest point of every slice, in step order: at most
        2 * buckets points, or all of `points` if it is that short.

    Raises:
        ValueError: `buckets` is less than 1.

    Example:
        >>> curve = [MetricPoint(i, i, 9.0 if i == 5 else 0.0) for i in range(100)]
        >>> max(p.value for p in min_max_buckets(curve, buckets=4))
        9.0
    """
    if buckets < 1:
        raise ValueError(f"a curve can't be cut into {buckets} slices")
    count = len(points)
    if count <= 2 * buckets:
        return list(points)
    kept: list[MetricPoint] = []
    for bucket in range(buckets):
        first, last = bucket * count // buckets, (bucket + 1) * count // buckets
        indexes = range(first, last)
        low = min(indexes, key=lambda i: _sortable(points[i].value, math.inf))
        high = max(indexes, key=lambda i: _sortable(points[i].value, -math.inf))
        kept += [points[i] for i in sorted({low, high})]
    return kept


def _sortable(value: Number, instead_of_nan: float) -> Number:
    return instead_of_nan if value != value else value


def sparkline(values: Sequence[Number], *, cells: int = 12, unicode: bool = True) -> str:
    """Draw a curve in one line: one block a slice, as high as the slice's mean.

    Values that are not finite leave a gap. A curve that never changes is drawn
    half-way up.

    Example:
        >>> sparkline([1, 2, 3, 4], cells=4)
        '▁▃▆█'
    """
    slices = _means(values, cells)
    finite = [value for value in slices if value is not None]
    if not finite:
        return ""
    blocks = _BLOCKS if unicode else _ASCII_BLOCKS
    low, high = min(finite), max(finite)
    top = len(blocks) - 1

    def block(value: float | None) -> str:
        if value is None:
            return " "
        if high == low:
            return blocks[top // 2]
        # Halved first: the span of the largest doubles is not a double.
        share = (value / 2 - low / 2) / (high / 2 - low / 2)
        return blocks[math.floor(share * top + 0.5)]

    return "".join(map(block, slices))


def _means(values: Sequence[Number], slices: int) -> list[float | None]:
    count = len(values)
    if count <= slices:
        return [float(value) if math.isfinite(value) else None for value in values]
    means: list[float | None] = []
    for number in range(slices):
        part = values[number * count // slices : (number + 1) * count // slices]
        finite = [value for value in part if math.isfinite(value)]
        if not finite:
            means.append(None)
            continue
        mean = sum(value / len(finite) for value in finite)
        # Rounding must not draw waves into a curve that is flat.
        means.append(min(max(mean, min(finite)), max(finite)))
    return means
