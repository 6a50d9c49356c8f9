"""Input examples from what their JSON says: data frames, arrays and sparse matrices, with a signature's types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gitml.entities.data_type import DataType
from gitml.entities.signature import ColSpec, Schema, TensorSpec
from gitml.models.signatures.enforce import type_name
from gitml.models.signatures.json_columns import converter
from gitml.models.signatures.problems import Mismatch, Problem, SchemaError

if TYPE_CHECKING:
    import pandas as pd


def read_frame(content: Mapping[str, Any], schema: Schema | None) -> pd.DataFrame:
    """Make a data frame of `data` and, if they have names, `columns`; the signature's types where it has some.

    Raises:
        SchemaError: A column can't be of the type that the signature says.
    """
    import pandas as pd

    frame = pd.DataFrame(content["data"], columns=content.get("columns"), index=content.get("index"))
    if schema is None:
        return frame
    problems = []
    for spec, name in _pairs(frame, schema):
        place = frame.columns.get_loc(name)
        values = [row[place] for row in content["data"]]
        try:
            typed = _typed(values, spec)
        except Mismatch as err:
            expected = spec.dtype if isinstance(spec, TensorSpec) else type_name(spec.type)
            problems.append(Problem(name, expected, err.given, err.hint))
            continue
        if typed is not None:
            frame[name] = typed
    if problems:
        raise SchemaError(problems)
    return frame


def read_arrays(content: Any, schema: Schema | None) -> Any:
    """Make an array, or a dictionary of arrays."""
    specs = {each.name: each for each in schema} if schema is not None else {}
    if isinstance(content, dict):
        return {name: _array(values, specs.get(name)) for name, values in content.items()}
    return _array(content, schema.inputs[0] if schema is not None else None)


def read_sparse(content: Mapping[str, Any], kind: str) -> Any:
    """Make a matrix of scipy of `data`, `indices`, `indptr` and `shape`."""
    from scipy import sparse  # type: ignore[import-untyped,unused-ignore]

    make = sparse.csc_matrix if kind.endswith("csc") else sparse.csr_matrix
    return make((content["data"], content["indices"], content["indptr"]), shape=tuple(content["shape"]))


def _pairs(frame: pd.DataFrame, schema: Schema) -> list[tuple[ColSpec | TensorSpec, Any]]:
    there = list(frame.columns)
    if schema.has_input_names():
        return [(spec, spec.name) for spec in schema if spec.name in there]
    specs = schema.inputs if not schema.is_tensor_spec() else schema.inputs * len(there)
    return list(zip(specs, there, strict=False))


def _typed(values: list[Any], spec: ColSpec | TensorSpec) -> Any:
    """Give a column its type; None: it is to stay what it is."""
    if isinstance(spec, TensorSpec):
        import numpy as np

        return None if any(isinstance(each, list) for each in values) else np.array(values, dtype=spec.type)
    if spec.type is DataType.string:
        return None
    return converter(spec.type, spec.required)(values)


def _array(values: Any, spec: ColSpec | TensorSpec | None) -> Any:
    import numpy as np

    if isinstance(spec, TensorSpec):
        return np.array(values, dtype=spec.type)
    if isinstance(spec, ColSpec) and isinstance(spec.type, DataType):
        return np.array(values, dtype=spec.type.to_numpy())
    array = np.array(values)
    if array.dtype == object:  # None among numbers is NaN, as it was
        try:
            return array.astype("float64")
        except (TypeError, ValueError):
            return array
    return array
