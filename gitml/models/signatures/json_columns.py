"""A column of values as JSON has them, as an array of the type that a signature says."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from gitml.entities.data_type import DataType
from gitml.entities.signature_types import ValueType
from gitml.entities.signature_values import ValueMismatchError, described, fit_value
from gitml.models.signatures.columns import MISSING_HINT
from gitml.models.signatures.problems import Mismatch

if TYPE_CHECKING:
    import numpy as np

FIRST_YEAR, LAST_YEAR = 1678, 2261  # what nanoseconds of 64 bits hold in full
Converter = Callable[[list[Any]], "np.ndarray[Any, Any]"]


def converter(kind: ValueType, required: bool) -> Converter:
    """Make the function that turns the values of a column into an array.

    The function raises Mismatch where a value is none of the type; says which, and in which row.
    """
    if kind in (DataType.double, DataType.float):
        return _floats(kind)
    if kind in (DataType.integer, DataType.long):
        return _whole_numbers(kind, 32 if kind is DataType.integer else 64)
    if isinstance(kind, DataType):
        return _SIMPLE[kind]
    nested = kind

    def convert(values: list[Any]) -> np.ndarray[Any, Any]:
        return _each(values, lambda value: fit_value(value, nested, required))

    return convert


def _each(values: list[Any], take: Callable[[Any], Any]) -> np.ndarray[Any, Any]:
    """Take one value after the other into an array of objects."""
    import numpy as np

    array = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        try:
            array[row] = take(value)
        except ValueMismatchError as err:
            raise Mismatch(f"row {row}: {err}") from err
        except (ValueError, TypeError, OverflowError) as err:
            raise Mismatch(f"got {described(value)} in row {row}") from err
    return array


def _floats(kind: DataType) -> Converter:
    import numpy as np

    dtype = kind.to_numpy()

    def convert(values: list[Any]) -> np.ndarray[Any, Any]:
        try:
            with np.errstate(over="ignore"):
                array = np.array(values, dtype=dtype)
        except (ValueError, TypeError, OverflowError):
            array = None
        if array is None or array.ndim != 1:
            array = _each(values, _float).astype(dtype)
        if kind is DataType.float and np.isinf(array).any():
            _refuse_overflow(values, array)
        return array

    return convert


def _refuse_overflow(values: list[Any], array: np.ndarray[Any, Any]) -> None:
    """Refuse numbers that only became infinite by being made shorter."""
    for row, (value, short) in enumerate(zip(values, array, strict=True)):
        if math.isinf(short) and not math.isinf(_float(value)):
            raise Mismatch(f"got {described(value)} in row {row}, which float can't hold")


def _float(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _whole_numbers(kind: DataType, bits: int) -> Converter:
    import numpy as np

    dtype = kind.to_numpy()
    limit = 2 ** (bits - 1)

    def whole(value: Any) -> int:
        if value is None or value != value:
            raise ValueMismatchError((), kind.name, "None")
        number = int(value) if isinstance(value, (int, float, str)) else None
        if number is None or (isinstance(value, float) and number != value) or not -limit <= number < limit:
            raise ValueError(value)
        return number

    def convert(values: list[Any]) -> np.ndarray[Any, Any]:
        array = np.array(values) if all(type(value) is int for value in values) else None
        if array is not None and array.dtype.kind == "i" and (bits == 64 or _within(array, limit)):
            return array.astype(dtype)
        try:
            return _each(values, whole).astype(dtype)
        except Mismatch as err:
            hint = MISSING_HINT if any(value is None for value in values) else None
            raise Mismatch(err.given, hint) from err

    return convert


def _within(array: np.ndarray[Any, Any], limit: int) -> bool:
    return bool(not array.size or (array.min() >= -limit and array.max() < limit))


def _flags(values: list[Any]) -> np.ndarray[Any, Any]:
    array = _each(values, _flag)
    return array if None in values else array.astype(bool)


def _flag(value: Any) -> bool | None:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, (int, float)) and value in (0, 1):
        return bool(value)
    raise ValueError(value)


def _texts(values: list[Any]) -> np.ndarray[Any, Any]:
    return _each(values, _text)


def _text(value: Any) -> Any:
    """Take a text, or a list of texts, which MLflow has as a value too."""
    listed = isinstance(value, list) and all(isinstance(each, str) for each in value)
    if value is None or isinstance(value, str) or listed:
        return value
    raise ValueError(value)


def _binary(values: list[Any]) -> np.ndarray[Any, Any]:
    return _each(values, _bytes)


def _bytes(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise TypeError(value)
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError) as err:
        raise ValueMismatchError((), "bytes in base64", described(value)) from err


def _times(values: list[Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    try:
        moments = [None if value is None else _moment(value) for value in values]
        return np.array(moments, dtype="datetime64[us]").astype("datetime64[ns]")
    except (ValueError, TypeError):
        return _parsed_times(values)


def _moment(value: Any) -> datetime:
    if not isinstance(value, str):
        raise TypeError(value)
    moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(value)
    return moment if moment.tzinfo is None else moment.astimezone(timezone.utc).replace(tzinfo=None)


def _parsed_times(values: list[Any]) -> np.ndarray[Any, Any]:
    """Read what pandas can read: other ways to write a time, nanoseconds since 1970."""
    import numpy as np
    import pandas as pd

    def take(value: Any) -> np.datetime64:
        if value is None:
            return np.datetime64("NaT")
        if type(value) not in (str, int):
            raise TypeError(value)
        moment: Any = pd.Timestamp(value)
        if moment is not pd.NaT and not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise ValueError(value)
        return (moment.tz_convert(None) if getattr(moment, "tzinfo", None) else moment).to_datetime64()  # type: ignore[no-any-return]

    return np.array(_each(values, take).tolist(), dtype="datetime64[ns]")


_SIMPLE: Mapping[DataType, Converter] = {
    DataType.boolean: _flags,
    DataType.string: _texts,
    DataType.binary: _binary,
    DataType.datetime: _times,
}
