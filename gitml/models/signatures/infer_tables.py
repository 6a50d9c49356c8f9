"""Columns of data frames of polars and Spark; neither is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gitml.entities.data_type import DataType, SignatureError
from gitml.entities.signature import ColSpec
from gitml.entities.signature_types import AnyType, Array, Object, Property, SparkMLVector, ValueType

_POLARS: Mapping[str, DataType] = {
    "Boolean": DataType.boolean,
    "Int8": DataType.integer,
    "Int16": DataType.integer,
    "Int32": DataType.integer,
    "UInt8": DataType.integer,
    "UInt16": DataType.integer,
    "Int64": DataType.long,
    "UInt32": DataType.long,
    "Float32": DataType.float,
    "Float64": DataType.double,
    "String": DataType.string,
    "Utf8": DataType.string,
    "Categorical": DataType.string,
    "Enum": DataType.string,
    "Binary": DataType.binary,
    "Date": DataType.datetime,
    "Datetime": DataType.datetime,
}
_SPARK: Mapping[str, DataType] = {
    "boolean": DataType.boolean,
    "byte": DataType.integer,
    "tinyint": DataType.integer,
    "short": DataType.integer,
    "smallint": DataType.integer,
    "integer": DataType.integer,
    "int": DataType.integer,
    "long": DataType.long,
    "bigint": DataType.long,
    "float": DataType.float,
    "double": DataType.double,
    "string": DataType.string,
    "binary": DataType.binary,
    "date": DataType.datetime,
    "timestamp": DataType.datetime,
}


def columns_of_polars(frame: Any) -> Iterator[ColSpec]:
    """Give the columns of a data frame of polars; one without gaps is required."""
    for name, dtype in frame.schema.items():
        kind = _type_of_polars(dtype)
        column = frame[name]
        gaps = column.null_count() or (kind in (DataType.float, DataType.double) and column.is_nan().any())
        yield ColSpec(kind, name, not gaps)


def _type_of_polars(dtype: Any) -> ValueType:
    name = type(dtype).__name__ if not isinstance(dtype, type) else dtype.__name__
    if name in _POLARS:
        return _POLARS[name]
    if name in ("List", "Array"):
        return Array(_type_of_polars(dtype.inner))
    if name == "Struct":
        return Object([Property(each.name, _type_of_polars(each.dtype)) for each in dtype.fields])
    if name == "Null":
        return AnyType()
    raise SignatureError(f"columns of {dtype} have no type in a signature")


def columns_of_spark(frame: Any) -> Iterator[ColSpec]:
    """Give the columns of a data frame of Spark; all are required, since all may be null there."""
    for field in frame.schema.fields:
        yield ColSpec(_type_of_spark(field.dataType, field.name), field.name)


def _type_of_spark(kind: Any, column: str) -> ValueType:
    name = kind.typeName()
    if name in _SPARK:
        return _SPARK[name]
    if name == "array":
        return Array(_type_of_spark(kind.elementType, column))
    if name == "struct":
        return Object(
            [
                Property(each.name, _type_of_spark(each.dataType, column), not each.nullable)
                for each in kind.fields
            ]
        )
    if type(kind).__name__ == "VectorUDT":
        return SparkMLVector()
    hint = "make it a struct: the keys of a map are not in its type" if name == "map" else None
    raise SignatureError(f"column {column!r}: {name} has no type in a signature", hint=hint)
