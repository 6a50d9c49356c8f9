"""Rows → runs.

Exactly what the branch holds: run.yaml, inputs and note go through the decoder
that reads git, params and metrics come from columns that lose nothing.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from gitml.entities.run import MetricSummary, Run
from gitml.errors import DamagedError
from gitml.formats.run_tree import decode_run
from gitml.index.rows import unpack
from gitml.index.values import param_value

_CHUNK = 500
_METRICS = "SELECT run_n, last, step, time, min, min_step, max, max_step, count FROM metric"
_PARAMS = "SELECT run_n, type, number, text FROM param"
_TAGS = "SELECT run_n, text FROM tag"
_EXACT = "SELECT key_id, run_n, numbers FROM exact"
Keyed = dict[int, dict[int, Any]]


def load_runs(connection: sqlite3.Connection, numbers: Iterable[int]) -> Iterator[Run]:
    """Read runs by their numbers, in the order given.

    Raises:
        sqlite3.DatabaseError: The index is corrupt.
    """
    wanted = list(numbers)
    for start in range(0, len(wanted), _CHUNK):
        yield from _load_chunk(connection, wanted[start : start + _CHUNK])


def _load_chunk(connection: sqlite3.Connection, numbers: list[int]) -> list[Run]:
    chosen = f"run_n IN ({', '.join(map(str, numbers))})"
    rows = connection.execute(
        "SELECT run_n, body, commit_id, experiment, live, layout_id FROM document JOIN run USING (run_n)"  # noqa: S608
        f" WHERE {chosen}"
    ).fetchall()
    found = {number: rest for number, *rest in rows}
    layouts = _layouts(connection, {row[5] for row in rows})
    keys = _list(layouts, range(3))
    names = dict(connection.execute(f"SELECT key_id, name FROM key WHERE key_id IN ({keys})"))  # noqa: S608
    metrics = _keyed(connection, _METRICS, chosen, _list(layouts, [0]), _summary)
    for key, number, text in connection.execute(f"{_EXACT} WHERE {chosen}"):
        metrics[key][number] = _summary(*exact_numbers(text))
    params = _keyed(connection, _PARAMS, chosen, _list(layouts, [1]), param_value)
    tags = _keyed(connection, _TAGS, chosen, _list(layouts, [2]), str)
    runs: list[Run] = []
    for number in numbers:
        if number in found:
            body, commit, experiment, live, layout_id = found[number]
            groups = layouts[layout_id]
            runs.append(
                replace(
                    _decoded(body, commit),
                    commit=commit,
                    experiment=experiment,
                    live=bool(live),
                    metrics=_mapping(groups[0], names, metrics, number),
                    params=_mapping(groups[1], names, params, number),
                    tags=_mapping(groups[2], names, tags, number),
                )
            )
    return runs


def _decoded(body: bytes, commit: str | None) -> Run:
    try:
        return decode_run(unpack(body), commit=commit or "live")
    except (DamagedError, KeyError) as err:
        raise sqlite3.DatabaseError("a document in the index is malformed") from err


def _layouts(connection: sqlite3.Connection, wanted: set[int]) -> dict[int, list[list[int]]]:
    chosen = ", ".join(map(str, wanted))
    rows = connection.execute(f"SELECT layout_id, keys FROM layout WHERE layout_id IN ({chosen})")  # noqa: S608 - integers
    return {number: json.loads(keys) for number, keys in rows}


def _list(layouts: dict[int, list[list[int]]], groups: Iterable[int]) -> str:
    return ", ".join(
        str(int(key)) for key in {key for keys in layouts.values() for group in groups for key in keys[group]}
    )


def _keyed(
    connection: sqlite3.Connection, select: str, chosen: str, keys: str, read: Callable[..., Any]
) -> Keyed:
    """Read the values of many keys for some runs: key → run → value."""
    values: Keyed = {}
    sql = select.replace("SELECT ", "SELECT key_id, ")
    for key, number, *stored in connection.execute(f"{sql} WHERE key_id IN ({keys}) AND {chosen}"):
        values.setdefault(key, {})[number] = read(*stored)
    return values


def _mapping(keys: list[int], names: dict[int, str], values: Keyed, number: int) -> dict[str, Any]:
    try:
        return {names[key]: values[key][number] for key in keys}
    except KeyError as err:
        raise sqlite3.DatabaseError("a run in the index lacks a value") from err


def number_or_nan(stored: float | None) -> float:
    """Read a number of a metric: NaN is stored as nothing."""
    return math.nan if stored is None else stored


def exact_numbers(text: str) -> list[Any]:
    """Read the numbers of a metric whose columns hold them rounded.

    Raises:
        sqlite3.DatabaseError: The index is corrupt.
    """
    try:
        numbers: list[Any] = json.loads(text)
    except ValueError as err:
        raise sqlite3.DatabaseError("a metric in the index is malformed") from err
    return numbers


def _summary(last: float | None, step: int, time: int, *rest: Any) -> MetricSummary:
    value = number_or_nan(last)
    if rest[-1] is None:
        return MetricSummary(value, step, time, value, step, value, step, 1)
    low, low_step, high, high_step, count = rest
    return MetricSummary(
        value, step, time, number_or_nan(low), low_step, number_or_nan(high), high_step, count
    )
