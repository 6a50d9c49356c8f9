"""What goes into a model and what comes out: signatures, as MLflow knows them; values, all of them.

A `Schema` is a list of columns (`ColSpec`) or of tensors (`TensorSpec`). Names and
arguments are MLflow's, so that code written for `mlflow.types` finds them; what is a list
there is a tuple here, and nothing can be set afterwards (`dataclasses.replace` makes another).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

from gitml.entities.data_type import DataType, SignatureError
from gitml.entities.signature_dataclasses import columns_of
from gitml.entities.signature_params import ParamSchema, ParamSpec, read_list
from gitml.entities.signature_specs import ColSpec, TensorSpec, called
from gitml.entities.signature_types import (
    AnyType,
    Array,
    Map,
    Object,
    Property,
    SparkMLVector,
    ValueType,
    check_unique,
)

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "AnyType",
    "Array",
    "ColSpec",
    "DataType",
    "Map",
    "ModelSignature",
    "Object",
    "ParamSchema",
    "ParamSpec",
    "Property",
    "Schema",
    "SignatureError",
    "SparkMLVector",
    "TensorSpec",
    "ValueType",
]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Schema:
    """Columns or tensors: all of one sort, and all with a name or none.

    Attributes:
        inputs: The columns or tensors, in order.
    """

    inputs: tuple[ColSpec | TensorSpec, ...]

    def __init__(self, inputs: Iterable[ColSpec | TensorSpec]) -> None:
        if isinstance(inputs, (str, Mapping)) or not isinstance(inputs, Iterable):
            raise SignatureError(f"a schema is a list of columns or tensors, not {type(inputs).__name__}")
        given = tuple(inputs)
        _check_specs(given)
        object.__setattr__(self, "inputs", given)

    def __len__(self) -> int:
        return len(self.inputs)

    def __iter__(self) -> Iterator[ColSpec | TensorSpec]:
        return iter(self.inputs)

    def __repr__(self) -> str:
        return repr(list(self.inputs))

    def is_tensor_spec(self) -> bool:
        """Whether it is made of tensors."""
        return isinstance(self.inputs[0], TensorSpec)

    def has_input_names(self) -> bool:
        """Whether the columns or tensors have names."""
        return self.inputs[0].name is not None

    def input_names(self) -> list[Any]:
        """List the names; without names, the places from 0."""
        return [index if each.name is None else each.name for index, each in enumerate(self.inputs)]

    def required_input_names(self) -> list[Any]:
        """List the names, or places, of those that must be there."""
        return [name for name, each in zip(self.input_names(), self.inputs, strict=True) if each.required]

    def optional_input_names(self) -> list[Any]:
        """List the names of those that may be missing."""
        return [name for name, each in zip(self.input_names(), self.inputs, strict=True) if not each.required]

    def input_types(self) -> list[Any]:
        """List the types: of columns, or numpy's of tensors."""
        return [each.type for each in self.inputs]

    def input_types_dict(self) -> dict[Any, Any]:
        """Give the types by name.

        Raises:
            SignatureError: There are no names.
        """
        return {name: each.type for name, each in self.input_dict().items()}

    def input_dict(self) -> dict[Any, ColSpec | TensorSpec]:
        """Give the columns or tensors by name.

        Raises:
            SignatureError: There are no names.
        """
        if not self.has_input_names():
            raise SignatureError("this schema has no names")
        return {each.name: each for each in self.inputs}

    def numpy_types(self) -> list[np.dtype[Any]]:
        """List numpy's dtypes.

        Raises:
            SignatureError: A column is of a type that numpy has none for.
        """
        return [
            each.type if isinstance(each, TensorSpec) else _simple(each).to_numpy() for each in self.inputs
        ]

    def pandas_types(self) -> list[np.dtype[Any]]:
        """List the dtypes of columns in pandas.

        Raises:
            SignatureError: There are tensors, or a column of a type that pandas has none for.
        """
        return [_simple(each).to_pandas() for each in self.inputs]

    def as_spark_schema(self) -> Any:
        """Give the schema of a data frame of Spark; of one column without a name, its type. Needs pyspark.

        Raises:
            SignatureError: There are tensors, or a column of a type that Spark has none for.
        """
        from gitml.entities.signature_spark import spark_schema

        return spark_schema(self.inputs)

    def to_dict(self) -> list[dict[str, Any]]:
        """Give what MLflow's JSON holds."""
        return [each.to_dict() for each in self.inputs]

    def to_json(self) -> str:
        """Give MLflow's JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, json_str: str) -> Schema:
        """Read MLflow's JSON.

        Raises:
            SignatureError: It is no schema.
        """
        return cls(
            [
                (TensorSpec if each.get("type") == "tensor" else ColSpec).from_json_dict(**each)
                for each in read_list(json_str, "columns")
            ]
        )


@dataclass(frozen=True, slots=True, init=False, repr=False)
class ModelSignature:
    """What a model takes and gives.

    Attributes:
        inputs: Its input, None if nothing is said. A dataclass will do: its fields are columns.
        outputs: Its output, likewise.
        params: What it can be told beside the input.
    """

    inputs: Schema | None
    outputs: Schema | None
    params: ParamSchema | None

    def __init__(self, inputs: Any = None, outputs: Any = None, params: ParamSchema | None = None) -> None:
        if inputs is None and outputs is None and params is None:
            raise SignatureError("a signature says at least one of inputs, outputs and params")
        if params is not None and not isinstance(params, ParamSchema):
            raise SignatureError(f"params are a ParamSchema, not {type(params).__name__}")
        object.__setattr__(self, "inputs", _schema(inputs, "inputs"))
        object.__setattr__(self, "outputs", _schema(outputs, "outputs"))
        object.__setattr__(self, "params", params)

    def __repr__(self) -> str:
        return f"inputs: \n  {self.inputs!r}\noutputs: \n  {self.outputs!r}\nparams: \n  {self.params!r}\n"

    def to_dict(self) -> dict[str, str | None]:
        """Give what an MLmodel file holds: three JSON texts, None for what isn't said."""
        return {
            "inputs": self.inputs.to_json() if self.inputs else None,
            "outputs": self.outputs.to_json() if self.outputs else None,
            "params": self.params.to_json() if self.params else None,
        }

    @classmethod
    def from_dict(cls, signature_dict: Mapping[str, Any]) -> ModelSignature:
        """Read `to_dict` again.

        Raises:
            SignatureError: A text is no schema, or none says anything.
        """
        inputs, outputs, params = (signature_dict.get(key) for key in ("inputs", "outputs", "params"))
        return cls(
            Schema.from_json(inputs) if inputs else None,
            Schema.from_json(outputs) if outputs else None,
            ParamSchema.from_json(params) if params else None,
        )


def schema_of_dataclass(kind: Any) -> Schema:
    """Make the schema of a dataclass, or of an instance: its fields are columns.

    Raises:
        SignatureError: A field is of a type that can't be one.
    """
    return Schema([ColSpec(type_, name, required) for name, type_, required in columns_of(kind)])


def _schema(given: Any, what: str) -> Schema | None:
    if given is None or isinstance(given, Schema):
        return given
    if is_dataclass(given):
        return schema_of_dataclass(given)
    raise SignatureError(f"{what} are a Schema or a dataclass, not {type(given).__name__}")


def _check_specs(given: tuple[ColSpec | TensorSpec, ...]) -> None:
    if not given:
        raise SignatureError("a schema has at least one column or tensor")
    for each in given:
        if not isinstance(each, (ColSpec, TensorSpec)):
            raise SignatureError(f"a schema is a list of ColSpec or TensorSpec, not of {type(each).__name__}")
    if len({type(each) for each in given}) > 1:
        raise SignatureError("a schema is made of columns or of tensors, not of both")
    named = [each.name is not None for each in given]
    if any(named) and not all(named):
        raise SignatureError(f"all of a schema have a name, or none: {[each.name for each in given]!r:.200}")
    if not any(named) and len(given) > 1 and isinstance(given[0], TensorSpec):
        raise SignatureError("of several tensors, each needs a name")
    if not any(named) and not all(each.required for each in given):
        raise SignatureError("a column without a name can't be optional")
    if all(named):
        check_unique((each.name for each in given), "column")


def _simple(spec: ColSpec | TensorSpec) -> DataType:
    if not isinstance(spec.type, DataType):
        raise SignatureError(
            f"{called('column', spec.name)} is of type {spec.type!r}, which is no single value"
        )
    return spec.type
