"""What a project asks of a version before it comes into a stage, and what was found of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Union

from gitml.entities.registry import STAGES

# What conditions are made of


@dataclass(frozen=True, slots=True)
class Holder:
    """The same metric of the version that holds the stage."""

    def __str__(self) -> str:
        return "holder"


@dataclass(frozen=True, slots=True)
class Sum:
    """Two terms, joined by `+`, `-`, `*` or `/`."""

    left: Term
    sign: str
    right: Term

    def __str__(self) -> str:
        return f"{_part(self.left)} {self.sign} {_part(self.right)}"


# A number is exact: what a person writes as 0.1 is a tenth.
Term = Union[Fraction, Holder, Sum]


def _part(term: Term) -> str:
    return (
        f"({term})"
        if isinstance(term, Sum)
        else number_text(term)
        if isinstance(term, Fraction)
        else str(term)
    )


def number_text(number: Fraction) -> str:
    """Write a number without an exponent, as short as it reads back.

    Example:
        >>> number_text(Fraction("-0.90")), number_text(Fraction("1e-7")), number_text(Fraction(12))
        ('-0.9', '0.0000001', '12')
    """
    digits = next((d for d in range(150) if (number * 10**d).denominator == 1), None)
    if digits is None:
        return repr(float(number))
    whole = str(abs(number.numerator * 10**digits // number.denominator)).rjust(digits + 1, "0")
    text = f"{whole[:-digits]}.{whole[-digits:]}" if digits else whole
    return f"-{text}" if number < 0 else text


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a metric is held against."""

    operator: str
    term: Term

    def __str__(self) -> str:
        term = number_text(self.term) if isinstance(self.term, Fraction) else str(self.term)
        return f"{self.operator} {term}"


@dataclass(frozen=True, slots=True)
class Condition:
    """Comparisons that must all hold."""

    comparisons: tuple[Comparison, ...]

    def __str__(self) -> str:
        return " and ".join(map(str, self.comparisons))


# The policy


@dataclass(frozen=True, slots=True)
class Rule:
    """What is asked of the versions of some models before they come into a stage.

    Attributes:
        model: A model's name, or a pattern of names.
        stage: The stage, as it is defined.
        line: Where it stands in the file.
        metrics: Metric, with `.min` or `.max` for those of its whole curve, to condition.
        tags: Tag of the version to the value that it must have; None for any.
        signers: The promotion must be signed by one of these.
        approvals: So many people other than the run's author must have approved.
        formats: The formats that files of the model may have; empty for any.
        clean_code: Whether the run must have come from committed code.
        finished: Whether the run must have ended well.
    """

    model: str
    stage: str
    line: int = 0
    metrics: Mapping[str, Condition] = field(default_factory=dict)
    tags: Mapping[str, str | None] = field(default_factory=dict)
    signers: tuple[str, ...] = ()
    approvals: int = 0
    formats: tuple[str, ...] = ()
    clean_code: bool = False
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """What a project asks of promotions.

    Attributes:
        stages: Its stages beside Staging, Production and Archived.
        transitions: Stage in lower case to the stages that it may be entered from, `None` for no stage.
        rules: What is asked, in the order of the file.
        source: Where it was read; None if the project has none.
    """

    stages: tuple[str, ...] = ()
    transitions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    source: str | None = None

    def stage(self, name: str) -> str | None:
        """A stage as it is defined, whatever the case; None if it is not."""
        return next((stage for stage in (*STAGES, *self.stages) if stage.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is asked of a promotion.

    Attributes:
        name: `stage`, `transition`, `metrics.<key>`, `tags.<key>`, `signers`, `approvals`, `formats`,
            `clean_code` or `finished`.
        holds: Whether it holds; None if that shows only when the promotion is made.
        why: What was found.
        line: Where it is asked for in the file.
    """

    name: str
    holds: bool | None
    why: str
    line: int = 0
