"""What a sweep tries: the values that each parameter can have.

A value is the text that the program is given. What is drawn depends on nothing
but the seed and the space: only `random.Random.random` is used, which Python
promises to keep.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Union

MAX_TRIALS = 100_000
_DIGITS = 12  # of a drawn or computed number: enough for any program, and 0.3 stays 0.3


@dataclass(frozen=True, slots=True)
class Values:
    """Values that are all tried."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values, each as likely."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Uniform:
    """A number between two others, each as likely."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LogUniform:
    """A number between two others above 0, each order of magnitude as likely."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Integers:
    """An integer between two others, both included, each as likely."""

    low: int
    high: int


RandomDimension = Union[Choice, Uniform, LogUniform, Integers]
Dimension = Union[Values, RandomDimension]
Space = Mapping[str, Dimension]


def random_names(space: Space) -> list[str]:
    """Name the parameters whose values are drawn."""
    return [name for name, dimension in space.items() if not isinstance(dimension, Values)]


def grid_size(space: Space) -> int:
    """Count the combinations of a space of which nothing is drawn."""
    return math.prod(len(dimension.texts) for dimension in space.values() if isinstance(dimension, Values))


def grid(space: Space) -> Iterator[dict[str, str]]:
    """Give all combinations, the last parameter changing fastest."""
    listed = [dimension.texts for dimension in space.values() if isinstance(dimension, Values)]
    for texts in itertools.product(*listed):
        yield dict(zip(space, texts, strict=True))


def draws(space: Space, seed: int) -> Iterator[dict[str, str]]:
    """Draw without end; what is listed is drawn from its list.

    The first N are the same whatever N is, so a sweep can be made longer.
    """
    generator = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    while True:
        yield {name: _draw(dimension, generator.random()) for name, dimension in space.items()}


def number_text(value: float) -> str:
    """Write a computed number.

    Example:
        >>> number_text(0.1 + 0.2), number_text(1e-05), number_text(3.0)
        ('0.3', '1e-05', '3')
    """
    return f"{value:.{_DIGITS}g}"


def _draw(dimension: Dimension, fraction: float) -> str:
    """Turn a number from 0 up to 1, 1 excluded, into a value."""
    if isinstance(dimension, Values | Choice):
        return dimension.texts[int(fraction * len(dimension.texts))]
    if isinstance(dimension, Integers):
        # In integers: a float can't tell those beyond 2^53 apart, and must not lead out of the range.
        count = dimension.high - dimension.low + 1
        return str(dimension.low + int(fraction * (1 << 53)) * count // (1 << 53))
    if isinstance(dimension, LogUniform):
        low, high = math.log(dimension.low), math.log(dimension.high)
        value = math.exp(low + fraction * (high - low))
    else:
        value = dimension.low * (1 - fraction) + dimension.high * fraction
    text = number_text(value)
    # Rounding, of the text or of the logarithm, may lead out of the range by a hair.
    return (
        text
        if dimension.low <= float(text) <= dimension.high
        else repr(min(max(value, dimension.low), dimension.high))
    )
