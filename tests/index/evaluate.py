"""What a condition means, in plain Python: the truth that the SQL is held against."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from gitml.entities.run import Run
from gitml.index.expressions import (
    Both,
    Compare,
    Condition,
    Either,
    Field,
    In,
    Kind,
    Like,
    Match,
    Missing,
    Not,
)
from gitml.index.fields import ATTRIBUTES, Type
from gitml.index.literals import parse_number

_ATTRIBUTES: dict[str, Callable[[Run], Any]] = {
    "run_id": lambda run: run.id,
    "run_name": lambda run: run.name,
    "status": lambda run: run.status.value,
    "user_id": lambda run: run.user,
    "host": lambda run: run.host,
    "artifact_uri": lambda run: f"runs:/{run.id}",
    "start_time": lambda run: run.start_ms,
    "end_time": lambda run: run.end_ms,
    "duration": lambda run: run.duration_s,
    "experiment_id": lambda run: run.experiment_id,
    "experiment": lambda run: run.experiment,
    "code.commit": lambda run: run.code.commit,
    "branch": lambda run: run.code.branch,
    "dirty": lambda run: run.code.dirty,
    "parent_run_id": lambda run: run.parent_id,
    "entry_point": lambda run: run.entry_point,
    "exit_code": lambda run: run.exit_code,
    "error": lambda run: run.error,
    "note": lambda run: run.note,
    "live": lambda run: run.live,
}


def holds(condition: Condition, run: Run) -> bool:
    if isinstance(condition, Both):
        return all(holds(item, run) for item in condition.items)
    if isinstance(condition, Either):
        return any(holds(item, run) for item in condition.items)
    if isinstance(condition, Not):
        return not holds(condition.item, run)
    if isinstance(condition, Missing):
        present = [value for value in values_of(condition.field, run) if not isinstance(value, Null)]
        return bool(present) == condition.negated
    return any(_test(condition, value) for value in values_of(condition.field, run))


class Null:
    """A param that was recorded as null."""


def values_of(field: Field, run: Run) -> list[Any]:
    """The values of a field: none, one, or one for each data set."""
    if field.kind is Kind.ATTRIBUTE:
        value = _ATTRIBUTES[field.key](run)
        return [] if value is None or value == "" else [value]
    if field.kind is Kind.DATASET:
        return [value for data in run.inputs if (value := getattr(data, field.key))]
    if field.kind is Kind.TAG:
        return [run.tags[field.key]] if field.key in run.tags else []
    if field.kind is Kind.METRIC:
        return [getattr(run.metrics[field.key], field.stat)] if field.key in run.metrics else []
    if field.key not in run.params:
        return []
    return [Null() if run.params[field.key] is None else run.params[field.key]]


def text_of(value: Any) -> str:
    if isinstance(value, Null):
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)


def number_of(value: Any) -> float | None:
    if isinstance(value, bool | list | Null):
        return None
    return parse_number(value) if isinstance(value, str) else value


def _test(condition: Compare | In | Like | Match, value: Any) -> bool:
    field = condition.field
    if isinstance(condition, Compare) and condition.op not in ("=", "!="):
        return _ordered(field, condition.op, value, condition.value)
    if isinstance(condition, Compare):
        return _equal(field, value, condition.value) == (condition.op == "=")
    if isinstance(condition, In):
        found = any(_equal(field, value, item) for item in condition.values)
    elif isinstance(condition, Like):
        found = _like(condition.pattern, text_of(value), condition.ignore_case)
    else:
        found = re.search(condition.pattern, text_of(value)) is not None
    return found != condition.negated


def _ordered(field: Field, op: str, value: Any, other: Any) -> bool:
    if isinstance(other, str):
        left: Any = text_of(value)
    else:
        left = number_of(value) if field.kind is Kind.PARAM else value
        if left is None or math.isnan(left) or math.isnan(other):
            return False
    return {"<": left < other, "<=": left <= other, ">": left > other, ">=": left >= other}[op]


def _equal(field: Field, value: Any, other: Any) -> bool:
    if field.kind is Kind.ATTRIBUTE:
        kind = ATTRIBUTES[field.key].type
        if kind is Type.ADDRESS:
            return value.removeprefix("runs:/") in other.split("/")
        if kind is Type.COMMIT and re.fullmatch("[0-9a-fA-F]{4,63}", other):
            return value.startswith(other.lower())
        return value == other
    if isinstance(other, bool):
        return text_of(value).lower() == str(other).lower()
    if isinstance(other, str):
        if isinstance(value, bool) and other.lower() == text_of(value):
            return True
        return text_of(value) == other or (isinstance(value, Null) and other == "None")
    number = number_of(value)
    if number is None or math.isnan(number):
        return math.isnan(other) and number is not None
    return number == other


def _like(pattern: str, text: str, ignore_case: bool) -> bool:
    if ignore_case and pattern.isascii():
        pattern, text = _ascii_lower(pattern), _ascii_lower(text)
        ignore_case = False
    expression = "".join({"%": ".*", "_": "."}.get(c) or re.escape(c) for c in pattern)
    return re.fullmatch(expression, text, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None


def _ascii_lower(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text)
