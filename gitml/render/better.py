"""Which of several values is the best, and which way a metric points."""

from __future__ import annotations

from collections.abc import Sequence

from gitml.entities.run import MetricSummary, Number
from gitml.tracking.direction import has_goal, lower_is_better

BEST = "*"  # stands beside the best value: colour alone would not reach everybody


def arrow(metric: str) -> str:
    """Show which way a metric gets better: '↑', '↓', or nothing."""
    if not has_goal(metric):
        return ""
    return "↓" if lower_is_better(metric) else "↑"


def best_indices(metric: str, values: Sequence[Number | None]) -> tuple[int, ...]:
    """Find the best value, wherever it occurs; nowhere if there is nothing to choose from.

    Missing values and NaN never win; where all values are the same, none does.
    """
    known = {value for value in values if value is not None and value == value}
    if not has_goal(metric) or len(known) < 2:
        return ()
    best = min(known) if lower_is_better(metric) else max(known)
    return tuple(i for i, value in enumerate(values) if value == best)


def mark_best(
    metric: str, values: Sequence[Number | None], texts: Sequence[str]
) -> tuple[list[str], tuple[int, ...]]:
    """Mark the best values with a sign, and fill the others so that digits stay below digits.

    Returns:
        The texts, and which of them are the best; as they were if none is.
    """
    best = best_indices(metric, values)
    return [text + (BEST if i in best else " ") for i, text in enumerate(texts)] if best else list(
        texts
    ), best


def best_index(metric: str, values: Sequence[Number | None]) -> int | None:
    """Find the best value, the first of equals; None if there is nothing to choose from."""
    return next(iter(best_indices(metric, values)), None)


def best_point(metric: str, summary: MetricSummary) -> tuple[Number, int]:
    """Give the best value of a curve and the step it was reached at."""
    if lower_is_better(metric):
        return summary.min, summary.min_step
    return summary.max, summary.max_step
