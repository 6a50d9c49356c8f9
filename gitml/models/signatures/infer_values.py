"""The types of values: of Python's, of numpy's and of what lists and dictionaries hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gitml.entities.data_type import DataType, SignatureError
from gitml.entities.signature_types import AnyType, Array, Object, Property, ValueType, merged

# Width of a value in bytes to its type; a type takes what is at most as wide.
_WIDTHS: Mapping[str, tuple[tuple[int, DataType], ...]] = {
    "b": ((1, DataType.boolean),),
    "i": ((4, DataType.integer), (8, DataType.long)),
    "u": ((2, DataType.integer), (4, DataType.long)),
    "f": ((4, DataType.float), (8, DataType.double)),
}
_KINDS: Mapping[str, DataType] = {
    "U": DataType.string,
    "T": DataType.string,
    "S": DataType.binary,
    "M": DataType.datetime,
}
_PYTHON: Mapping[type, DataType] = {
    bool: DataType.boolean,
    int: DataType.long,
    float: DataType.double,
    str: DataType.string,
    bytes: DataType.binary,
    bytearray: DataType.binary,
}
_SCALARS = ("bool", "int32", "int64", "float32", "float64")


def type_of(value: Any) -> ValueType:
    """Find the type of a value; None, NaN and what is empty are `AnyType`.

    Raises:
        SignatureError: It is of none.

    Example:
        >>> type_of({"a": [1, 2], "b": None})
        {a: Array(long) (required), b: Any (optional)}
    """
    if is_missing(value) or (isinstance(value, (list, dict)) and not value):
        return AnyType()
    if isinstance(value, dict):
        return Object([_property(name, each) for name, each in value.items()])
    if isinstance(value, list) or getattr(value, "shape", ()) != () or _is_array(value):
        return Array(type_of_items(value))
    return _type_of_scalar(value)


def type_of_items(values: Iterable[Any]) -> ValueType:
    """Find the type that all values of a list have.

    Raises:
        SignatureError: They have none in common, or there are none.
    """
    found: ValueType | None = None
    for each in values:
        if _is_empty_array(each):
            continue  # says nothing; MLflow has it so since before there was AnyType
        kind = type_of(each)
        if found is None:
            found = kind
        elif isinstance(found, DataType):
            if not isinstance(kind, AnyType) and kind != found:
                raise SignatureError(
                    f"values of type {found!r} and {kind!r:.80} are in one list",
                    hint="write the signature yourself: Array(AnyType()) holds all of them",
                )
        elif kind != found:
            found = merged(found, kind)
    if found is None:
        raise SignatureError("there is no value to find a type of")
    return found


def type_of_dtype(dtype: Any) -> DataType:
    """Find the type for a dtype of numpy or pandas.

    Raises:
        SignatureError: There is none.
    """
    if dtype.kind in _KINDS:
        return _KINDS[dtype.kind]
    for width, kind in _WIDTHS.get(dtype.kind, ()):
        if dtype.itemsize <= width:
            return kind
    raise SignatureError(f"values of {dtype} have no type in a signature")


def is_missing(value: Any) -> bool:
    """Whether it is None, NaN, or what pandas has for a gap."""
    if isinstance(value, float):
        return value != value
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _property(name: Any, value: Any) -> Property:
    if _is_empty_array(value):
        raise SignatureError(f"{name!r:.80} is an array without values, which have no type")
    kind = type_of(value)
    return Property(name, kind, required=not isinstance(kind, AnyType))


def _type_of_scalar(value: Any) -> DataType:
    found = _PYTHON.get(type(value))
    if found is not None:
        return found
    if DataType.check_type(DataType.datetime, value) or type(value).__name__ == "Timestamp":
        return DataType.datetime
    dtype = getattr(value, "dtype", None) if type(value).__module__ == "numpy" else None
    if dtype is not None and (dtype.name in _SCALARS or dtype.kind in "US"):
        return type_of_dtype(dtype)
    raise SignatureError(f"{value!r:.80} ({type(value).__name__}) has no type in a signature")


def _is_array(value: Any) -> bool:
    return type(value).__module__ == "numpy" and type(value).__name__ == "ndarray"


def _is_empty_array(value: Any) -> bool:
    """Whether it is an array that has no value in any depth."""
    return _is_array(value) and (
        value.size == 0 or (value.dtype.kind == "O" and all(map(_is_empty_array, value.flat)))
    )
