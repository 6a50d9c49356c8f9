"""Trials that a file lists: a table, or one mapping of values each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gitml.errors import GitmlError, NotFoundError, UsageError
from gitml.execution.sweeps.space import MAX_TRIALS, number_text
from gitml.formats import yaml
from gitml.formats.names import check_name
from gitml.formats.unreadable import load_json_lines, why_unreadable

MAX_BYTES = 64 << 20


class TrialsFileError(UsageError):
    """A file of trials that can't be read."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"'{path}' lists no trials: {problem}",
            hint="a .csv or .tsv table, .jsonl, .json or .yaml: one mapping of names to values a trial",
        )
        self.path = path


def read_trials(path: Path) -> tuple[dict[str, str], ...]:
    """Read the values of each trial from a file; its kind follows from its name.

    Raises:
        NotFoundError: There is no such file.
        TrialsFileError: It holds something else.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as err:
        raise NotFoundError(
            f"'{path}' can't be read: {(err.strerror or str(err)).lower()}", hint="check the path"
        ) from None
    if len(data) > MAX_BYTES:
        raise TrialsFileError(path, f"it has more than {MAX_BYTES:,} bytes")
    try:
        rows = _rows(path, data)
    except (GitmlError, ValueError, csv.Error, RecursionError) as err:
        raise TrialsFileError(path, why_unreadable(err)) from None
    if not 1 <= len(rows) <= MAX_TRIALS:
        raise TrialsFileError(path, f"it has {len(rows):,} trials, 1 to {MAX_TRIALS:,} are allowed")
    return tuple(_values(path, number, row) for number, row in enumerate(rows, 1))


def _rows(path: Path, data: bytes) -> Sequence[Any]:
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return yaml.load_sequence(data, source=path.name)
    text = data.decode("utf-8-sig")
    if suffix in (".csv", ".tsv"):
        return list(
            csv.DictReader(io.StringIO(text, newline=""), delimiter="," if suffix == ".csv" else "\t")
        )
    if suffix == ".jsonl":
        return [value for _, value in load_json_lines(text.splitlines())]
    if suffix == ".json":
        content = json.loads(text)
        if not isinstance(content, list):
            raise ValueError("it is no list")
        return content
    raise ValueError(f"its kind is not known by '{suffix}'")


def _values(path: Path, number: int, row: Any) -> dict[str, str]:
    if not isinstance(row, Mapping) or not row or not all(isinstance(name, str) for name in row):
        raise TrialsFileError(path, f"trial {number} is no mapping of names to values")
    return {check_name("param", name): _text(path, number, name, value) for name, value in row.items()}


def _text(path: Path, number: int, name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = number_text(value)
        return text if float(text) == value else repr(value)
    raise TrialsFileError(path, f"'{name}' of trial {number} is no text, number or boolean")
