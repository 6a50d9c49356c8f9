"""CSV files: a run for each line, or one run with a step for each line."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.entities.run import Experiment, Number, Run, RunStatus
from gitml.errors import DamagedError, NotFoundError, UsageError
from gitml.formats import history
from gitml.interop.mapping import param_value
from gitml.interop.sources import Curve, Problem, SourceRun

_LOOKED_AT = 64 * 1024  # bytes
_INTEGER = re.compile(r"[-+]?[0-9]{1,4000}")
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns are; None: numbers are metrics, everything else params.

    Where some are named, the others are left out.
    """

    params: tuple[str, ...] | None = None
    metrics: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    name: str | None = None
    step: str | None = None
    time: str | None = None


class CsvSource:
    """A CSV file with a heading, read by pandas; every cell is taken as its text says."""

    kind = "csv"

    def __init__(
        self, file: Path, columns: Columns, *, history: bool = False, experiment: str | None = None
    ) -> None:
        """Read the file.

        Args:
            file: The file.
            columns: What its columns are.
            history: Whether it is one run; its name is then `columns.name`.
            experiment: Where the runs come into; the file's name if not given.

        Raises:
            NotFoundError: There is no such file.
            DamagedError: It is no CSV file.
            UsageError: A column is named that it does not have.
        """
        self._file = file
        self._experiment = experiment or file.stem
        self._rows, heading = _read(file)
        self._history = history
        if columns.step is not None and not history:
            raise UsageError(
                "--step says where a step is, which a line for each run has not", hint="--history"
            )
        self._columns = columns
        self._check(heading)
        self._metrics, self._params, self._tags = self._kinds(heading)
        self._built = [self._one()] if history else list(self._many())

    def _check(self, heading: Sequence[str]) -> None:
        columns = self._columns
        named = [*(columns.params or ()), *(columns.metrics or ()), *(columns.tags or ())]
        named += [name for name in (columns.step, columns.time) if name is not None]
        named += [columns.name] if columns.name is not None and not self._history else []
        for name in named:
            if name not in heading:
                raise UsageError(
                    f"'{self._file}' has no column {name!r:.80}", hint=f"it has: {', '.join(heading)}"
                )
        for name, count in Counter(named).items():
            if count > 1:
                raise UsageError(f"the column {name!r:.80} is given for two things", hint="give it once")

    def _kinds(self, heading: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
        columns = self._columns
        chosen = (columns.metrics, columns.params, columns.tags)
        special = {columns.step, columns.time, None if self._history else columns.name}
        named = {name for names in chosen for name in names or ()}
        free = [name for name in heading if name not in special and name not in named]
        if any(names is not None for names in chosen):
            free = [name for name in free if columns.metrics is None and self._history]
        numeric = [
            name for name in free if all(_number(row[name]) is not None for row in self._rows if row[name])
        ]
        filled = [name for name in numeric if any(row[name] for row in self._rows)]
        others = [name for name in free if name not in filled]
        metrics = list(columns.metrics) if columns.metrics is not None else filled
        params = list(columns.params) if columns.params is not None else others
        return metrics, params, list(columns.tags or ())

    def ids(self) -> list[str]:
        """List the ids of the runs."""
        return [source.run.id for source in self._built]

    def experiments(self) -> Iterable[Experiment]:
        """A file knows of none."""
        return ()

    def runs(self) -> Iterator[SourceRun | Problem]:
        """Give the runs."""
        yield from self._built

    # A run for each line

    def _many(self) -> Iterator[SourceRun]:
        seen: Counter[str] = Counter()
        for number, row in enumerate(self._rows, 2):
            name = row[self._columns.name].strip() if self._columns.name is not None else ""
            # A named line is the same run when its numbers change; another one is what it says.
            key = (
                f"{self._file.resolve()}\n{name}" if name else "\n".join(f"{k}\t{v}" for k, v in row.items())
            )
            seen[key] += 1
            run_id = _id("row", self._experiment, key, str(seen[key]))
            yield self._run(run_id, name or f"{self._file.stem} {number - 1}", [row], number)

    def _run(self, run_id: str, name: str, rows: Sequence[Row], number: int) -> SourceRun:
        curves = [
            Curve(metric, lines)
            for metric in self._metrics
            if (lines := b"".join(self._points(metric, rows, number)))
        ]
        times = [self._time(row, number) for row in rows if self._columns.time and row[self._columns.time]]
        written = int(self._file.stat().st_mtime * 1000)
        start, end = (min(times), max(times)) if times else (written, written)
        run = Run(
            id=run_id, name=name, experiment=self._experiment, experiment_id=self._experiment,
            status=RunStatus.FINISHED, start_ms=start, end_ms=end,
            params={key: param_value(text) for key, text in self._first(self._params, rows)},
            tags=dict(self._first(self._tags, rows)),
        )  # fmt: skip
        return SourceRun(
            run,
            curves=lambda: curves,
            facts={"file": self._file.name},
            uncounted=() if times else ("start_ms", "end_ms"),
        )

    @staticmethod
    def _first(names: Iterable[str], rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
        for name in names:
            text = next((row[name] for row in rows if row[name]), None)
            if text is not None:
                yield name, text

    def _points(self, metric: str, rows: Sequence[Row], number: int) -> Iterator[bytes]:
        for index, row in enumerate(rows):
            if not row[metric]:
                continue
            value = _number(row[metric])
            if value is None:
                raise DamagedError(
                    f"'{self._file}', line {number + index}: {row[metric]!r:.80} in {metric!r:.80} is no number",
                    hint="leave the cell empty, or name the column in --params",
                )
            time = self._time(row, number + index) if self._columns.time and row[self._columns.time] else 0
            yield history.encode_point(self._step(row, index, number + index), time, value)

    def _step(self, row: Row, index: int, line: int) -> int:
        if self._columns.step is None:
            return index
        step = _number(row[self._columns.step])
        if step is None or step != step or step in (float("inf"), float("-inf")) or int(step) != step:
            raise DamagedError(f"'{self._file}', line {line}: {row[self._columns.step]!r:.80} is no step")
        return int(step)

    def _time(self, row: Row, line: int) -> int:
        import pandas as pd

        text = row[str(self._columns.time)]
        number = _number(text)
        try:
            moment = (
                pd.Timestamp(text)
                if number is None
                else pd.Timestamp(number, unit="s" if number < 1e11 else "ms")
            )
            moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment
            return int(moment.timestamp() * 1000)
        except (ValueError, OverflowError, TypeError) as err:
            raise DamagedError(f"'{self._file}', line {line}: {text!r:.80} is no time") from err

    # One run

    def _one(self) -> SourceRun:
        name = self._columns.name or self._file.stem
        return self._run(
            _id("history", self._experiment, f"{self._file.resolve()}\n{name}"), name, self._rows, 2
        )


def _id(*parts: str) -> str:
    return hashlib.sha256("\n".join(("csv", *parts)).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _number(text: str) -> Number | None:
    text = text.strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def _read(file: Path) -> tuple[list[dict[str, str]], list[str]]:
    import pandas as pd

    if not file.is_file():
        raise NotFoundError(f"there is no file '{file}'", hint="check the path")
    with file.open("rb") as stream:
        if b"\0" in stream.read(_LOOKED_AT):
            raise DamagedError(
                f"'{file}' is no text: CSV has no zero bytes", hint="save the table as CSV, in UTF-8"
            )
    options: dict[str, Any] = {"dtype": str, "keep_default_na": False, "encoding_errors": "replace"}
    try:
        frame = pd.read_csv(file, encoding="utf-8-sig", index_col=False, **options)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as err:
        raise DamagedError(f"'{file}' can't be read as CSV: {' '.join(str(err).split())}") from err
    heading = [str(name) for name in frame.columns]
    # A line that ends early has no text in its last cells.
    rows = [
        {name: cell if isinstance(cell, str) else "" for name, cell in zip(heading, line, strict=True)}
        for line in frame.itertuples(index=False, name=None)
    ]
    return rows, heading
