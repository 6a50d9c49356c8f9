"""The types of single values in a model's inputs and outputs, as MLflow knows them.

No numpy here: the methods that give one of its dtypes import it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from gitml.errors import UsageError

if TYPE_CHECKING:
    import numpy as np


class SignatureError(UsageError):
    """A signature that can't be: a type that there is none of, names given twice, parts that don't go together."""


class DataType(Enum):
    """Types of single values."""

    boolean = 1
    """True or False."""
    integer = 2
    """Whole numbers of 32 bits."""
    long = 3
    """Whole numbers of 64 bits."""
    float = 4
    """Floating point numbers of 32 bits."""
    double = 5
    """Floating point numbers of 64 bits."""
    string = 6
    """Text."""
    binary = 7
    """Bytes."""
    datetime = 8
    """Points in time without a zone."""

    def __repr__(self) -> str:
        return self.name

    def to_dict(self) -> dict[str, Any]:
        """Give what MLflow's JSON holds."""
        return {"type": self.name}

    def to_numpy(self) -> np.dtype[Any]:
        """Give the dtype of numpy for such values."""
        import numpy as np

        return np.dtype(_NUMPY[self.name])

    def to_pandas(self) -> np.dtype[Any]:
        """Give the dtype of a pandas column of such values; text and bytes are objects."""
        import numpy as np

        return np.dtype("object" if self in (DataType.string, DataType.binary) else _NUMPY[self.name])

    def to_python(self) -> type:
        """Give Python's own class for such values."""
        return _PYTHON[self.name]

    def to_spark(self) -> Any:
        """Give the type of Spark SQL for such values; needs pyspark."""
        from pyspark.sql import types  # type: ignore[import-not-found,unused-ignore]

        return getattr(types, _SPARK[self.name])()

    @classmethod
    def all_types(cls) -> list[DataType]:
        """List the types."""
        return list(cls)

    @classmethod
    def from_numpy_type(cls, np_type: Any) -> DataType | None:
        """Find the type whose `to_numpy` that is, if there is one."""
        return next((each for each in cls if each.to_numpy() == np_type), None)

    @classmethod
    def check_type(cls, data_type: DataType, value: object) -> bool:
        """Whether a value is of a type as it is; a plain int is `integer` and `long`, a float `float` and `double`.

        Example:
            >>> DataType.check_type(DataType.long, 3), DataType.check_type(DataType.double, 3)
            (True, False)
        """
        return data_type.name in _types_of(value)


_NUMPY: Mapping[str, str] = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "str",
    "binary": "bytes",
    "datetime": "datetime64[ns]",
}
_SPARK: Mapping[str, str] = {
    "boolean": "BooleanType",
    "integer": "IntegerType",
    "long": "LongType",
    "float": "FloatType",
    "double": "DoubleType",
    "string": "StringType",
    "binary": "BinaryType",
    "datetime": "TimestampType",
}


_PYTHON: Mapping[str, type] = {
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "string": str,
    "binary": bytes,
    "datetime": dt.date,
}
_NUMPY_KINDS: Mapping[str, tuple[str, ...]] = {"U": ("string",), "S": ("binary",), "M": ("datetime",)}
_OF_NUMPY: Mapping[str, tuple[str, ...]] = {name: (key,) for key, name in _NUMPY.items()}
_OF_PYTHON: Mapping[str, tuple[str, ...]] = {
    "bool": ("boolean",),
    "int": ("integer", "long"),
    "float": ("float", "double"),
    "str": ("string",),
    "bytes": ("binary",),
    "bytearray": ("binary",),
}


def _types_of(value: object) -> tuple[str, ...]:
    """Name the types that a value is of."""
    kind = type(value)
    if kind.__module__ == "builtins":
        return _OF_PYTHON.get(kind.__name__, ())
    if kind.__module__ == "datetime":
        return ("datetime",) if kind.__name__ in ("date", "datetime") else ()
    dtype = getattr(value, "dtype", None) if kind.__module__ == "numpy" else None
    if dtype is None or getattr(value, "shape", None) != ():
        return ()
    return _NUMPY_KINDS.get(dtype.kind) or _OF_NUMPY.get(dtype.name, ())
