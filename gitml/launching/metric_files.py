"""Metrics from a file that a program writes: JSON, JSON lines, YAML, CSV or TSV.

Nested names are joined with dots. A table, a list of objects, or lists of
numbers (as a training history has them) are curves; the step is in a column
named `step` or `epoch`, else rows are counted. A column without a name, as
pandas writes its index, is no metric. A cell that is no number in a column of
numbers, and a step that is none, are told.
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
from gitml.formats.unreadable import load_json_lines, why_unreadable
from gitml.launching.metric_cells import OddCells
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
            elif path.is_dir():
                problems.append(f"--metrics '{name}' is not recorded: it is a folder; name the files in it")
            elif not path.is_file():  # reading a pipe might wait for ever
                problems.append(f"--metrics '{name}' is not recorded: it is no plain file")
            elif state == before:
                problems.append(f"--metrics '{name}' is not recorded: this run did not write it")
            else:
                problems += _record_file(name, path, record)
        return problems


def _record_file(name: str, path: Path, record: Record) -> list[str]:
    found = False
    refused: list[str] = []
    odd = OddCells()
    try:
        for values, step in read_metrics(path, odd):
            found = found or bool(values)
            try:
                record(values, step)
            except GitmlError as err:
                refused += _record_one_by_one(values, step, record) or [str(err)]
    except (OSError, ValueError, csv.Error, DamagedError, RecursionError) as err:
        return [f"--metrics '{name}' can't be read: {why_unreadable(err)}"]
    if not found:
        return [f"--metrics '{name}' holds no numbers"]
    return [*(f"--metrics '{name}', {said}" for said in odd.sentences()), *dict.fromkeys(refused)]


def _record_one_by_one(values: Mapping[str, Number], step: int | None, record: Record) -> list[str]:
    refused = []
    for key, value in values.items():
        try:
            record({key: value}, step)
        except GitmlError as err:
            refused.append(str(err))
    return refused


def read_metrics(path: Path, odd: OddCells | None = None) -> Iterator[tuple[dict[str, Number], int | None]]:
    """Read a file's metrics, row by row; a step of None: the file says none.

    Args:
        path: The file.
        odd: Is told of cells that don't fit their column.

    Raises:
        ValueError: It is too large to be read whole, or not what its name says.
        csv.Error: It is no table.
        DamagedError: It is no YAML.
        OSError: It can't be read.
    """
    suffix = path.suffix.lower()
    odd = odd or OddCells()
    if suffix in _TABLES:
        yield from _read_table(path, suffix, odd)
    elif suffix in _LINES:
        with path.open(encoding="utf-8", errors="replace") as lines:
            yield from _rows(_numbered(lines), odd)
    else:
        yield from _read_document(path, suffix, odd)


def _numbered(lines: Iterable[str]) -> Iterator[tuple[str, Any]]:
    return ((f"line {number}", row) for number, row in load_json_lines(lines))


def _read_table(path: Path, suffix: str, odd: OddCells) -> Iterator[tuple[dict[str, Number], int | None]]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        first = lines.readline()
        delimiter = max("\t,;" if suffix != ".csv" else ",;\t", key=first.count)
        rows = csv.DictReader(itertools.chain([first], lines), delimiter=delimiter)
        yield from _rows(_table_rows(rows, odd), odd)


def _table_rows(rows: csv.DictReader[str], odd: OddCells) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give rows with numbers where a cell holds one, else its text."""
    for row in rows:
        place = f"line {rows.line_num}"
        cells: dict[str, Any] = {}
        for key, text in row.items():
            if isinstance(text, str):
                number = to_number(text)
                cells[key] = text if number is None else number
            elif isinstance(text, list):
                odd.beyond(place, text)
        yield place, cells


def _read_document(path: Path, suffix: str, odd: OddCells) -> Iterator[tuple[dict[str, Number], int | None]]:
    size = path.stat().st_size
    if size > MAX_DOCUMENT_BYTES:
        raise ValueError(f"it has {size:,} bytes; more than {MAX_DOCUMENT_BYTES:,} need CSV or JSON lines")
    data = path.read_bytes()
    if suffix in (".yaml", ".yml"):
        from gitml.formats import yaml  # only where a file needs it

        yield from _document(yaml.load_mapping(data, source=path.name), odd)
        return
    text = data.decode("utf-8-sig", "replace")
    try:
        content = json.loads(text)
    except ValueError:
        first, more, _ = text.lstrip().partition("\n")
        if not more or not first.startswith("{") or not first.rstrip().endswith("}"):
            raise
        content = [row for _, row in load_json_lines(text.splitlines())]
    yield from _document(content, odd)


def _document(content: Any, odd: OddCells) -> Iterator[tuple[dict[str, Number], int | None]]:
    if isinstance(content, list):
        yield from _rows(((f"item {number}", row) for number, row in enumerate(content, 1)), odd)
        return
    if not isinstance(content, dict):
        raise ValueError("it holds neither names with numbers nor a list of them")  # noqa: TRY004 - of the file
    curves = {key: values for key, values in _flat(content, lists=True) if isinstance(values, list)}
    step, rest = _split_step({key: value for key, value in content.items() if not isinstance(value, list)})
    values = _numbers(rest)
    if values or not curves:
        yield values, step
    named = next((name for name in _STEP_COLUMNS if name in curves), None)
    steps = [] if named is None else list(_steps(named, curves.pop(named), odd))
    for key, points in curves.items():
        for position, point in enumerate(points):
            if _is_number(point):
                odd.number(key)
                yield {key: point}, steps[position] if position < len(steps) else position
            else:
                odd.value(f"item {position + 1}", key, point)


def _steps(name: str, points: list[Any], odd: OddCells) -> Iterator[int]:
    for position, point in enumerate(points):
        step = _whole(point)
        if step is None:
            odd.step(f"item {position + 1}", name, point, position)
        yield position if step is None else step


def _rows(rows: Iterable[tuple[str, Any]], odd: OddCells) -> Iterator[tuple[dict[str, Number], int | None]]:
    """Give the metrics of rows that each come with the place where they stand."""
    for number, (place, row) in enumerate(rows):
        if not isinstance(row, dict):
            continue
        found, rest = _split_step(row)
        step = number if found is None else found
        columns = _step_columns(row)
        values = {}
        for key, value in _flat(rest):
            if _is_number(value):
                odd.number(key)
                values[key] = value
            elif key not in columns:
                odd.value(place, key, value)
        if not values:
            continue
        if columns and _whole(row[columns[0]]) is None:
            odd.step(place, columns[0], row[columns[0]], step)
        yield values, step


def _split_step(row: dict[Any, Any]) -> tuple[int | None, dict[Any, Any]]:
    """Take the step out of a row: the first of the known columns that has one."""
    for column in _step_columns(row):
        step = _whole(row[column])
        if step is not None:
            return step, {key: value for key, value in row.items() if key != column}
    return None, row


def _step_columns(row: dict[Any, Any]) -> list[str]:
    by_name = {name.strip().lower(): name for name in row if isinstance(name, str)}
    return [by_name[known] for known in _STEP_COLUMNS if known in by_name]


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
