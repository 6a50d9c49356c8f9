"""Signatures from data: what a sample of an input and of an output says about all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

from gitml.entities.data_type import DataType, SignatureError
from gitml.entities.signature import (
    AnyType,
    ColSpec,
    ModelSignature,
    ParamSchema,
    ParamSpec,
    Schema,
    TensorSpec,
    schema_of_dataclass,
)
from gitml.entities.signature_params import LIST
from gitml.entities.signature_types import Array, ValueType
from gitml.models.signatures.hints import is_pydantic, schema_of_hint
from gitml.models.signatures.infer_values import is_missing, type_of, type_of_dtype, type_of_items
from gitml.models.signatures.tables import is_polars
from gitml.models.signatures.telling import warn
from gitml.models.signatures.tensors import is_sparse, plain_dtype

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ANYTHING = Schema([ColSpec(AnyType())])


def infer_signature(
    model_input: Any = None, model_output: Any = None, params: Mapping[str, Any] | None = None
) -> ModelSignature:
    """Find the signature of a model from samples, as MLflow does.

    What nothing can be said of becomes `AnyType`, with a warning.

    Args:
        model_input: Data that the model takes: a data frame of pandas, polars or Spark, a series, an
            array, a dictionary of arrays, a sparse matrix, dictionaries and lists of values that JSON
            can hold, pydantic models, a dataclass, a value.
        model_output: What it makes of it.
        params: Params that it can be called with, each with its default.

    Raises:
        SignatureError: Nothing is given, or a param is of no type.

    Example:
        >>> infer_signature(params={"temperature": 0.5}).params
        ['temperature': double (default: 0.5)]
    """
    inputs = _inferred(model_input, "model_input")
    outputs = _inferred(model_output, "model_output")
    return ModelSignature(inputs, outputs, infer_params(params) if params else None)


def infer_schema(data: Any) -> Schema:
    """Find the schema of one sample.

    Raises:
        SignatureError: Nothing can be said of it.
    """
    schema = _schema_of(data)
    if any(each.type in (DataType.integer, DataType.long) for each in schema if isinstance(each, ColSpec)):
        warn(
            "the signature has columns of whole numbers, which can't hold missing values: an input with a gap in "
            "one will be refused. If there may be gaps, infer the signature from data that has some, or make these "
            "columns double"
        )
    return schema


def infer_params(params: Mapping[str, Any]) -> ParamSchema:
    """Find the params of a signature from their defaults.

    Raises:
        SignatureError: One is of no type that a param can have; names all such.
    """
    if not isinstance(params, Mapping):
        raise SignatureError(f"params are a dictionary, not {type(params).__name__}")
    specs, wrong = [], []
    for name, value in params.items():
        try:
            kind, shape = _type_of_param(value)
            specs.append(ParamSpec(name, kind, value, shape))  # type: ignore[arg-type]
        except SignatureError as err:
            wrong.append(f"{name!r}: {err}")
    if wrong:
        raise SignatureError(f"params that can't be in a signature: {'; '.join(wrong)}")
    return ParamSchema(specs)


def _inferred(data: Any, what: str) -> Schema | None:
    if data is None:
        return None
    if is_dataclass(data):
        return schema_of_dataclass(data)
    try:
        return infer_schema(data)
    except SignatureError as err:
        checked = " It isn't checked then." if what == "model_input" else ""
        warn(f"nothing can be said of {what}, so that its signature is AnyType.{checked} Why: {err}")
        return ANYTHING


def _schema_of(data: Any) -> Schema:
    if isinstance(data, (list, tuple)) and data and all(is_pydantic(type(each)) for each in data):
        return _of_pydantic(data)
    if isinstance(data, list):
        return _of_list(data)
    if isinstance(data, dict):
        return _of_dict(data)
    module = type(data).__module__.partition(".")[0]
    if module in ("pandas", "numpy", "scipy"):
        found = _of_arrays(data)
        if found is not None:
            return found
    if is_polars(data):
        from gitml.models.signatures.infer_tables import columns_of_polars

        return Schema(columns_of_polars(data))
    if module == "pyspark" and hasattr(data, "schema"):
        from gitml.models.signatures.infer_tables import columns_of_spark

        return Schema(columns_of_spark(data))
    if is_pydantic(type(data)):
        return _of_pydantic([data])
    return Schema([ColSpec(type_of(data))])


def _of_list(data: list[Any]) -> Schema:
    if not data:
        return Schema([ColSpec(DataType.string)])  # MLflow's answer since before there was AnyType
    if not all(isinstance(each, dict) for each in data):
        return Schema([ColSpec(type_of_items(data))])
    columns: dict[Any, list[Any]] = {}
    for row in data:
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return Schema(
        [
            ColSpec(type_of_items(values), name, all(row.get(name) is not None for row in data))
            for name, values in columns.items()
        ]
    )


def _of_dict(data: dict[Any, Any]) -> Schema:
    import numpy as np

    if all(isinstance(value, np.ndarray) for value in data.values()):
        return Schema([_tensor(value, name) for name, value in data.items()])
    for name in data:
        if not isinstance(name, str):
            raise SignatureError(f"the keys of a dictionary are text, not {name!r:.80}")
    return Schema([ColSpec(type_of(value), name, _is_full(value)) for name, value in data.items()])


def _of_arrays(data: Any) -> Schema | None:
    import numpy as np
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        if not data.columns.is_unique:
            raise SignatureError("the data frame has two columns of the same name")
        return Schema([_column(data[name], name) for name in data.columns])
    if isinstance(data, pd.Series):
        return Schema([_column(data, data.name)])
    if isinstance(data, np.ndarray) or is_sparse(data):
        return Schema([_tensor(data)])
    return None


def _of_pydantic(models: Iterable[Any]) -> Schema:
    """Find what the type hint `list[Model]` says."""
    kinds = {type(each) for each in models}
    if len(kinds) > 1:
        raise SignatureError(f"models of {len(kinds)} classes: give those of one")
    return schema_of_hint(list[kinds.pop()])  # type: ignore[misc]


def _column(column: pd.Series[Any], name: Any) -> ColSpec:
    kind = _type_of_column(column)
    # A column without a name can't be optional.
    return ColSpec(kind, name, name is None or _is_full(column))


def _type_of_column(column: pd.Series[Any]) -> ValueType:
    if column.dtype.kind == "O":
        column = column.infer_objects()
    if column.dtype.kind != "O":
        return type_of_dtype(column.dtype)
    import pandas as pd

    if isinstance(column.dtype, pd.StringDtype):
        return AnyType() if len(column) and not column.notna().any() else DataType.string
    try:
        return type_of_items(column.to_list())
    except SignatureError as err:
        if pd.api.types.is_string_dtype(column):
            return DataType.string
        raise SignatureError(f"column {column.name!r:.80}: {err}") from err


def _tensor(array: Any, name: str | None = None) -> TensorSpec:
    dtype: np.dtype[Any] = array.data.dtype if is_sparse(array) else array.dtype
    if not array.shape:
        raise SignatureError(
            "an array of no dimension is no tensor: its first one says how many rows there are"
        )
    return TensorSpec(plain_dtype(dtype), (-1, *array.shape[1:]), name)


def _is_full(value: Any) -> bool:
    """Whether nothing of a column, or of the list that is the value of a key, is missing."""
    if type(value).__module__.startswith("pandas") and hasattr(value, "isna"):
        return not bool(value.isna().any())
    if isinstance(value, list):
        return not any(map(is_missing, value))
    return not is_missing(value)


def _type_of_param(value: Any) -> tuple[ValueType, tuple[int, ...] | None]:
    numpy = type(value).__module__ == "numpy"
    if isinstance(value, list) or (numpy and getattr(value, "shape", ()) != ()):
        return _type_of_param_list(value), LIST
    if isinstance(value, dict):
        return type_of(value), None
    if DataType.check_type(DataType.datetime, value):
        return DataType.datetime, None
    if isinstance(value, (str, bytes, bool, int, float)) or numpy:
        import numpy as np

        return type_of_dtype(np.array(value).dtype), None
    raise SignatureError(f"a param is a value, a list of values or a dictionary, not {type(value).__name__}")


def _type_of_param_list(values: Any) -> ValueType:
    import numpy as np

    nested = getattr(values, "ndim", 1) != 1 or any(isinstance(each, (list, np.ndarray)) for each in values)
    if nested:
        raise SignatureError("a param is a list of values, not of lists")
    if all(DataType.check_type(DataType.datetime, each) for each in values):
        return DataType.datetime
    kind = type_of_dtype(np.array(values).dtype)
    if isinstance(kind, Array):
        raise SignatureError("a param is a list of values of one type")
    return kind
