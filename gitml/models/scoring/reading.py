"""The rows of a piece, a batch at a time: what the model gets, and what is kept beside its predictions."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitml.errors import InvalidValueError
from gitml.models.scoring.arrow_types import types_of_columns
from gitml.models.scoring.errors import RowError
from gitml.models.scoring.pieces import Piece
from gitml.models.scoring.places import Place, explained, open_place

if TYPE_CHECKING:
    import pandas as pd

    from gitml.entities.signature import Schema


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which columns are read.

    Attributes:
        columns: Those that the model gets; empty: all but `ids`.
        ids: Those that are kept.
        schema: What the model takes, if that is known.
    """

    columns: Sequence[str]
    ids: Sequence[str]
    schema: Schema | None

    def of(self, there: Sequence[str], file: str) -> tuple[list[str], list[str]]:
        """Give the columns for the model, and all that are to be read.

        A column for the model that is not there is left out: whether it must be there says the signature.

        Raises:
            RowError: A column to be kept is not there.
        """
        if twice := [name for name in self.ids if there.count(name) > 1]:
            raise RowError(file, None, f"there are two columns {twice[0]!r}", hint=None, exit_code=2)
        lacking = [name for name in self.ids if name not in there]
        if lacking:
            raise RowError(
                file, None, f"there is no column {lacking[0]!r}",
                hint=f"--id-columns are of: {', '.join(map(repr, there[:20]))}", exit_code=2,
            )  # fmt: skip
        for_model = (
            [name for name in self.columns if name in there]
            if self.columns
            else [name for name in there if name not in self.ids]
        )
        return for_model, list(dict.fromkeys((*for_model, *self.ids)))


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows.

    Attributes:
        first: How many rows of the file are before them.
        frame: What the model gets.
        ids: Arrow's table of what is kept.
    """

    first: int
    frame: pd.DataFrame
    ids: Any


def batches(piece: Piece, wanted: Wanted, rows: int) -> Iterator[Batch]:
    """Read a piece.

    Args:
        piece: The piece.
        wanted: Which columns of it.
        rows: How many rows a batch has at most.

    Raises:
        RowError: It lacks a column that is to be kept.
        InvalidValueError: The file is not in its format.
        NotFoundError: It is gone.
    """
    place = open_place(piece.place)
    reader = _csv if piece.kind == "csv" else _parquet
    first = piece.first_row
    try:
        with explained(piece.file):
            for frame, ids in reader(place, piece, wanted, rows):
                yield Batch(first, frame, ids)
                first += len(frame)
    except ValueError as err:  # Arrow's are of that kind
        raise InvalidValueError("file", piece.file, f"it can't be read as {piece.kind}: {err}") from err


_Rows = Iterator[tuple["pd.DataFrame", Any]]


def _parquet(place: Place, piece: Piece, wanted: Wanted, rows: int) -> _Rows:
    from pyarrow import parquet  # type: ignore[import-untyped]

    # A buffer: else a row group is read as a whole before its first batch.
    with parquet.ParquetFile(
        piece.path, filesystem=place.files, buffer_size=1 << 20, pre_buffer=False
    ) as file:
        for_model, read = wanted.of(file.schema_arrow.names, piece.file)
        groups = range(piece.begin, piece.end)
        for batch in file.iter_batches(batch_size=rows, row_groups=groups, columns=read):
            yield batch.select(for_model).to_pandas(), _table(batch, wanted.ids)


def _table(batch: Any, names: Sequence[str]) -> Any:
    import pyarrow as pa

    return pa.Table.from_batches([batch.select(list(names))])


def _csv(place: Place, piece: Piece, wanted: Wanted, rows: int) -> _Rows:
    import pyarrow as pa
    from pyarrow import csv

    with place.files.open_input_file(piece.path) as stream:
        head = bytes(stream.read_at(piece.head, 0)).removeprefix(codecs.BOM_UTF8)
        body = bytes(stream.read_at(piece.end - piece.begin, piece.begin))
    parsing = csv.ParseOptions(newlines_in_values=True)
    there = csv.read_csv(io.BytesIO(head), parse_options=parsing).column_names
    for_model, read = wanted.of(there, piece.file)
    # What is kept, and what the model takes as text, stays text: '007' is no number, and 'NA' may be a country.
    types = dict.fromkeys(wanted.ids, pa.string()) | types_of_columns(wanted.schema)
    options = csv.ConvertOptions(include_columns=read, column_types=types)
    reading = csv.ReadOptions(use_threads=False)  # only so it knows the number of a row
    try:
        table = csv.read_csv(io.BytesIO(head.rstrip(b"\r\n") + b"\n" + body), reading, parsing, options)
    except pa.ArrowInvalid as err:
        raise _at_row(piece, str(err)) from err
    for batch in table.combine_chunks().to_batches(max_chunksize=rows):
        frame = batch.select(for_model).to_pandas()
        yield _with_gaps(frame, options.null_values), _table(batch, wanted.ids)


def _with_gaps(frame: pd.DataFrame, words: Sequence[str]) -> pd.DataFrame:
    """Let text for the model have gaps where pandas would read some, as it does in `gitml models predict`."""
    gaps = frozenset(words)
    for name in frame.columns:
        column = frame[name]
        if column.dtype.kind == "O" and column.isin(gaps).any():
            frame[name] = column.mask(column.isin(gaps))
    return frame


def _at_row(piece: Piece, why: str) -> RowError:
    """Say where in the file Arrow could not go on; it counts the header too."""
    found = re.search(r"Row #(\d+): ", why)
    row = piece.first_row + int(found[1]) - 1 if found else None
    if (column := re.match(r"In CSV column #(\d+): ", why)) is not None:
        why = f"column {int(column[1]) + 1}: {why[column.end() :]}"
    why = why.replace(found[0] if found else "", "").removeprefix("CSV parse error: ")
    return RowError(piece.file, row, f"it can't be read as csv: {why}", hint=None, exit_code=2)
