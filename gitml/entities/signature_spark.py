"""Types of a signature as Spark SQL has them; needs pyspark."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gitml.entities.data_type import DataType, SignatureError
from gitml.entities.signature_specs import ColSpec, TensorSpec
from gitml.entities.signature_types import Array, Map, Object, SparkMLVector, ValueType


def spark_schema(specs: Iterable[ColSpec | TensorSpec]) -> Any:
    """Give columns as a struct; of one column without a name, its type.

    Raises:
        SignatureError: There are tensors, or a column of a type that Spark has none for.
    """
    from pyspark.sql import types  # type: ignore[import-not-found,unused-ignore]

    columns = list(specs)
    kinds = []
    for place, spec in enumerate(columns):
        if isinstance(spec, TensorSpec):
            raise SignatureError("tensors have no schema in Spark", hint="only columns have")
        name = str(place if spec.name is None else spec.name)
        kinds.append(types.StructField(name, spark_type(spec.type, name), nullable=True))
    if len(columns) == 1 and columns[0].name is None:
        return kinds[0].dataType
    return types.StructType(kinds)


def spark_type(kind: ValueType, column: str) -> Any:
    """Give the type for values of a column.

    Raises:
        SignatureError: There is none.
    """
    from pyspark.sql import types

    if isinstance(kind, DataType):
        return kind.to_spark()
    if isinstance(kind, SparkMLVector):
        return types.ArrayType(types.DoubleType())
    if isinstance(kind, Array):
        return types.ArrayType(spark_type(kind.dtype, column))
    if isinstance(kind, Map):
        return types.MapType(types.StringType(), spark_type(kind.value_type, column))
    if isinstance(kind, Object):
        return types.StructType(
            [
                types.StructField(each.name, spark_type(each.dtype, column), nullable=not each.required)
                for each in kind.properties
            ]
        )
    raise SignatureError(f"column {column!r} is of type {kind!r}, which Spark has none for")
