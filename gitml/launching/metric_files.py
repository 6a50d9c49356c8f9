"""Metrics from a file that a program writes: JSON, JSON lines, YAML, CSV or TSV.

Nested names are joined with dots. A table, a list of objects, or lists of
numbers (as a training history has them) are curves; the step is in a column
named `step` or `epoch`, else rows are counted. A column without a name, as
pandas writes its index, is no metric.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.entities.run import Number
from gitml.errors import DamagedError, GitmlError
from gitml.launching.scalars import to_number

MAX_DOCUMENT_BYTES = 64 << 20
_STEP_COLUMNS = ("step", "global_step", "iteration", "iter", "epoch")
_TABLES = (".csv", ".tsv", ".tab")
_LINES = (".jsonl", ".ndjson")

Record = Callable[[Mapping[str, Number], "int | None"], None]


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells whether a file was written: its identity, size and time, if it is there."""

    facts: tuple[int, int, int] | None

    @classmethod
    def of(cls, path: Path) -> FileState:
        """Look at a file."""
        try:
            found = os.stat(path)
        except OSError:
            return cls(None)
        return cls((found.st_ino, found.st_size, found.st_mtime_ns))


class MetricFiles:
    """Files that hold metrics once the program has ended.

    Looks at them when made, so that a file left from an earlier run is not
    taken for this one's.
    """

    def __init__(self, paths: Iterable[str], base: Path) -> None:
        self._before = [(path, base / path, FileState.of(base / path)) for path in dict.fromkeys(paths)]

    def record(self, record: Record) -> list[str]:
        """Hand everything in the files to `record(values, step)`.

        Returns:
            Sentences about what could not be recorded.
        """
        problems: list[str] = []
        for name, path, before in self._before:
            state = FileState.of(path)
            if state.facts is None:
                problems.append(f"there is no file for --metrics '{name}'")
            elif state == before:
                problems.append(f"--metrics '{name}' is not recorded: this run did not write it")
            else:
                problems += _record_file(name, path, record)
        return problems


def _record_file(name: str, path: Path, record: Record) -> list[str]:
    found = False
    refused: list[str] = []
    try:
        for values, step in read_metrics(path):
            found = found or bool(values)
            try:
                record(values, step)
            except GitmlError as err:
                refused += _record_one_by_one(values, step, record) or [str(err)]
    except (OSError, ValueError, csv.Error, DamagedError, RecursionError) as err:
        return [f"--metrics '{name}' can't be read: {err}"]
    if not found:
        return [f"--metrics '{name}' holds no numbers"]
    return list(dict.fromkeys(refused))


def _record_one_by_one(values: Mapping[str, Number], step: int | None, record: Record) -> list[str]:
    refused = []
    for key, value in values.items():
        try:
            record({key: value}, step)
        except GitmlError as err:
            refused.append(str(err))
    return refused


def read_metrics(path: Path) -> Iterator[tuple[dict[str, Number], int | None]]:
    """Read a file's metrics, row by row; a step of None: the file says none.

    Raises:
        ValueError: It is too large to be read whole, or not what its name says.
        csv.Error: It is no table.
        DamagedError: It is no YAML.
        OSError: It can't be read.
    """
    suffix = path.suffix.lower()
    if suffix in _TABLES:
        yield from _read_table(path, suffix)
    elif suffix in _LINES:
        with path.open(encoding="utf-8", errors="replace") as lines:
            yield from _rows(json.loads(line) for line in lines if line.strip())
    else:
        yield from _read_document(path, suffix)


def _read_table(path: Path, suffix: str) -> Iterator[tuple[dict[str, Number], int | None]]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        first = lines.readline()
        delimiter = max("\t,;" if suffix != ".csv" else ",;\t", key=first.count)
        rows = csv.DictReader(itertools.chain([first], lines), delimiter=delimiter)
        yield from _rows(
            {key: to_number(text) for key, text in row.items() if isinstance(text, str)} for row in rows
        )


def _read_document(path: Path, suffix: str) -> Iterator[tuple[dict[str, Number], int | None]]:
    size = path.stat().st_size
    if size > MAX_DOCUMENT_BYTES:
        raise ValueError(f"it has {size:,} bytes; more than {MAX_DOCUMENT_BYTES:,} need CSV or JSON lines")
    data = path.read_bytes()
    if suffix in (".yaml", ".yml"):
        from gitml.formats import yaml  # only where a file needs it

        yield from _document(yaml.load_mapping(data, source=path.name))
        return
    text = data.decode("utf-8-sig", "replace")
    try:
        content = json.loads(text)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or not lines[0].lstrip().startswith("{"):
            raise
        content = [json.loads(line) for line in lines]
    yield from _document(content)


def _document(content: Any) -> Iterator[tuple[dict[str, Number], int | None]]:
    if isinstance(content, list):
        yield from _rows(content)
        return
    if not isinstance(content, dict):
        raise ValueError("it holds neither names with numbers nor a list of them")  # noqa: TRY004 - of the file
    curves = {key: values for key, values in _flat(content, lists=True) if isinstance(values, list)}
    step, rest = _split_step({key: value for key, value in content.items() if not isinstance(value, list)})
    values = _numbers(rest)
    if values or not curves:
        yield values, step
    steps = next((curves.pop(name) for name in _STEP_COLUMNS if name in curves), None)
    for key, points in curves.items():
        for position, point in enumerate(points):
            if _is_number(point):
                at = steps[position] if steps is not None and position < len(steps) else position
                yield {key: point}, _whole(at)


def _rows(rows: Iterable[Any]) -> Iterator[tuple[dict[str, Number], int | None]]:
    for number, row in enumerate(rows):
        if isinstance(row, dict):
            step, rest = _split_step(row)
            values = _numbers(rest)
            if values:
                yield values, number if step is None else step


def _split_step(row: dict[Any, Any]) -> tuple[int | None, dict[Any, Any]]:
    """Take the step out of a row: the first of the known columns that has one."""
    by_name = {name.strip().lower(): name for name in row if isinstance(name, str)}
    for known in _STEP_COLUMNS:
        column = by_name.get(known)
        step = None if column is None else _whole(row[column])
        if step is not None:
            return step, {key: value for key, value in row.items() if key != column}
    return None, row


def _numbers(content: Mapping[Any, Any]) -> dict[str, Number]:
    return {key: value for key, value in _flat(content) if _is_number(value)}


def _flat(content: Mapping[Any, Any], prefix: str = "", *, lists: bool = False) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        name = f"{prefix}{key}".strip()
        if not name:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.", lists=lists)
        elif lists or not isinstance(value, list):
            yield name, value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value == value and abs(value) < 1 << 63 and value == int(value) else None
