"""Inputs of every sort as a data frame, for signatures made of columns; by MLflow's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitml.entities.signature import Schema
from gitml.entities.signature_types import Array, Object
from gitml.models.signatures.problems import whole

if TYPE_CHECKING:
    import pandas as pd

EXPECTED = "a data frame, or what one is made of"


def to_frame(data: Any, schema: Schema) -> pd.DataFrame:
    """Make a data frame of an input.

    A dictionary of single values is one row, and of lists several; lists of texts are
    values of one row, as MLflow has it; a list is rows; a value is one row.

    Raises:
        SchemaError: None can be made of it.
    """
    import numpy as np
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    if is_polars(data):
        return from_polars(data)
    try:
        if isinstance(data, pd.Series):
            return pd.DataFrame(data)
        if np.isscalar(data):
            return pd.DataFrame([data])
        if isinstance(data, dict):
            return _from_dict(data, schema)
        if isinstance(data, (list, np.ndarray)):
            return _from_list(data, schema)
    except (ValueError, TypeError) as err:
        raise whole(f"{type(data).__name__}: {err!s:.200}", EXPECTED) from err
    raise whole(type(data).__name__, EXPECTED)


def is_polars(data: object) -> bool:
    """Whether it is a data frame of polars; polars isn't loaded to find out."""
    kind = type(data)
    return kind.__module__.partition(".")[0] == "polars" and kind.__name__ == "DataFrame"


def is_spark(data: object) -> bool:
    """Whether it is a data frame of Spark; pyspark isn't loaded to find out."""
    kind = type(data)
    return kind.__module__.startswith("pyspark.sql.") and kind.__name__ == "DataFrame"


def from_polars(data: Any) -> pd.DataFrame:
    """Make a data frame of pandas of one of polars; numbers with gaps become floats with NaN."""
    import pandas as pd

    nested = ("List", "Array", "Struct", "Object", "Binary")
    return pd.DataFrame(
        {
            name: data[name].to_list() if str(dtype).startswith(nested) else data[name].to_numpy()
            for name, dtype in data.schema.items()
        }
    )


def _from_dict(data: dict[Any, Any], schema: Schema) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    nested = any(isinstance(each.type, (Array, Object)) for each in schema.inputs)
    if nested or all(_is_one_value(value) for value in data.values()):
        return pd.DataFrame([data])
    # Arrays of more dimensions are cells that no column type takes, so that the message says which column it is.
    return pd.DataFrame(
        {
            name: value.tolist() if isinstance(value, np.ndarray) and value.ndim > 1 else value
            for name, value in data.items()
        }
    )


def _is_one_value(value: Any) -> bool:
    import numpy as np

    if isinstance(value, list):
        return all(isinstance(each, str) for each in value)
    return value is None or bool(np.isscalar(value)) or (isinstance(value, np.ndarray) and value.shape == ())


def _from_list(data: Any, schema: Schema) -> pd.DataFrame:
    import pandas as pd

    if isinstance(data, list) and data and hasattr(data[0], "model_dump"):
        data = [each.model_dump() if hasattr(each, "model_dump") else each for each in data]
    lone = schema.inputs[0]
    if isinstance(data, list) and len(schema) == 1 and lone.name is None and _is_nested(data, lone.type):
        return pd.DataFrame({0: pd.Series(data, dtype=object)})
    return pd.DataFrame(data)


def _is_nested(data: list[Any], kind: Any) -> bool:
    """Whether a list is the one column of a signature that a type hint made: a list of objects, or of lists."""
    from gitml.entities.signature_types import AnyType, Map

    if isinstance(kind, (Object, Map, AnyType)):
        return all(isinstance(each, dict) for each in data)
    return isinstance(kind, Array) and all(isinstance(each, list) for each in data)
