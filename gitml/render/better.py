"""Which of several values is the best, and which way a metric points."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gitml.entities.run import MetricSummary, Number
from gitml.tracking.direction import lower_is_better

# Measured, but no goal: machines, clocks, and what is set rather than achieved.
_NO_GOAL = re.compile(
    r"system/|(?:.*[/_.-])?(?:epochs?|steps?|iter(?:ations?)?|lr|learning_rate|seed|samples|batch(?:es)?|counts?|points)"
)


def has_goal(metric: str) -> bool:
    """Whether a metric is something to improve, guessed from its name."""
    return not re.match(r"system/", metric) and not _NO_GOAL.fullmatch(metric.lower())


def arrow(metric: str) -> str:
    """Show which way a metric gets better: '↑', '↓', or nothing."""
    if not has_goal(metric):
        return ""
    return "↓" if lower_is_better(metric) else "↑"


def best_index(metric: str, values: Sequence[Number | None]) -> int | None:
    """Find the best value, the first of equals; None if there is nothing to choose from.

    Missing values and NaN never win; where all values are the same, none does.
    """
    known = [(value, i) for i, value in enumerate(values) if value is not None and value == value]
    if not has_goal(metric) or len({value for value, _ in known}) < 2:
        return None
    sign = 1 if lower_is_better(metric) else -1
    return min(known, key=lambda item: (sign * item[0], item[1]))[1]


def best_point(metric: str, summary: MetricSummary) -> tuple[Number, int]:
    """Give the best value of a curve and the step it was reached at."""
    if lower_is_better(metric):
        return summary.min, summary.min_step
    return summary.max, summary.max_step
