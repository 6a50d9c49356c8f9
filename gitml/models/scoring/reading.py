"""The rows of a piece, a batch at a time: what the model gets, and what is kept beside its predictions."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gitml.errors import InvalidValueError
from gitml.models.scoring.arrow_types import types_of_columns
from gitml.models.scoring.errors import RowError
from gitml.models.scoring.pieces import Piece
from gitml.models.scoring.places import Place, explained, open_place
from gitml.models.signatures.columns import MISSING_HINT
from gitml.models.signatures.problems import Problem, SchemaError, split_row
from gitml.models.tables.csv_text import CsvError, read_csv

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
    from pyarrow import csv as arrow_csv

    with place.files.open_input_file(piece.path) as stream:
        head = bytes(stream.read_at(piece.head, 0)).removeprefix(codecs.BOM_UTF8)
        body = bytes(stream.read_at(piece.end - piece.begin, piece.begin))
    parsing = arrow_csv.ParseOptions(newlines_in_values=True)
    there = arrow_csv.read_csv(io.BytesIO(head), parse_options=parsing).column_names
    for_model, read = wanted.of(there, piece.file)
    # What is kept, and what the model takes as text, stays text: '007' is no number, and 'NA' may be a country.
    types = dict.fromkeys(wanted.ids, pa.string()) | _types(wanted.schema, for_model)
    options = arrow_csv.ConvertOptions(include_columns=read, column_types=types)
    reading = arrow_csv.ReadOptions(use_threads=False)  # only so it knows the number of a row
    text = head.rstrip(b"\r\n") + b"\n" + body
    try:
        table = arrow_csv.read_csv(io.BytesIO(text), reading, parsing, options)
    except pa.ArrowInvalid as err:
        if "conversion error" not in str(err):
            raise _at_row(piece, str(err)) from err
        yield from _by_hand(text, piece, wanted, rows)
        return
    _require_no_gaps(table, types, for_model, piece)
    for batch in table.combine_chunks().to_batches(max_chunksize=rows):
        frame = batch.select(for_model).to_pandas()
        yield _with_gaps(frame, options.null_values), _table(batch, wanted.ids)


def _types(schema: Schema | None, for_model: Sequence[str]) -> dict[str, Any]:
    """Give the types of columns; those of a tensor have its type."""
    if schema is None or not schema.is_tensor_spec():
        return types_of_columns(schema)
    import pyarrow as pa

    only = schema.inputs[0] if len(schema) == 1 else None
    specs = {
        name: schema.input_dict().get(name, only) if schema.has_input_names() else only for name in for_model
    }
    return {
        name: pa.from_numpy_dtype(spec.type)
        for name, spec in specs.items()
        if spec is not None and spec.type.kind in "biuf"  # type: ignore[union-attr]
    }


def _by_hand(text: bytes, piece: Piece, wanted: Wanted, rows: int) -> _Rows:
    """Read what Arrow can't as `gitml models predict` reads it: `1.0` is a whole number too."""
    import pyarrow as pa

    try:
        frame = read_csv(text.decode(), wanted.schema)
    except UnicodeDecodeError as err:
        raise RowError(piece.file, None, "it is no UTF-8", hint="save it as UTF-8", exit_code=2) from err
    except CsvError as err:
        raise RowError(piece.file, None, err.message, hint=err.hint, exit_code=2) from err
    except SchemaError as err:
        raise _first_problem(err, piece) from err
    texts = csv.DictReader(io.StringIO(text.decode(), newline=""))
    kept_texts: dict[str, list[str]] = {name: [] for name in wanted.ids}
    for line in texts if wanted.ids else ():
        for name, values in kept_texts.items():
            values.append(line[name])
    for_model, _ = wanted.of(list(frame.columns), piece.file)
    for start in range(0, len(frame), rows):
        part = slice(start, start + rows)
        kept = pa.Table.from_pydict(
            {name: pa.array(kept_texts[name][part], pa.string()) for name in wanted.ids}
        )
        yield frame.loc[:, for_model].iloc[part].reset_index(drop=True), kept


def _first_problem(err: SchemaError, piece: Piece) -> RowError:
    problem = err.problems[0]
    given, row = split_row(problem.given)
    told = SchemaError([replace(problem, given=given)])
    place = None if row is None else piece.first_row + row + 1
    return RowError(piece.file, place, told.message, hint=told.hint, exit_code=told.exit_code)


def _require_no_gaps(table: Any, types: dict[str, Any], for_model: Sequence[str], piece: Piece) -> None:
    """Refuse gaps in whole numbers in the words of `gitml models predict`: pandas would make floats of them."""
    import pyarrow as pa
    from pyarrow import compute

    for name in for_model:
        kind = types.get(name)
        if kind is not None and pa.types.is_integer(kind) and table[name].null_count:
            row = compute.index(table[name].is_null(), True).as_py()
            said = "integer" if kind == pa.int32() else "long"
            problem = Problem(name, said, f"got nothing in row {row}", MISSING_HINT)
            raise _first_problem(SchemaError([problem]), piece)


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
