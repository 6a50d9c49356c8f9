"""Times, durations and numbers as people write them in a filter."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta

_UNITS = {
    "ms": 0.001,
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
    "m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hour": 3600, "hours": 3600,
    "d": 86400, "day": 86400, "days": 86400,
    "w": 604800, "week": 604800, "weeks": 604800,
}  # fmt: skip
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)\s*")
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf(?:inity)?|nan)", re.IGNORECASE
)
_MOST_DIGITS = 4000  # Python refuses to read longer integers
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


def parse_number(text: str) -> int | float | None:
    """Read a number as a filter or a param's text spells it; None if it is none.

    Integers that do not fit 64 bits come back as the nearest float, because
    nothing larger can be compared in SQLite.
    """
    if not _NUMBER.fullmatch(text):
        return None
    digits = text.lstrip("+-")
    return storable(int(text)) if digits.isdigit() and len(digits) <= _MOST_DIGITS else float(text)


def is_storable(number: object) -> bool:
    """Whether SQLite holds it exactly: all but integers beyond 64 bits."""
    return not isinstance(number, int) or _SMALLEST <= number <= _LARGEST


def storable(number: float) -> int | float:
    """Make a number one that SQLite can hold."""
    if not is_storable(number):
        try:
            return float(number)
        except OverflowError:
            return math.inf if number > 0 else -math.inf
    return number


def parse_duration(text: str) -> float | None:
    """Read a duration such as `5m`, `1h30m`, `90 seconds` or `12.5`, in seconds.

    Example:
        >>> parse_duration("1h30m"), parse_duration("90"), parse_duration("soon")
        (5400.0, 90.0, None)
    """
    text = text.strip().lower()
    number = parse_number(text)
    if number is not None:
        return float(number)
    total, at = 0.0, 0
    while at < len(text):
        part = _AMOUNT.match(text, at)
        if part is None or part[2] not in _UNITS:
            return None
        total += float(part[1]) * _UNITS[part[2]]
        at = part.end()
    return total if at else None


def parse_moment(text: str, now_ms: int) -> int | None:
    """Read a point in time as milliseconds since 1970; None if it is none.

    Takes milliseconds, ISO dates and times (local time where they name no
    zone, as git does), `now`, `today`, `yesterday` and `7d ago`.

    Args:
        text: What was written.
        now_ms: What `now` means.

    Example:
        >>> parse_moment("2026-11-01T00:00:00Z", 0), parse_moment("90s ago", 100_000)
        (1793491200000, 10000)
    """
    text = text.strip()
    word = text.lower()
    if re.fullmatch(r"[+-]?[0-9]{5,18}", text):
        return int(text)
    if word == "now":
        return now_ms
    try:
        if word in ("today", "yesterday"):
            now = datetime.fromtimestamp(now_ms / 1000)  # noqa: DTZ006 - people mean their own midnight
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
            return _milliseconds(midnight - timedelta(days=word == "yesterday"))
        if word.endswith("ago"):
            seconds = parse_duration(word[: -len("ago")])
            return None if seconds is None or not math.isfinite(seconds) else now_ms - round(seconds * 1000)
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}", text):
            text += "-01"
        if word.endswith("z"):
            text = text[:-1] + "+00:00"
        return _milliseconds(datetime.fromisoformat(text))
    except (ValueError, OverflowError, OSError):
        return None


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
