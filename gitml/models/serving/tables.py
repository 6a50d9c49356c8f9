"""Bodies that are files of tables: CSV and Parquet."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from gitml.models.errors import MissingPackageError
from gitml.models.serving.media import UnsupportedMediaError
from gitml.models.serving.replies import RequestError, TooLargeError
from gitml.models.tables.csv_text import CsvError, read_csv

if TYPE_CHECKING:
    import pandas as pd

    from gitml.entities.signature import Schema

# A Parquet file may say much with little: its rows may be so many times what it takes.
_UNPACKED = 16
_CELL = 8


def read_csv_body(body: bytes, schema: Schema | None) -> pd.DataFrame:
    """Read a table with a line of names first.

    Args:
        body: The bytes.
        schema: What the columns should be.

    Raises:
        RequestError: It can't be read.
        SchemaError: A column is not of its type; says which, and what is in it.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as err:
        raise RequestError(f"the body is no UTF-8: byte {err.start}") from err
    if not text.strip():
        raise RequestError("the body is empty; it must be CSV with a line of names first")
    try:
        return read_csv(text, schema)
    except CsvError as err:
        raise RequestError(f"the body can't be read as CSV: {err.message}") from err


def read_parquet(body: bytes, limit: int) -> pd.DataFrame:
    """Read a Parquet file.

    Args:
        body: The bytes.
        limit: How large a body may be; what the file says that it holds may be some times that.

    Raises:
        RequestError: It can't be read, or holds too much.
        UnsupportedMediaError: pyarrow is not installed.
    """
    try:
        from pyarrow import ArrowException  # type: ignore[import-untyped,unused-ignore]
        from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped,unused-ignore]
    except ModuleNotFoundError as err:
        missing = MissingPackageError("reading Parquet", "pyarrow")
        raise UnsupportedMediaError(f"{missing.message}: on the server, {missing.hint}") from err
    try:
        file = ParquetFile(io.BytesIO(body))
        facts = file.metadata
        packed = sum(facts.row_group(number).total_byte_size for number in range(facts.num_row_groups))
        if max(packed, facts.num_rows * facts.num_columns * _CELL) > limit * _UNPACKED:
            raise TooLargeError(limit * _UNPACKED, "what the Parquet file holds")
        frame: pd.DataFrame = file.read().to_pandas()
    except (ArrowException, ValueError, TypeError, KeyError, OSError, OverflowError) as err:
        raise RequestError(f"the body can't be read as Parquet: {err!s:.200}") from err
    return frame
