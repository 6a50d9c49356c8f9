"""Conditions and sort keys → SQL with parameters.

Every condition becomes an expression that is never NULL, so that NOT means
what it says. Conditions on metrics, params and tags are memberships in the set
of runs that fulfil them: SQLite builds each set once, a correlated EXISTS would
be asked anew for every run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache

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
    Order,
    Value,
)
from gitml.index.fields import ADDRESS_START, ATTRIBUTES, Type
from gitml.index.literals import storable
from gitml.index.schema import METRIC, NEWEST_FIRST, PARAM, TAG
from gitml.index.values import BOOLEAN, NULL

Sql = tuple[str, list[object]]

_TABLES = {Kind.METRIC: ("metric", METRIC), Kind.PARAM: ("param", PARAM), Kind.TAG: ("tag", TAG)}
_KEY = "(SELECT key_id FROM key WHERE kind = {kind} AND name = ?)"
_HEX = re.compile(r"[0-9a-fA-F]{4,63}")


def condition_sql(condition: Condition) -> Sql:
    """Write a condition as an expression over the table `run` AS r."""
    if isinstance(condition, Both):
        return _joined([condition_sql(item) for item in condition.items], "AND")
    if isinstance(condition, Either):
        return _joined([condition_sql(item) for item in condition.items], "OR")
    if isinstance(condition, Not):
        inner, values = condition_sql(condition.item)
        return f"NOT {inner}", values
    if isinstance(condition, Missing):
        present, values = _present(condition.field)
        return (present if condition.negated else f"NOT {present}"), values
    return _about(condition.field, *_test(condition))


def order_sql(orders: Sequence[Order]) -> tuple[str, str, list[object]]:
    """Write sort keys: joins, the list after ORDER BY, and the joins' values.

    What a run lacks comes last in both directions, NaN just before it; runs
    that are equal come newest first, then by id.
    """
    joins: list[str] = []
    terms: list[str] = []
    values: list[object] = []
    for position, order in enumerate(orders):
        direction = " DESC" if order.descending else ""
        field, name = order.field, f"o{position}"
        if field.kind is Kind.ATTRIBUTE:
            if field.key == "note":
                joins.append(f"LEFT JOIN note {name} ON {name}.run_n = r.run_n")
            column = f"{name}.text" if field.key == "note" else f"r.{ATTRIBUTES[field.key].column}"
            # The first form lets the index by start time give the order.
            terms += (
                [column + direction]
                if field.key == "start_time"
                else [f"{column} IS NULL", column + direction]
            )
            continue
        table, kind = _TABLES[field.kind]
        key = _KEY.format(kind=kind)
        present = f" AND {name}.type <> {NULL}" if field.kind is Kind.PARAM else ""
        joins.append(f"LEFT JOIN {table} {name} ON {name}.key_id = {key} AND {name}.run_n = r.run_n{present}")
        values.append(field.key)
        if field.kind is Kind.METRIC:
            stat = _stat(field, f"{name}.")
            terms += [
                f"{name}.run_n IS NULL",
                f"{stat} IS NULL",
                f"{stat}{direction}",
            ]
        elif field.kind is Kind.PARAM:
            terms += [f"{name}.run_n IS NULL", f"{name}.number IS NULL"]
            terms += [f"{name}.number{direction}", f"{name}.text{direction}"]
        else:
            terms += [f"{name}.run_n IS NULL", f"{name}.text{direction}"]
    return " ".join(joins), ", ".join([*terms, NEWEST_FIRST]), values


def _stat(field: Field, table: str = "") -> str:
    """Write one of the numbers of a metric; of one with a single point most columns are empty."""
    column = table + field.stat
    if field.stat == "count":
        return f"ifnull({column}, 1)"
    if field.stat in ("last", "step"):
        return column
    only = "step" if field.stat.endswith("_step") else "last"
    return f"(CASE WHEN {table}count IS NULL THEN {table}{only} ELSE {column} END)"


def _joined(parts: list[Sql], word: str) -> Sql:
    """Join by halves: SQLite allows expressions 1,000 deep, and a chain is as deep as it is long."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    left, left_values = _joined(parts[:middle], word)
    right, right_values = _joined(parts[middle:], word)
    return f"({left} {word} {right})", left_values + right_values


def _about(field: Field, test: str, values: list[object]) -> Sql:
    """Apply a test, written with {} for the field's column, to what the run has."""
    if field.kind is Kind.ATTRIBUTE and field.key != "note":
        column = _attribute_column(field)
        return f"({column} IS NOT NULL AND {test.replace('{}', column)})", values
    if field.kind is Kind.ATTRIBUTE:
        return f"r.run_n IN (SELECT run_n FROM note WHERE {test.replace('{}', 'text')})", values  # noqa: S608
    if field.kind is Kind.DATASET:
        test = test.replace("{}", field.key)
        return f"r.run_n IN (SELECT run_n FROM dataset WHERE {field.key} IS NOT NULL AND {test})", values  # noqa: S608
    table, kind = _TABLES[field.kind]
    column = _stat(field) if field.kind is Kind.METRIC else "text"
    key = _KEY.format(kind=kind)
    test = test.replace("{}", column)
    return f"r.run_n IN (SELECT run_n FROM {table} WHERE key_id = {key} AND {test})", [field.key, *values]  # noqa: S608


def _attribute_column(field: Field) -> str:
    attribute = ATTRIBUTES[field.key]
    column = f"r.{attribute.column}"
    return f"('{ADDRESS_START}' || {column})" if attribute.type is Type.ADDRESS else column


def _present(field: Field) -> Sql:
    if field.kind is Kind.ATTRIBUTE and field.key != "note":
        return f"(r.{ATTRIBUTES[field.key].column} IS NOT NULL)", []
    return _about(field, f"type <> {NULL}" if field.kind is Kind.PARAM else "1", [])


def _test(condition: Compare | In | Like | Match) -> Sql:
    field = condition.field
    if isinstance(condition, Compare):
        test, values = _compared(field, condition.op, condition.value)
        return test, values
    if isinstance(condition, In):
        matched, values = _contained(field, condition.values)
    elif isinstance(condition, Like):
        matched, values = _like(condition)
    else:
        matched, values = "gitml_search(?, {})", [condition.pattern]
    return (f"NOT {matched}" if condition.negated else matched), values


def _compared(field: Field, op: str, value: Value) -> Sql:
    if op in ("=", "!="):
        equal, values = _equal(field, value)
        return (equal if op == "=" else f"NOT {equal}"), values
    if not isinstance(value, (int, float)):
        return f"{{}} {op} ?", [value]
    if math.isnan(value):
        return "0", []
    column = _number_column(field)
    return f"({column} IS NOT NULL AND {column} {op} ?)", [storable(value)]


def _equal(field: Field, value: Value) -> Sql:
    if isinstance(value, str):
        return _equal_text(field, value)
    if isinstance(value, bool) and field.kind is not Kind.ATTRIBUTE:
        return "(lower({}) = ?)", [str(value).lower()]
    if math.isnan(value):
        return ("({} IS NULL)" if field.kind is Kind.METRIC else "(number IS NULL AND lower({}) = 'nan')"), []
    # Unlike =, IS is never NULL: NaN is not 0.5, and says so.
    return f"({_number_column(field)} IS ?)", [storable(value)]


def _number_column(field: Field) -> str:
    return "number" if field.kind is Kind.PARAM else "{}"


def _equal_text(field: Field, value: str) -> Sql:
    if field.kind is Kind.ATTRIBUTE and ATTRIBUTES[field.key].type is Type.COMMIT and _HEX.fullmatch(value):
        return "({} GLOB ?)", [value.lower() + "*"]
    if field.kind is Kind.ATTRIBUTE and ATTRIBUTES[field.key].type is Type.ADDRESS:
        # Any address with the run's id in it will do: MLflow's name servers and folders.
        parts = [ADDRESS_START + part for part in dict.fromkeys(value.split("/"))]
        return f"({{}} IN ({', '.join('?' * len(parts))}))", list(parts)
    if field.kind is Kind.PARAM and value.lower() in ("true", "false"):
        return f"({{}} = ? OR (type = {BOOLEAN} AND {{}} = ?))", [value, value.lower()]
    if field.kind is Kind.PARAM and value == "None":
        return f"({{}} = ? OR type = {NULL})", [value]
    return "({} = ?)", [value]


def _contained(field: Field, values: Sequence[Value]) -> Sql:
    """Write a list as one IN for its plain texts and one for its numbers; the rest one by one."""
    lists: dict[str, list[object]] = {}
    tests: list[Sql] = []
    for value in values:
        test, parameters = _equal(field, value)
        column, equals, _ = test[1:-1].partition(" IS ?" if not isinstance(value, str) else " = ?")
        if equals and test == f"({column}{equals})":
            lists.setdefault(column, []).extend(parameters)
        else:
            tests.append((test, parameters))
    tests += [
        (f"ifnull({column} IN ({', '.join('?' * len(plain))}), 0)", plain) for column, plain in lists.items()
    ]
    return _joined(tests, "OR") if tests else ("0", [])


def _like(condition: Like) -> Sql:
    pattern = condition.pattern
    if not condition.ignore_case:
        return "({} GLOB ?)", [re.sub(r"[*?\[]", r"[\g<0>]", pattern).replace("%", "*").replace("_", "?")]
    if pattern.isascii():
        return "({} LIKE ?)", [pattern]
    return "gitml_search(?, {})", [like_expression(pattern)]


@lru_cache(maxsize=256)
def like_expression(pattern: str) -> str:
    """Write a LIKE pattern as a regular expression that ignores case."""
    body = "".join({"%": ".*", "_": "."}.get(character) or re.escape(character) for character in pattern)
    return rf"(?is)\A{body}\Z"
