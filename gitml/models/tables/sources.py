"""Files of tables, read a batch of rows at a time."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gitml.errors import InvalidValueError, NotFoundError, UsageError
from gitml.formats.unreadable import json_problem
from gitml.models.signatures.problems import SchemaError
from gitml.models.tables.csv_rows import row_bytes
from gitml.models.tables.csv_text import CsvError, read_csv, require_same_widths
from gitml.models.tables.sinks import parquet_module

if TYPE_CHECKING:
    import pandas as pd

    from gitml.entities.signature import Schema

STANDARD_INPUT = "standard input"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a table is.

    Attributes:
        place: The file, or a stream of its bytes.
    """

    place: Path | IO[bytes]

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.place) if isinstance(self.place, Path) else STANDARD_INPUT

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open it.

        Raises:
            NotFoundError: There is no such file.
        """
        if not isinstance(self.place, Path):
            yield self.place
            return
        if not self.place.is_file():
            raise NotFoundError(f"there is no file '{self.place}'")
        with self.place.open("rb") as stream:
            yield stream

    def wrong(self, kind: str, why: str, hint: str | None = None) -> InvalidValueError:
        """Say that it is not in its format."""
        return InvalidValueError("file", self.name, f"it can't be read as {kind}: {why}", hint=hint)


def csv_frames(source: Source, schema: Schema | None, rows: int) -> Iterator[tuple[int, pd.DataFrame]]:
    """Read CSV: the number of the first row, from 1, and a table of the types that the schema says.

    Raises:
        NotFoundError: There is no such file.
        InvalidValueError: It is no CSV; says in which row.
        SchemaError: A cell is not of the type of its column; says which, and in which row.
    """
    first = 1
    try:
        for count, text in _csv_texts(source, rows):
            try:
                frame = read_csv(text, schema, first_row=first)
            except SchemaError:
                require_same_widths(text, first)  # or what it should have is in another column
                raise
            if len(frame.columns) and frame[frame.columns[-1]].hasnans:  # as in a row that is too short
                require_same_widths(text, first)
            if len(frame):
                yield first, frame.reset_index(drop=True)
            first += count
    except CsvError as err:
        raise source.wrong("csv", err.message, err.hint) from err


def _csv_texts(source: Source, rows: int) -> Iterator[tuple[int, str]]:
    """Give so many rows at a time, each time with the line of names first."""
    done = 0
    with source.open() as stream:
        found = row_bytes(stream)
        try:
            head = next(found, b"").removeprefix(codecs.BOM_UTF8)
            if not head.strip():
                raise CsvError("it is empty", hint="it needs a line of names first, then a line for each row")
            if b"\r" in head.rstrip(b"\r\n"):
                raise CsvError("its lines end with CR alone", hint="save it with LF or CR LF")
            names = _decoded([head], 0).rstrip("\r\n") + "\n"
            batch: list[bytes] = []
            for row in found:
                batch.append(row)
                if len(batch) == rows:
                    yield rows, names + _decoded(batch, done + 1)
                    done += rows
                    batch = []
            if batch:
                yield len(batch), names + _decoded(batch, done + 1)
        except ValueError as err:  # a quote that is never closed
            raise CsvError(str(err)) from err


def _decoded(rows: list[bytes], first: int) -> str:
    """Decode rows, the line of names being row 0."""
    try:
        return b"".join(rows).decode()
    except UnicodeDecodeError:
        for number, row in enumerate(rows, first):
            try:
                row.decode()
            except UnicodeDecodeError as err:
                where = f"row {number:,}" if number else "the first line"
                raise CsvError(f"{where} is no UTF-8", hint="save the file as UTF-8") from err
        raise


def json_lines(source: Source, rows: int) -> Iterator[tuple[int, list[Any]]]:
    """Read a value of JSON in each line: the number of the first row, from 1, and so many values.

    Raises:
        NotFoundError: There is no such file.
        InvalidValueError: A line is no JSON; says which.
    """
    first, batch = 1, []
    with source.open() as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            batch.append(_parsed(line, source, "jsonl", f"line {number:,}: "))
            if len(batch) == rows:
                yield first, batch
                first, batch = first + rows, []
    if batch:
        yield first, batch


def json_document(source: Source) -> Any:
    """Read a document of JSON as a whole.

    Raises:
        NotFoundError: There is no such file.
        InvalidValueError: It is no JSON.
    """
    with source.open() as stream:
        content = stream.read()
    if not content.strip():
        raise source.wrong("json", "it is empty")
    return _parsed(content, source, "json", "")


def _parsed(content: bytes, source: Source, kind: str, where: str) -> Any:
    try:
        return json.loads(content.removeprefix(codecs.BOM_UTF8).decode("utf-8"))
    except UnicodeDecodeError as err:
        raise source.wrong(kind, f"{where}it is no UTF-8", "save it as UTF-8") from err
    except RecursionError as err:
        raise source.wrong(kind, f"{where}it is nested too deep") from err
    except json.JSONDecodeError as err:
        place = f"column {err.colno}" if where else f"line {err.lineno:,}, column {err.colno}"
        raise source.wrong(kind, f"{where}it is no JSON: {json_problem(err)}, {place}") from err
    except ValueError as err:  # numbers of more digits than Python reads
        raise source.wrong(kind, f"{where}{err!s:.80}") from err


def parquet_frames(source: Source, rows: int) -> Iterator[tuple[int, pd.DataFrame]]:
    """Read Parquet: the number of the first row, from 1, and a table of so many.

    Raises:
        NotFoundError: There is no such file.
        InvalidValueError: It is no Parquet.
        MissingExtraError: pyarrow is not installed.
    """
    if not isinstance(source.place, Path):
        raise UsageError("Parquet is not read from standard input", hint="-i table.parquet")
    parquet = parquet_module()
    first = 1
    with source.open() as stream:
        try:
            with parquet.ParquetFile(stream) as file:
                for batch in file.iter_batches(batch_size=rows):
                    frame = batch.to_pandas()
                    yield first, frame
                    first += len(frame)
        except (ValueError, OSError) as err:  # Arrow's are of these kinds
            raise source.wrong("parquet", f"{err!s:.200}") from err
