"""The filter language: text → conditions, with errors that point at the character."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from gitml.index.checks import Checker
from gitml.index.expressions import Both, Condition, Either, Not, Order
from gitml.index.syntax import Draft, FilterSyntaxError, Predicate, parse

__all__ = ["FilterSyntaxError", "parse_filter", "parse_order"]


def parse_filter(
    text: str,
    *,
    now_ms: int | None = None,
    is_metric: Callable[[str], bool] = lambda _: True,
    suggest: Callable[[str], Sequence[str]] = lambda _: (),
) -> Condition | None:
    """Read a filter.

    Args:
        text: The filter; an empty one is no condition.
        now_ms: What '7d ago' counts from; the clock's time if not given.
        is_metric: Tells whether there is a metric of that name, see `fields.resolve`.
        suggest: Tells what a name that means nothing may have been meant to be.

    Returns:
        The condition, or None of an empty filter.

    Raises:
        FilterSyntaxError: It can't be read; says where and what was expected.
    """
    if not text.strip():
        return None
    draft = parse(text, "filter")
    checker = Checker(text, now_ms if now_ms is not None else time.time_ns() // 1_000_000, is_metric, suggest)
    return _bind(draft, checker.condition)


def parse_order(
    text: str,
    *,
    is_metric: Callable[[str], bool] = lambda _: True,
    suggest: Callable[[str], Sequence[str]] = lambda _: (),
) -> Order:
    """Read one sort key: a name, with `DESC` or `ASC` after it or `-` before it.

    Raises:
        FilterSyntaxError: It can't be read; says where and what was expected.
    """
    minus, name, direction = parse(text, "order")
    if minus is not None and direction is not None:
        raise FilterSyntaxError(
            "sort key", text, direction.start_pos, f"'-' and {direction} say the same twice"
        )
    descending = minus is not None or (direction is not None and direction.upper() == "DESC")
    return Order(Checker(text, 0, is_metric, suggest, what="sort key").sortable(name), descending)


def _bind(draft: Draft, condition: Callable[[Predicate], Condition]) -> Condition:
    if isinstance(draft, Predicate):
        return condition(draft)
    items = tuple(_bind(item, condition) for item in draft.items)
    if draft.joint == "NOT":
        return Not(items[0])
    return Both(items) if draft.joint == "ALL" else Either(items)
