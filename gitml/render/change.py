"""How a metric changed from one run to another, as people read it."""

from __future__ import annotations

from typing import NamedTuple

from gitml.render.numbers import format_change, format_percent
from gitml.tracking.diff import Value, judge


class Change(NamedTuple):
    """What is said of a change; a part is empty where there is nothing to say.

    Attributes:
        arrow: '▲' or '▼'.
        difference: With its sign.
        percent: The same as a share of the first value.
        verdict: Whether that is better, of what is something to improve.
    """

    arrow: str = ""
    difference: str = ""
    percent: str = ""
    verdict: str = ""

    def __str__(self) -> str:
        """Say it in one line, without the arrow."""
        return " ".join(filter(None, (self.difference, self.percent, self.verdict)))


def describe_change(metric: str, before: Value, after: Value) -> Change:
    """Say how a metric changed; nothing where a value is missing or NaN, or both are the same."""
    if not isinstance(before, (int, float)) or not isinstance(after, (int, float)):
        return Change()
    if before != before or after != after or before == after:
        return Change()
    return Change(
        "▲" if after > before else "▼",
        format_change(before, after),
        format_percent(before, after) or "",
        judge(metric, before, after) or "",
    )
