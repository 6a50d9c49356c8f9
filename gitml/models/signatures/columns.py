"""A column of a data frame as a signature wants it, by MLflow's rules: what loses nothing is converted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gitml.entities.data_type import DataType
from gitml.entities.signature_types import ValueType
from gitml.entities.signature_values import ValueMismatchError, described, fit_value, safe_cast
from gitml.models.signatures.problems import Mismatch

if TYPE_CHECKING:
    import pandas as pd

_NANOSECONDS: Any = "datetime64[ns]"
MISSING_HINT = (
    "a column of whole numbers can't hold missing values: infer the signature from data that has some, "
    "or declare the column double"
)


def fit_column(column: pd.Series[Any], kind: ValueType, required: bool = True) -> pd.Series[Any]:
    """Give a column as a signature wants it; the same one where nothing is to be done.

    Raises:
        Mismatch: It can't be made so without loss; says what it is.
    """
    if not isinstance(kind, DataType):
        return _cells(column, kind, required)
    if column.dtype == object and kind not in (DataType.binary, DataType.string):
        column = column.infer_objects()
    special = _SPECIAL.get(kind)
    fitted: pd.Series[Any] | None = special(column) if special is not None else None
    if fitted is not None:
        return fitted
    if column.dtype == kind.to_pandas():
        return column
    return _numbers(column, kind)


def _cells(column: pd.Series[Any], kind: ValueType, required: bool) -> pd.Series[Any]:
    import pandas as pd

    fitted = []
    for row, value in enumerate(column):
        try:
            fitted.append(fit_value(value, kind, required))
        except ValueMismatchError as err:
            raise Mismatch(f"row {row}: {err}") from err
    return pd.Series(fitted, index=column.index, name=column.name, dtype=object if fitted else column.dtype)


def _text(column: pd.Series[Any]) -> pd.Series[Any] | None:
    """Texts, and objects, which may be lists of texts; categories stay what they are."""
    kind = getattr(column.dtype, "kind", "")
    named = str(column.dtype)
    texts = column.dtype == object or kind == "U" or named.startswith("str") or named == "category"
    return column if texts else None


def _bytes(column: pd.Series[Any]) -> pd.Series[Any] | None:
    fits = column.dtype == object or str(column.dtype).startswith("str") or column.dtype.kind == "S"
    return column if fits else None


def _times(column: pd.Series[Any]) -> pd.Series[Any] | None:
    named = str(column.dtype)
    if not (
        column.dtype.kind == "M" or column.dtype == object or named.startswith(("str", "date32", "date64"))
    ):
        return None
    if getattr(column.dtype, "tz", None) is not None:
        raise Mismatch(
            f"got {named}", hint="times have no zone here: column.dt.tz_convert('UTC').dt.tz_localize(None)"
        )
    try:
        return column.astype(_NANOSECONDS)
    except (ValueError, TypeError) as err:
        raise Mismatch(f"got {named} that can't be read as times: {err!s:.100}") from err


def _flags(column: pd.Series[Any]) -> pd.Series[Any] | None:
    if column.dtype != object:
        return None
    for row, value in enumerate(column):
        if value is not None and str(type(value).__name__) not in ("bool", "bool_", "NAType"):
            raise Mismatch(f"got {described(value)} in row {row}")
    return column  # True, False and None: made boolean, None would be False


def _doubles(column: pd.Series[Any]) -> pd.Series[Any] | None:
    """Decimals, and numbers among objects."""
    if column.dtype != object:
        return None
    import pandas as pd

    try:
        return pd.to_numeric(column, errors="raise").astype("float64")
    except (ValueError, TypeError) as err:
        raise Mismatch(f"got {_first_text(column)}") from err


def _first_text(column: pd.Series[Any]) -> str:
    for row, value in enumerate(column):
        try:
            float(value)
        except (ValueError, TypeError):
            if value is not None:
                return f"{described(value)} in row {row}"
    return str(column.dtype)


_SPECIAL: dict[DataType, Callable[[Any], Any]] = {
    DataType.string: _text,
    DataType.binary: _bytes,
    DataType.datetime: _times,
    DataType.boolean: _flags,
    DataType.double: _doubles,
}


def _numbers(column: pd.Series[Any], kind: DataType) -> pd.Series[Any]:
    dtype = column.dtype
    target: Any = kind.to_numpy()
    size = getattr(dtype, "itemsize", 0)
    if safe_cast(dtype.kind, size, kind) or _ones_and_zeros(column, kind):
        try:
            return column.astype(target)
        except (ValueError, TypeError) as err:
            raise Mismatch(f"got {dtype} with missing values", hint=MISSING_HINT) from err
    if dtype.kind == "f" and target.kind == "i" and column.hasnans and _all_whole(column):
        raise Mismatch(f"got {dtype} with missing values", hint=MISSING_HINT)
    raise Mismatch(f"got {dtype}{_example(column, kind)}")


def _ones_and_zeros(column: pd.Series[Any], kind: DataType) -> bool:
    """Whether whole numbers are all 0 and 1, which every type of number holds."""
    if str(column.dtype) != "int64" or kind not in (DataType.float, DataType.double):
        return False
    return bool(((column == 0) | (column == 1)).all())


def _all_whole(column: pd.Series[Any]) -> bool:
    return bool((column.dropna() % 1 == 0).all())


def _example(column: pd.Series[Any], kind: DataType) -> str:
    """Show a value, and say why numbers aren't taken."""
    if column.dtype.kind in "iufc" and kind.to_numpy().kind in "iuf":
        return f", which {kind.name} can't hold without loss"
    return f", {described(column.iloc[0])} in row 0" if len(column) else ""
