"""Gates for CI: `--fail-if 'acc < base - 0.005'`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from gitml.entities.run import Number, Run
from gitml.errors import NotFoundError, UsageError
from gitml.render.numbers import format_number

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_GATE = re.compile(
    rf"""\s*(?:metrics\.)?(?:`(?P<quoted>[^`]+)`|(?P<metric>[^\s<>=!`]+))\s*
    (?P<comparison><=|>=|<|>)\s*
    (?:(?P<number>{_NUMBER})|base(?:\s*(?P<sign>[-+*])\s*(?P<amount>{_NUMBER})(?P<percent>\s*%)?)?)\s*""",
    re.VERBOSE,
)
_COMPARISONS: dict[str, Callable[[Number, Number], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class GateSyntaxError(UsageError):
    """A condition that can't be read."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"the condition {text!r:.120} can't be read",
            hint="METRIC < NUMBER, or against the first run: 'acc < base - 0.005', 'loss > base + 2%'",
        )


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition on a metric that must not hold.

    The limit is `number`, or the first run's value changed by `amount`.
    """

    text: str
    metric: str
    comparison: str
    number: float | None
    sign: str = "+"
    amount: float = 0.0
    percent: bool = False

    def check(self, base: Run, run: Run) -> str | None:
        """Say how the condition holds; None if it does not. NaN never passes a gate.

        Raises:
            NotFoundError: A run lacks the metric.
        """
        value = _last(run, self.metric)
        limit = self.number if self.number is not None else self._limit(_last(base, self.metric))
        unordered = value != value or limit != limit
        if not unordered and not _COMPARISONS[self.comparison](value, limit):
            return None
        return f"{self.text} ({format_number(value)} against {format_number(limit)})"

    def _limit(self, base: Number) -> float:
        if self.sign == "*":
            return base * self.amount
        amount = abs(base) * self.amount / 100 if self.percent else self.amount
        return base + amount if self.sign == "+" else base - amount


def parse_gate(text: str) -> Gate:
    """Read a condition.

    Raises:
        GateSyntaxError: It can't be read.
    """
    match = _GATE.fullmatch(text)
    if match is None:
        raise GateSyntaxError(text)
    return Gate(
        text=text.strip(),
        metric=match["quoted"] or match["metric"],
        comparison=match["comparison"],
        number=float(match["number"]) if match["number"] else None,
        sign=match["sign"] or "+",
        amount=float(match["amount"] or 0),
        percent=match["percent"] is not None,
    )


def _last(run: Run, metric: str) -> Number:
    if metric not in run.metrics:
        raise NotFoundError(
            f"run '{run.id[:7]}' has no metric '{metric}'", hint=f"it has: {', '.join(run.metrics) or 'none'}"
        )
    return run.metrics[metric].last
