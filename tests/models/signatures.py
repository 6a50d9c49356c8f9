"""Schemas written briefly, and strategies for signatures."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from gitml.entities.signature_types import type_from_dict
from gitml.types import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    Map,
    Object,
    ParamSchema,
    ParamSpec,
    Property,
    Schema,
    SparkMLVector,
    TensorSpec,
)


def schema_of(specs: list[tuple[Any, ...]]) -> Schema:
    """Make a schema of (type, name, required) or of (dtype, shape, name)."""
    return Schema(
        [
            TensorSpec(*spec)
            if isinstance(spec[1], tuple)
            else ColSpec(spec[0] if isinstance(spec[0], str) else type_from_dict(spec[0]), spec[1], spec[2])
            for spec in specs
        ]
    )


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
scalars = st.sampled_from(list(DataType))
types = st.recursive(
    st.one_of(scalars, st.builds(AnyType), st.builds(SparkMLVector)),
    lambda inner: st.one_of(
        st.builds(Array, inner),
        st.builds(Map, inner),
        st.lists(
            st.builds(Property, names, inner, st.booleans()),
            min_size=1,
            max_size=3,
            unique_by=lambda p: p.name,
        ).map(Object),
    ),
    max_leaves=6,
)
columns = st.one_of(
    st.lists(
        st.builds(ColSpec, types, names, st.booleans()), min_size=1, max_size=5, unique_by=lambda c: c.name
    ),
    st.lists(st.builds(ColSpec, types), min_size=1, max_size=3),
)
dtypes = st.sampled_from(
    ["float32", "float64", "int64", "uint8", "bool", "str", "bytes", "object", "datetime64[ns]"]
)
shapes = st.lists(st.integers(-1, 9), max_size=4).map(tuple)
tensors = st.one_of(
    st.lists(
        st.builds(TensorSpec, dtypes, shapes, names), min_size=1, max_size=3, unique_by=lambda t: t.name
    ),
    st.lists(st.builds(TensorSpec, dtypes, shapes), min_size=1, max_size=1),
)
schemas = st.one_of(columns, tensors).map(Schema)
params = st.one_of(
    st.builds(ParamSpec, names, st.just("long"), st.integers(-(2**63), 2**63 - 1)),
    st.builds(ParamSpec, names, st.just("string"), st.one_of(st.none(), names)),
    st.builds(ParamSpec, names, st.just("double"), st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(ParamSpec, names, st.just("boolean"), st.lists(st.booleans()), st.just((-1,))),
    st.builds(ParamSpec, names, st.just("datetime"), st.one_of(st.dates(), st.datetimes())),
)


def _signature(inputs: Any, outputs: Any, given: Any) -> Any:
    from gitml.entities.signature import ModelSignature

    return ModelSignature(inputs, outputs, given)


signatures = st.builds(
    _signature,
    schemas,
    st.one_of(st.none(), schemas),
    st.one_of(
        st.none(), st.lists(params, min_size=1, max_size=4, unique_by=lambda p: p.name).map(ParamSchema)
    ),
)
