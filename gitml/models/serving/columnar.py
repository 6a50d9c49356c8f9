"""Inputs in the form of TensorFlow Serving: `instances` by row, `inputs` by column or whole; by MLflow's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gitml.entities.data_type import DataType
from gitml.entities.signature import ColSpec, Schema, TensorSpec
from gitml.entities.signature_types import AnyType, Array
from gitml.entities.signature_values import ValueMismatchError, described, fit_value
from gitml.models.serving.replies import RequestError
from gitml.models.signatures.enforce import type_name
from gitml.models.signatures.json_columns import converter
from gitml.models.signatures.problems import Mismatch

if TYPE_CHECKING:
    import pandas as pd

Spec = ColSpec | TensorSpec | None


class ColumnError(RequestError):
    """A value that can't be made what a column or tensor is."""

    def __init__(self, spec: Spec, problem: str, name: object = None) -> None:
        named = name if spec is None or spec.name is None else spec.name
        kind = "" if spec is None else f" ({type_name(spec.type) if isinstance(spec, ColSpec) else spec})"
        where = f"column {named!r:.80}{kind}: " if named is not None else f"the input{kind}: "
        super().__init__(f"the input doesn't fit the model's signature: {where}{problem:.300}")


def convert(value: Any, schema: Schema | None, *, by_row: bool) -> Any:
    """Make arrays of what stands under `instances` or `inputs`.

    Args:
        value: What stands there.
        schema: The inputs of the signature.
        by_row: Whether it is `instances`, whose records are turned into columns.

    Raises:
        RequestError: A value can't be made what its column is.
    """
    specs: Mapping[Any, Spec] = schema.input_dict() if schema is not None and schema.has_input_names() else {}
    if by_row and isinstance(value, list) and value and isinstance(value[0], dict):
        turned = _columns(value, specs)
    else:
        turned = _whole(value, schema, specs)
    if by_row and isinstance(turned, dict):
        _check_lengths(turned, specs)
    return turned


def cast_tensors(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Give the columns of a table the types of the tensors that will be made of them.

    Raises:
        RequestError: One can't have it.
    """
    if not schema.is_tensor_spec():
        return frame
    first = schema.inputs[0]
    for name in frame.columns:
        spec = schema.input_dict().get(name) if schema.has_input_names() else first
        if spec is None or not len(frame) or isinstance(frame[name].iloc[0], list):
            continue
        try:
            frame[name] = frame[name].astype(spec.type)  # type: ignore[arg-type]
        except (ValueError, TypeError, OverflowError) as err:
            raise ColumnError(spec, str(err), name) from err
    return frame


def _columns(rows: list[Any], specs: Mapping[Any, Spec]) -> dict[Any, Any]:
    import numpy as np

    found: dict[Any, list[Any]] = {}
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            raise RequestError(f"'instances' has {described(row)} as row {place}, after records")
        for name, value in row.items():
            found.setdefault(name, []).append(value)
    made = {}
    for name, values in found.items():
        spec = specs.get(name)
        try:
            if _is_simple(spec):
                made[name] = _made(values, spec)
            else:
                made[name] = np.array([_made(value, spec) for value in values])
        except ValueError as err:
            raise ColumnError(spec, str(err), name) from err
    return made


def _whole(value: Any, schema: Schema | None, specs: Mapping[Any, Spec]) -> Any:
    records = isinstance(value, list) and any(isinstance(each, dict) for each in value)
    if len(specs) == 1 and isinstance(value, list) and not records:
        value = {next(iter(specs)): value}
    elif schema is not None and not specs and isinstance(value, dict):
        raise RequestError(
            "the model's signature has no names, so its input is one list or value; got an object"
        )
    if isinstance(value, dict):
        return {name: _made(each, specs.get(name), name) for name, each in value.items()}
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return [{name: _made(one, specs.get(name), name) for name, one in row.items()} for row in value]
    return _made(value, schema.inputs[0] if schema is not None else None)


def _is_simple(spec: Spec) -> bool:
    return isinstance(spec, ColSpec) and isinstance(spec.type, DataType)


def _made(value: Any, spec: Spec, name: object = None) -> Any:
    try:
        return _converted(value, spec)
    except Mismatch as err:
        raise ColumnError(spec, err.given, name) from err
    except ValueMismatchError as err:
        raise ColumnError(spec, str(err), name) from err
    except (ValueError, TypeError, OverflowError) as err:
        raise ColumnError(spec, f"got {described(value)}: {err}", name) from err


def _converted(value: Any, spec: Spec) -> Any:
    import numpy as np

    if spec is None:
        return np.array(value)
    if isinstance(spec, TensorSpec):
        return np.array(value, dtype=spec.type)
    if not isinstance(spec.type, DataType):
        if isinstance(spec.type, AnyType):
            return value
        fitted = fit_value(value, spec.type, spec.required)
        return np.array(fitted) if isinstance(spec.type, Array) else fitted
    if isinstance(value, list) and any(isinstance(each, list | dict) for each in value):
        return np.array(value, dtype=spec.type.to_numpy())
    if spec.type is DataType.binary:  # MLflow takes texts here as they are, not as base64
        return np.array(value, dtype=bytes) if isinstance(value, list) else np.array([value], dtype=bytes)[0]
    convert_all = converter(spec.type, spec.required)
    return convert_all(value) if isinstance(value, list) else convert_all([value])[0]


def _check_lengths(columns: Mapping[Any, Any], specs: Mapping[Any, Spec]) -> None:
    import numpy as np

    lengths = {
        name: len(each)
        for name, each in columns.items()
        if isinstance(each, np.ndarray) and each.ndim and (not specs or _counts(specs.get(name)))
    }
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name!r:.40}: {length}" for name, length in list(lengths.items())[:10])
        raise RequestError(f"the columns are not of the same length: {told}")


def _counts(spec: Spec) -> bool:
    return spec is not None and spec.required and not isinstance(spec.type, Array)
