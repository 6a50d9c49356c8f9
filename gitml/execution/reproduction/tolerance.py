"""How far apart two values of a metric may be, and what does not count.

Two values are close as `math.isclose` means it:
|a - b| <= max(relative * max(|a|, |b|), absolute). NaN is close to NaN.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from fractions import Fraction

from gitml.entities.run import Number
from gitml.errors import UsageError

_RELATIVE, _ABSOLUTE = 1e-6, 1e-12
MACHINE = "system/"
_TIMES = frozenset(("time", "times", "duration", "runtime", "elapsed", "seconds", "secs", "sec", "ms", "fps"))
_RATE = re.compile(r"per_(?:second|sec|minute|hour)$|(?:^|_)throughput$")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far apart two numbers may be, relative to the greater one and absolutely."""

    relative: float = _RELATIVE
    absolute: float = _ABSOLUTE

    def allows(self, one: Number, other: Number) -> bool:
        """Whether two numbers are close."""
        if is_same(one, other):
            return True
        try:
            return math.isclose(one, other, rel_tol=self.relative, abs_tol=self.absolute)
        except OverflowError:  # an integer that no float can hold
            return self._allows_exactly(one, other)

    def _allows_exactly(self, one: Number, other: Number) -> bool:
        if not all(isinstance(number, int) or math.isfinite(number) for number in (one, other)):
            return False
        if math.isinf(self.relative) or math.isinf(self.absolute):
            return True
        first, second = Fraction(one), Fraction(other)
        most = max(Fraction(self.relative) * max(abs(first), abs(second)), Fraction(self.absolute))
        return abs(first - second) <= most


@dataclass(frozen=True, slots=True)
class Tolerances:
    """What two runs are held to.

    Attributes:
        usual: For metrics that none is named for.
        named: By a metric's name, or a pattern (`val/*`); a name wins.
        ignored: Names or patterns of metrics and artifacts that are compared
            without counting.
    """

    usual: Tolerance = Tolerance()
    named: Mapping[str, Tolerance] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    def of(self, metric: str) -> Tolerance:
        """Say how far apart values of a metric may be."""
        return self._named(metric) or self.usual

    def counts(self, metric: str) -> bool:
        """Whether a metric decides: not one of the machine or of time, unless a tolerance is named for it."""
        if self.is_ignored(metric):
            return False
        return self._named(metric) is not None or not (metric.startswith(MACHINE) or is_time(metric))

    def is_ignored(self, name: str) -> bool:
        """Whether a metric or artifact was said not to count."""
        return any(fnmatchcase(name, pattern) for pattern in self.ignored)

    def _named(self, metric: str) -> Tolerance | None:
        found = self.named.get(metric)
        if found is not None:
            return found
        return next((given for pattern, given in self.named.items() if fnmatchcase(metric, pattern)), None)


def is_same(one: Number, other: Number) -> bool:
    """Whether two numbers are equal, NaN and NaN included."""
    return one == other or (one != one and other != other)


def is_time(metric: str) -> bool:
    """Whether a metric's name says that it measures time or speed, which no two runs share.

    Example:
        >>> [is_time(name) for name in ("epoch_time", "train/samples_per_second", "evalRuntime", "time_mae")]
        [True, True, True, False]
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", metric).lower()
    return _RATE.search(words) is not None or re.split(r"[^a-z0-9]+", words)[-1] in _TIMES


def parse_tolerances(texts: Sequence[str], ignored: Sequence[str] = ()) -> Tolerances:
    """Read `1e-6`, `1e-6,1e-9` (relative, absolute), and `METRIC=` before either.

    Raises:
        UsageError: A text is none of these.
    """
    usual, named = Tolerance(), {}
    for text in texts:
        metric, equals, numbers = text.rpartition("=")
        if equals and metric.strip():
            named[metric.strip()] = _tolerance(text, numbers)
        else:
            usual = _tolerance(text, numbers)
    return Tolerances(usual, named, tuple(ignored))


def _tolerance(text: str, numbers: str) -> Tolerance:
    try:
        values = [float(number) for number in numbers.split(",")]
    except ValueError:
        values = []
    if not 1 <= len(values) <= 2 or not all(value >= 0 for value in values):
        raise UsageError(
            f"--tolerance '{text}' is no tolerance: a number of at least 0, or two (relative,absolute), "
            "perhaps after METRIC=",
            hint="--tolerance 1e-6, --tolerance loss=1e-3, --tolerance 'val/*=1e-3,1e-6'",
        )
    relative = values[0]
    return Tolerance(relative, values[1] if len(values) == 2 else min(_ABSOLUTE, relative))
