"""What a filter says, as plain data: the tree between its text and its SQL.

Every condition is either true or false of a run. A comparison of something the
run does not have is false, also with `!=`, `NOT IN`, `NOT LIKE` and `!~`; only
`IS NULL` and `NOT (...)` are true of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Union


class Kind(Enum):
    """What a name in a filter stands for."""

    METRIC = "metrics"
    PARAM = "params"
    TAG = "tags"
    ATTRIBUTE = "attributes"
    DATASET = "datasets"


Value = Union[str, int, float, bool]


@dataclass(frozen=True, slots=True)
class Field:
    """Something a run has.

    `key` is the name of a metric, param or tag, the canonical name of an
    attribute, or the column of a data set. `stat` says which number of a metric
    is meant: last, min, max, the step of each (step, min_step, max_step), or count.
    """

    kind: Kind
    key: str
    stat: str = "last"


@dataclass(frozen=True, slots=True)
class Compare:
    """`field op value`; `op` is one of =, !=, <, <=, >, >=."""

    field: Field
    op: str
    value: Value


@dataclass(frozen=True, slots=True)
class In:
    """`field [NOT] IN (values)`."""

    field: Field
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Like:
    """`field [NOT] LIKE pattern`: '%' is any text, '_' any character."""

    field: Field
    pattern: str
    ignore_case: bool = False
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """`field ~ pattern`: a Python regular expression is found in the text."""

    field: Field
    pattern: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """`field IS [NOT] NULL`."""

    field: Field
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Both:
    """All of the conditions hold."""

    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of the conditions holds."""

    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    item: Condition


Condition = Union[Compare, In, Like, Match, Missing, Both, Either, Not]


@dataclass(frozen=True, slots=True)
class Order:
    """One key to sort by; runs without it come last either way."""

    field: Field
    descending: bool = False
