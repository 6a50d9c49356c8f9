"""Numbers, times and sizes as people read them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime, timezone

from gitml.entities.run import Number, ParamValue
from gitml.render.text import clean

MISSING = "–"

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def format_number(value: Number | None) -> str:
    """Write a metric's value with four significant digits; whole numbers stay whole.

    Example:
        >>> [format_number(v) for v in (0.94713, 12, 1e-05, 14336.0, float("nan"), None)]
        ['0.9471', '12', '1e-05', '14336', 'nan', '–']
    """
    if value is None:
        return MISSING
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return str(value)
    if 1000 <= abs(value) < 1e9:
        return f"{value:.0f}"
    return f"{value:.4g}"


def format_change(before: Number, after: Number) -> str:
    """Write the signed difference of two values.

    Example:
        >>> format_change(0.9388, 0.9471)
        '+0.0083'
    """
    try:
        change = after - before
    except OverflowError:  # an integer that no float can hold, and a float
        change = math.inf if after > before else -math.inf
    sign = "+" if change >= 0 else ""
    return sign + format_number(float(f"{change:.3g}") if isinstance(change, float) else change)


def format_percent(before: Number, after: Number) -> str | None:
    """Write the relative change; None where there is none to speak of (from 0, or not finite)."""
    try:
        percent = (after - before) / abs(before) * 100 if before else math.nan
    except OverflowError:  # an integer that no float can hold
        return None
    if not math.isfinite(percent):
        return None
    return f"{percent:+.0f} %" if abs(percent) >= 10 else f"{percent:+.2g} %"


def format_param(value: ParamValue) -> str:
    """Write a param as YAML would: null, true, 0.001, text as it is, lists in brackets."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list):
        return clean(json.dumps(value, ensure_ascii=False))
    return str(value)


def format_duration(seconds: float | None) -> str:
    """Write a duration in its two largest units.

    Example:
        >>> [format_duration(s) for s in (0.0421, 3.21, 45, 134, 7500, 200000, None)]
        ['42ms', '3.2s', '45s', '2m 14s', '2h 05m', '2d 07h', '–']
    """
    if seconds is None:
        return MISSING
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE:02d}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE:02d}m"
    return f"{whole // _DAY}d {whole % _DAY // _HOUR:02d}h"


def format_age(then_ms: int, now_ms: int) -> str:
    """Write how long ago something was, in one unit: now, 18m, 3h, 12d, 5mo, 2y."""
    seconds = (now_ms - then_ms) // 1000
    if seconds < _MINUTE:
        return "now" if seconds > -_MINUTE else "ahead"
    for size, unit in ((365 * _DAY, "y"), (30 * _DAY, "mo"), (_DAY, "d"), (_HOUR, "h")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds // _MINUTE}m"


def format_size(size: int) -> str:
    """Write a number of bytes in decimal units.

    Example:
        >>> format_size(512), format_size(4_200_000)
        ('512 B', '4.2 MB')
    """
    if size < 1000:
        return f"{size} B"
    amount = float(size)
    units = ["kB", "MB", "GB", "TB"]
    amount /= 1000
    while amount >= 999.5 and len(units) > 1:
        amount /= 1000
        del units[0]
    return f"{amount:.0f} {units[0]}" if amount >= 99.95 else f"{amount:.1f} {units[0]}"


def utc_text(ms: int) -> str:
    """Write a time as RFC 3339 in UTC with milliseconds: what programs read."""
    moment = datetime.fromtimestamp(ms // 1000, tz=timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def local_text(ms: int) -> str:
    """Write a time in the reader's zone, to the minute."""
    return f"{datetime.fromtimestamp(ms / 1000, tz=timezone.utc).astimezone():%Y-%m-%d %H:%M}"


def mean_and_deviation(values: Sequence[Number]) -> tuple[float | None, float | None]:
    """Give mean and sample standard deviation as IEEE arithmetic has them: NaN and infinities count.

    Returns:
        None for the mean of nothing, and for the deviation of fewer than two values.
    """
    if not values:
        return None, None
    numbers = [float(value) for value in values]
    if not all(map(math.isfinite, numbers)):
        return sum(numbers) / len(numbers), math.nan if len(numbers) > 1 else None
    from statistics import fmean, mean, stdev  # one caller in many needs it, at 6 ms

    try:
        middle = fmean(numbers)
    except OverflowError:  # the sum is too large for a float, the mean is not
        middle = mean(numbers)
    try:
        return middle, stdev(numbers) if len(numbers) > 1 else None
    except OverflowError:
        return middle, math.inf


def mean_and_spread(values: Sequence[Number]) -> str:
    """Write the mean of a group, with the sample standard deviation from two values on.

    Example:
        >>> [mean_and_spread(v) for v in ([1, 2], [1, float("nan")], [1, float("inf")], [])]
        ['1.5 ± 0.71', 'nan', 'inf', '–']
    """
    mean, deviation = mean_and_deviation(values)
    if mean is None or deviation is None or deviation != deviation:
        return format_number(mean)
    return f"{format_number(mean)} ± {deviation:.2g}"
