"""Bodies that are files of tables: CSV and Parquet."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from gitml.entities.data_type import DataType
from gitml.entities.signature import ColSpec, Schema
from gitml.entities.signature_values import described
from gitml.models.errors import MissingPackageError
from gitml.models.serving.media import UnsupportedMediaError
from gitml.models.serving.replies import RequestError, TooLargeError
from gitml.models.signatures.problems import Problem, SchemaError

if TYPE_CHECKING:
    import pandas as pd

# A Parquet file may say much with little: its rows may be so many times what it takes.
_UNPACKED = 16
_CELL = 8


def read_csv(body: bytes, schema: Schema | None) -> pd.DataFrame:
    """Read a table with a line of names first.

    Args:
        body: The bytes.
        schema: What the columns should be.

    Raises:
        RequestError: It can't be read.
        SchemaError: A column is not of its type; says which, and what is in it.
    """
    import pandas as pd

    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as err:
        raise RequestError(f"the body is no UTF-8: byte {err.start}") from err
    if not text.strip():
        raise RequestError("the body is empty; it must be CSV with a line of names first")
    try:
        return pd.read_csv(io.StringIO(text), dtype=_dtypes(schema))
    except (ValueError, TypeError, OverflowError) as err:  # pandas' own errors are ValueErrors
        problem = str(err)
    if problems := _problems(text, schema):
        raise SchemaError(problems, error_code="BAD_REQUEST")
    raise RequestError(f"the body can't be read as CSV: {problem:.200}")


def _problems(text: str, schema: Schema | None) -> list[Problem]:
    """Say which columns can't be made what they should be, by the first value that can't."""
    import pandas as pd

    try:
        frame = pd.read_csv(io.StringIO(text), dtype=str)
    except (ValueError, TypeError, OverflowError):  # then it is no table at all
        return []
    problems = []
    for name, dtype in (_dtypes(schema) or {}).items():
        if name not in frame.columns or getattr(dtype, "kind", "O") == "O":
            continue
        for row, value in enumerate(frame[name]):
            try:
                pd.Series([value]).astype(dtype)
            except (ValueError, TypeError, OverflowError):
                problems.append(Problem(name, str(dtype), f"got {described(value)} in row {row}"))
                break
    return problems


def _dtypes(schema: Schema | None) -> Any:
    """What pandas should make of columns; times are made later, which pandas' reader can't."""
    if schema is None:
        return None
    if schema.is_tensor_spec():
        return {name: each.type for name, each in zip(schema.input_names(), schema.inputs, strict=True)}
    return {
        name: each.type.to_pandas()
        for name, each in zip(schema.input_names(), schema.inputs, strict=True)
        if isinstance(each, ColSpec)
        and isinstance(each.type, DataType)
        and each.type is not DataType.datetime
    }


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
