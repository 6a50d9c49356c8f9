"""Runs, or the points of their metrics, as a table: Parquet, CSV or JSON lines.

Rows are written as they are read. Only the names of columns are known before: one
pass over the runs finds them.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Protocol

from gitml.entities.run import Run
from gitml.errors import DamagedError, GitmlError, MissingExtraError, UsageError
from gitml.formats import history as histories
from gitml.formats.run_tree import format_time
from gitml.index import Query
from gitml.interop.mapping import param_text
from gitml.interop.mlflow_words import mlflow_tags
from gitml.interop.report import Report
from gitml.interop.selection import ExistsError, read_runs, written_whole
from gitml.interop.sources import Problem
from gitml.progress import Advance
from gitml.repo import Repo
from gitml.tracking import history as reading

_BATCH = 2000
_EXACT_IN_FLOATS = 2**53
_INT64 = 2**63
Row = Mapping[str, Any]
FIXED = ("run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time")
POINT = ("run_id", "metric", "step", "timestamp", "value")


def export_table(
    repo: Repo, target: Path, query: Query, *, history: bool = False, force: bool = False,
    progress: Advance | None = None,
) -> Report:  # fmt: skip
    """Write runs as a table; the file appears when all of it is written.

    Args:
        repo: The repository.
        target: The file; its ending says in which format.
        query: Which runs.
        history: Whether to write each point of each metric instead of each run.
        force: Whether a file that is there is replaced.
        progress: Called with the number of runs done since the last call.

    Returns:
        What was written, and what could not be.

    Raises:
        UsageError: The ending is none that is known.
        ExistsError: The file is there.
        MissingExtraError: Parquet, and pyarrow is not installed.
    """
    make = _WRITERS.get(target.suffix.lower())
    if make is None:
        raise UsageError(
            f"'{target.name}' is no table that gitml can write", hint="end it with .parquet, .csv or .jsonl"
        )
    if target.is_dir():
        raise UsageError(f"'{target}' is a folder", hint="give the name of a file")
    if target.exists() and not force:
        raise ExistsError(target, "give another name, or --force to replace it")
    reading.refresh(repo)
    report = Report()
    columns = _point_columns() if history else _run_columns(repo, query)
    with written_whole(target) as file, closing(make(file, columns)) as writer:
        for run in read_runs(repo, query):
            writer.write(_counted(_points(repo, run, report) if history else [_row(run)], report))
            report.new += 1
            if progress:
                progress(1)
    return report


# Rows


def _row(run: Run) -> Row:
    row: dict[str, Any] = {
        "run_id": run.id,
        "experiment_id": run.experiment_id,
        "status": run.status.name,
        "artifact_uri": f"runs:/{run.id}",
        "start_time": run.start_ms,
        "end_time": run.end_ms,
    }
    row.update((f"metrics.{key}", summary.last) for key, summary in run.metrics.items())
    row.update((f"params.{key}", value) for key, value in run.params.items())
    row.update((f"tags.{key}", value) for key, value in mlflow_tags(run).items())
    return row


def _points(repo: Repo, run: Run, report: Report) -> Iterator[Row]:
    for metric in run.metrics:
        try:
            data = reading.read_history(repo, run, metric)
            for point in histories.iter_points(data, source=metric):
                yield {
                    "run_id": run.id,
                    "metric": metric,
                    "step": point.step,
                    "timestamp": point.timestamp_ms,
                    "value": point.value,
                }
        except GitmlError as err:
            reason = f"metric {metric!r:.80} is not exported: {err}"
            damaged = isinstance(err, DamagedError)
            report.problems.append(Problem(f"run {run.id[:8]}", reason, damaged=damaged))


def _counted(rows: Iterable[Row], report: Report) -> Iterator[Row]:
    for row in rows:
        report.rows += 1
        yield row


# Columns

Columns = Mapping[str, str]  # name to kind: text, int, float, bool, time


def _point_columns() -> Columns:
    return {"run_id": "text", "metric": "text", "step": "int", "timestamp": "time", "value": "float"}


def _run_columns(repo: Repo, query: Query) -> Columns:
    kinds: dict[str, set[str]] = {}
    for run in read_runs(repo, query):
        for name, value in _row(run).items():
            if name not in FIXED and value is not None:
                kinds.setdefault(name, set()).add(_kind(name, value))
            elif name not in FIXED:
                kinds.setdefault(name, set())
    order = {"metrics": 0, "params": 1, "tags": 2}
    found = sorted(kinds, key=lambda name: (order[name.partition(".")[0]], name))
    fixed = {name: "time" if name.endswith("_time") else "text" for name in FIXED}
    return fixed | {name: _one_kind(kinds[name]) for name in found}


def _kind(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        if name.startswith("metrics."):  # floats, as in MLflow, unless one would change a number
            return "float" if abs(value) <= _EXACT_IN_FLOATS else "text"
        return "int" if -_INT64 <= value < _INT64 else "text"
    return "float" if isinstance(value, float) else "text"


def _one_kind(kinds: set[str]) -> str:
    return next(iter(kinds)) if len(kinds) == 1 else "text"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return json.dumps(_json(value), ensure_ascii=False)
    return param_text(value)


# Formats


class _Writer(Protocol):
    def write(self, rows: Iterable[Row]) -> None: ...
    def close(self) -> None: ...


class _CsvWriter:
    """CSV with a heading; what a run does not have is empty."""

    def __init__(self, file: Path, columns: Columns) -> None:
        self._stream: IO[str] = file.open("x", encoding="utf-8", newline="", errors="replace")
        self._columns = columns
        self._writer = csv.writer(self._stream, lineterminator="\n")
        self._writer.writerow(columns)

    def write(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._writer.writerow(self._cell(row.get(name), kind) for name, kind in self._columns.items())

    @staticmethod
    def _cell(value: Any, kind: str) -> str:
        if value is None:
            return ""
        return str(format_time(value)) if kind == "time" else _text(value)

    def close(self) -> None:
        self._stream.close()


class _JsonLinesWriter:
    """A JSON object a line, with only what the run has."""

    def __init__(self, file: Path, columns: Columns) -> None:
        self._stream: IO[str] = file.open("x", encoding="utf-8", errors="replace")
        self._times = {name for name, kind in columns.items() if kind == "time"}

    def write(self, rows: Iterable[Row]) -> None:
        for row in rows:
            record = {
                key: str(format_time(value)) if key in self._times and value is not None else _json(value)
                for key, value in row.items()
            }
            self._stream.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")

    def close(self) -> None:
        self._stream.close()


def _json(value: Any) -> Any:
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")
    return value


class _ParquetWriter:
    """Parquet, a row group a few thousand rows."""

    def __init__(self, file: Path, columns: Columns) -> None:
        try:
            pa, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
        except ImportError:
            raise MissingExtraError("writing Parquet", "parquet") from None
        types = {
            "text": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(),
            "time": pa.timestamp("ms", tz="UTC"),
        }  # fmt: skip
        self._pa = pa
        self._columns = columns
        self._schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
        self._writer: Any = parquet.ParquetWriter(file, self._schema)
        self._rows: list[Row] = []

    def write(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._rows.append(row)
            if len(self._rows) >= _BATCH:
                self._flush()

    def _flush(self) -> None:
        columns = [
            self._pa.array(
                [_arrow(row.get(name), kind) for row in self._rows], type=self._schema.field(name).type
            )
            for name, kind in self._columns.items()
        ]
        self._writer.write_table(self._pa.Table.from_arrays(columns, schema=self._schema))
        self._rows = []

    def close(self) -> None:
        if self._rows:
            self._flush()
        self._writer.close()


def _arrow(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "time":
        return datetime.fromtimestamp(value / 1000, tz=timezone.utc)
    if kind == "float":
        return float(value)
    return _text(value) if kind == "text" else value


_WRITERS: Mapping[str, Callable[[Path, Columns], _Writer]] = {
    ".csv": _CsvWriter,
    ".jsonl": _JsonLinesWriter,
    ".parquet": _ParquetWriter,
}
