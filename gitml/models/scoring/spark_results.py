"""Predictions as the type that a function of Spark's is to give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitml.entities.data_type import DataType
from gitml.entities.signature import Schema
from gitml.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

_WHOLE = ("byte", "short", "integer", "long")
_KINDS = {"boolean": "b", "float": "iuf", "double": "iuf", "timestamp": "M"} | dict.fromkeys(_WHOLE, "iu")


class ResultTypeError(UsageError):
    """Predictions that are not of the type that was asked for."""

    def __init__(self, wanted: Any, frame: pd.DataFrame) -> None:
        there = ", ".join(f"{name} ({dtype})" for name, dtype in frame.dtypes.items())
        super().__init__(
            f"the model predicts {there}, of which nothing is {wanted.simpleString()}",
            hint="give spark_udf another result_type",
        )


def chosen_type(spark: Any, asked: Any, outputs: Schema | None) -> Any:
    """Give the type of a function's results: as asked for, as the outputs of a signature say, or double.

    Raises:
        UsageError: There is no such type.
    """
    from pyspark.errors import PySparkException  # type: ignore[import-not-found,unused-ignore]
    from pyspark.sql import types  # type: ignore[import-not-found,unused-ignore]

    if asked is None:
        return _of_outputs(outputs)
    if isinstance(asked, DataType):
        return asked.to_spark()
    if isinstance(asked, types.DataType):
        return asked
    try:
        return spark.createDataFrame([], f"x {asked}").schema["x"].dataType
    except PySparkException:
        pass  # it may be columns: "a double, b string"
    try:
        return spark.createDataFrame([], str(asked)).schema
    except PySparkException as err:
        raise UsageError(
            f"Spark knows no type {asked!r:.100}", hint="double, array<float>, or 'a double, b string'"
        ) from err


def _of_outputs(outputs: Schema | None) -> Any:
    from pyspark.sql import types

    if outputs is None:
        return types.DoubleType()
    if not outputs.is_tensor_spec():
        return outputs.as_spark_schema()
    spec = outputs.inputs[0]
    kind = DataType.from_numpy_type(spec.type)
    base = kind.to_spark() if kind is not None else types.DoubleType()
    return types.ArrayType(base) if len(spec.shape) > 1 else base  # type: ignore[union-attr]


def as_result(frame: pd.DataFrame, wanted: Any) -> Any:
    """Give predictions as a column, or as the columns of a struct.

    Raises:
        ResultTypeError: They are of another type.
    """
    import pandas as pd

    name = wanted.typeName()
    if name == "struct":
        fields = wanted.fieldNames()
        if not set(fields) <= set(frame.columns):
            if len(fields) != len(frame.columns):
                raise ResultTypeError(wanted, frame)
            frame = frame.set_axis(fields, axis=1)
        return pd.DataFrame({field: as_result(frame[[field]], wanted[field].dataType) for field in fields})
    if name == "array":
        if frame.shape[1] == 1 and frame.iloc[:, 0].dtype.kind == "O":
            return frame.iloc[:, 0]
        return pd.Series(frame.to_numpy().tolist())
    if name == "string":
        first = frame.iloc[:, 0]
        return first.astype(str).where(first.notna(), None)
    if name not in _KINDS:
        return frame.iloc[:, 0]
    found = next((column for _, column in frame.items() if column.dtype.kind in _KINDS[name]), None)
    if found is None:
        raise ResultTypeError(wanted, frame)
    return _fitting(found, wanted, frame) if name in _WHOLE else found


def _fitting(column: pd.Series[Any], wanted: Any, frame: pd.DataFrame) -> pd.Series[Any]:
    """See to it that whole numbers are not too large: Spark would cut them off."""
    bits = {"byte": 8, "short": 16, "integer": 32, "long": 64}[wanted.typeName()]
    if len(column) and not -(1 << bits - 1) <= int(column.min()) <= int(column.max()) < 1 << bits - 1:
        raise ResultTypeError(wanted, frame)
    return column
