"""Arrow's types for those of a signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitml.models.batches import column_types

if TYPE_CHECKING:
    from gitml.entities.signature import Schema

_TYPES = {
    "boolean": "bool_",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "string",
    "binary": "binary",
}


def types_of_columns(schema: Schema | None) -> dict[str, Any]:
    """Give the types of columns with names that are single values."""
    found = {str(name): arrow_type(kind) for name, kind in column_types(schema).items()}
    return {name: kind for name, kind in found.items() if kind is not None}


def types_of_outputs(schema: Schema | None, names: list[str]) -> dict[str, Any]:
    """Give the types of predictions that are called so, as far as the outputs of a signature say them."""
    import pyarrow as pa  # type: ignore[import-untyped]

    if schema is None:
        return {}
    if schema.is_tensor_spec() and set(names) <= set(schema.input_names()):
        return {str(spec.name): kind for spec in schema if (kind := _of_tensor(spec)) is not None}
    if schema.is_tensor_spec():
        spec = schema.inputs[0]
        is_table = len(schema) == 1 and spec.type.kind in "biuf" and len(spec.shape) <= 2  # type: ignore[union-attr]
        return dict.fromkeys(names, pa.from_numpy_dtype(spec.type)) if is_table else {}
    if schema.has_input_names():
        return types_of_columns(schema)
    kinds = [arrow_type(getattr(spec.type, "name", "")) for spec in schema]
    pairs = zip(names, kinds, strict=True) if len(names) == len(kinds) else ()
    return {name: kind for name, kind in pairs if kind is not None}


def _of_tensor(spec: Any) -> Any:
    """Give the type of the rows of a tensor: values, or lists of them; None if it is neither."""
    import pyarrow as pa

    if spec.type.kind not in "biuf" or len(spec.shape) not in (1, 2):
        return None
    value = pa.from_numpy_dtype(spec.type)
    return value if len(spec.shape) == 1 else pa.list_(value)


def arrow_type(kind: str) -> Any:
    """Give the type that a name of a signature means; None if it is no single value."""
    import pyarrow as pa

    if kind == "datetime":
        return pa.timestamp("ns")
    return getattr(pa, _TYPES[kind])() if kind in _TYPES else None
