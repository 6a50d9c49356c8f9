"""Arguments and options that several commands share, with their completion."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from typing import Annotated

import typer

from gitml.cli import complete
from gitml.errors import UsageError

RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run: id (from 4 characters on), name, @, @~1, @{best:acc}, or a commit or branch of the code.",
        autocompletion=complete.runs,
    ),
]
RunNames = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...", help="Runs: ids, names, @, @~1, @{best:acc}.", autocompletion=complete.runs
    ),
]
ExperimentsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--experiment",
        "-e",
        metavar="NAME",
        help="Only runs of this experiment. Repeatable: of any of them.",
        autocompletion=complete.experiments,
    ),
]
FilterOption = Annotated[
    str | None,
    typer.Option(
        "--filter",
        "-f",
        metavar="FILTER",
        help="Only runs that match: 'metrics.acc > 0.9 and params.depth = 8'.",
    ),
]
OrderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--order-by", "-s", metavar="KEY", help="Sort by: -acc, 'metrics.acc DESC', duration. Repeatable.",
        autocompletion=complete.fields,
    ),
]  # fmt: skip

_GIT_AGE = re.compile(r"(\d+)[ .](second|minute|hour|day|week|month|year)s?[ .]ago", re.IGNORECASE)
_AGE_UNITS = {"second": "s", "minute": "m", "hour": "h", "day": "d", "week": "w"}
_LAST = re.compile(r"last[ .](second|minute|hour|day|week|month|year)", re.IGNORECASE)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DIGITS = re.compile(r"[-+0-9.e]+")
_AGE_DAYS = {"month": 30, "year": 365}


def read_moment(text: str, option: str, *, whole_day: bool = False) -> int:
    """Read a time as git users write it: '2 days ago', 'last week', '2026-11-01', '5m'.

    Args:
        text: What was written.
        option: Where, for the message.
        whole_day: Whether a day means its last millisecond, rather than its first.

    Returns:
        Milliseconds since 1970.

    Raises:
        UsageError: It is no time.
    """
    from gitml.index.literals import parse_duration, parse_moment

    def shorten(match: re.Match[str]) -> str:
        count, unit = int(match[1]), match[2].lower()
        return f"{count * _AGE_DAYS[unit]}d ago" if unit in _AGE_DAYS else f"{count}{_AGE_UNITS[unit]} ago"

    plain, now_ms = text.strip(), time.time_ns() // 1_000_000
    words = _GIT_AGE.sub(shorten, _LAST.sub(r"1 \1 ago", plain))
    found = parse_moment(words, now_ms)
    if found is None and not _DIGITS.fullmatch(plain) and parse_duration(plain) is not None:
        found = parse_moment(f"{plain} ago", now_ms)
    if found is None:
        raise UsageError(
            f"{option} '{text[:100]}' is no time",
            hint="write 2026-11-01, '2026-11-01 14:30', today, yesterday, 'last week', '2 days ago' or 5m",
        )
    if not whole_day or not (_DAY.fullmatch(plain) or plain.lower() in ("today", "yesterday")):
        return found
    day = datetime.fromtimestamp(found / 1000)  # noqa: DTZ006 - people mean their own days, of 23 hours too
    return round((day + timedelta(days=1)).timestamp() * 1000) - 1


def quoted(text: str) -> str:
    """Write text as a string of the filter language."""
    return "'" + text.replace("'", "''") + "'"
