"""Predictions written a batch at a time: to a file that appears when it is whole, or printed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from gitml.errors import MissingExtraError, UsageError
from gitml.models.example_values import plain

if TYPE_CHECKING:
    import pandas as pd

_SPOOLED = 1 << 20  # bytes of a document that are kept in memory until it is whole


class Sink(Protocol):
    """Where predictions go."""

    def write(self, frame: pd.DataFrame) -> None:
        """Add rows."""
        ...

    def close(self) -> None:
        """Write what ends the file."""
        ...


def parquet_module() -> Any:
    """Give Arrow's module for Parquet.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError as err:
        raise MissingExtraError("Parquet files", "parquet") from err
    return pyarrow.parquet


@contextmanager
def open_sink(target: Path | None, kind: str, stdout: IO[str]) -> Iterator[Sink]:
    """Open where predictions go; a file appears when it is whole, as does JSON that is printed.

    Args:
        target: The file; None is the stream.
        kind: The format.
        stdout: The stream.

    Raises:
        UsageError: The format can't go to the stream.
    """
    if target is None:
        if kind == "parquet":
            raise UsageError("Parquet is no text", hint="-o predictions.parquet")
        with _whole_or_by_line(kind, stdout) as stream:
            sink = _text_sink(kind, stream)
            yield sink
            sink.close()
        return
    temporary = target.with_name(f".gitml-{uuid.uuid4().hex}")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if kind == "parquet":
            yield (sink := _ParquetSink(temporary))
            sink.close()
        else:
            with temporary.open("x", encoding="utf-8", newline="") as stream:
                sink = _text_sink(kind, stream)
                yield sink
                sink.close()
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _whole_or_by_line(kind: str, stdout: IO[str]) -> Iterator[IO[str]]:
    """Give the stream itself for what is read line by line; a document reaches it when it is whole."""
    if kind != "json":
        yield stdout
        return
    with tempfile.SpooledTemporaryFile(_SPOOLED, "w+", encoding="utf-8", newline="") as spool:
        yield spool
        spool.seek(0)
        shutil.copyfileobj(spool, stdout)


def _text_sink(kind: str, stream: IO[str]) -> Sink:
    sinks: dict[str, Callable[[IO[str]], Sink]] = {"csv": _CsvSink, "json": _JsonSink, "jsonl": _LinesSink}
    return sinks[kind](stream)


class _CsvSink:
    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._begun = stream, False

    def write(self, frame: pd.DataFrame) -> None:
        frame.to_csv(self._stream, index=False, header=not self._begun, lineterminator="\n")
        self._begun = True

    def close(self) -> None:
        """Nothing ends it."""


class _LinesSink:
    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, frame: pd.DataFrame) -> None:
        for record in frame.to_dict(orient="records"):
            self._stream.write(json.dumps(plain(record, gaps=True), ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Nothing ends it."""


class _JsonSink:
    """MLflow's answer to a request: `{"predictions": […]}`."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._begun = stream, False

    def write(self, frame: pd.DataFrame) -> None:
        bare = list(frame.columns) == ["prediction"]
        rows = frame["prediction"].tolist() if bare else frame.to_dict(orient="records")
        for row in rows:
            self._stream.write(", " if self._begun else '{"predictions": [')
            self._stream.write(json.dumps(plain(row, gaps=True), ensure_ascii=False))
            self._begun = True

    def close(self) -> None:
        self._stream.write("]}\n" if self._begun else '{"predictions": []}\n')


class _ParquetSink:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._parquet = parquet_module()
        self._writer: Any = None

    def write(self, frame: pd.DataFrame) -> None:
        import pyarrow as pa

        if self._writer is None:
            table = pa.Table.from_pandas(frame, preserve_index=False)
            self._writer = self._parquet.ParquetWriter(self._path, table.schema)
        else:
            table = pa.Table.from_pandas(frame, schema=self._writer.schema, preserve_index=False)
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is None:  # no rows: a table without columns
            import pandas as pd

            self.write(pd.DataFrame())
        self._writer.close()
