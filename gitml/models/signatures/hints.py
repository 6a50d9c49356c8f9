"""Signatures from the type hints of a predict function, and data checked against them; MLflow's rules.

A predict function takes several inputs, so the hint of its input is `list[...]`: of a plain
type, a pydantic model, lists and dictionaries of those. `pandas.DataFrame` and the like say
nothing about columns: such a function needs an input example.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from gitml.entities.data_type import DataType, SignatureError
from gitml.entities.signature import ColSpec, Schema
from gitml.entities.signature_types import AnyType, Array, Map, Object, Property, ValueType
from gitml.models.signatures.telling import warn

# The hint of an input that is to be what the input example is, whatever comes in.
TypeFromExample = TypeVar("TypeFromExample")
PLAIN: Mapping[Any, DataType] = {
    int: DataType.long,
    str: DataType.string,
    bool: DataType.boolean,
    float: DataType.double,
    bytes: DataType.binary,
    datetime: DataType.datetime,
}
_WITHOUT_COLUMNS = ("DataFrame", "Series", "ndarray", "csc_matrix", "csr_matrix")
_UNIONS = (Union, types.UnionType)
_HINT = "list[...] of int, float, str, bool, bytes, datetime, a pydantic model, lists and dict[str, ...] of them, or Any"


@dataclass(frozen=True, slots=True)
class TypeHints:
    """The hints of a predict function; None where there is none."""

    input: Any = None
    output: Any = None


def hints_of(function: Callable[..., Any], place: int = 0) -> TypeHints:
    """Read the hints of a function.

    Args:
        function: The function, or an object that can be called.
        place: Which of its parameters is the input, `self` not counted.

    Raises:
        SignatureError: It has fewer parameters.
    """
    if not hasattr(function, "__annotations__") and callable(function):
        function = type(function).__call__
    if not getattr(function, "__annotations__", None):
        return TypeHints()
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    if len(names) <= place:
        raise SignatureError(f"{function.__qualname__} takes {len(names)} parameters: none is the input")
    try:
        hints = get_type_hints(function)
    except Exception as err:  # noqa: BLE001 - hints are evaluated: whatever they raise, they say nothing
        warn(f"the type hints of {function.__qualname__} can't be read: {err}")
        return TypeHints()
    return TypeHints(hints.get(names[place]), hints.get("return"))


def says_columns(hint: Any) -> bool:
    """Whether a signature can be made of a hint of an input; not of `pandas.DataFrame` and the like."""
    module = getattr(hint, "__module__", "").partition(".")[0]
    return not (
        hint is TypeFromExample
        or (
            module in ("pandas", "numpy", "scipy", "polars")
            and getattr(hint, "__name__", "") in _WITHOUT_COLUMNS
        )
    )


def schema_of_hint(hint: Any) -> Schema:
    """Make the schema of an input: one column without a name, of what the list is of.

    Raises:
        SignatureError: It is no list, or of what has no type in a signature.

    Example:
        >>> schema_of_hint(list[dict[str, int]])
        [Map(str -> long) (required)]
    """
    if not is_list(hint):
        raise SignatureError(
            f"the input of a predict function is several inputs: {shown(hint)} is no list",
            hint=f"write list[{shown(hint)}]",
        )
    return _lone(_item(hint))


def schema_of_output_hint(hint: Any) -> Schema:
    """Make the schema of an output: of a list as for an input, else of the hint itself.

    Raises:
        SignatureError: It has no type in a signature.
    """
    return schema_of_hint(hint) if is_list(hint) else _lone(hint)


def is_list(hint: Any) -> bool:
    """Whether a hint is a list, or a list and None."""
    return hint is list or get_origin(without_none(hint)) is list


def without_none(hint: Any) -> Any:
    """Give what a hint says beside None, if it is one thing."""
    if get_origin(hint) in _UNIONS:
        others = [each for each in get_args(hint) if each is not type(None)]
        if len(others) == 1:
            return others[0]
    return hint


def is_pydantic(hint: Any) -> bool:
    """Whether it is a class of pydantic models; pydantic isn't loaded to find out."""
    return isinstance(hint, type) and hasattr(hint, "model_fields") and hasattr(hint, "model_validate")


def shown(hint: Any) -> str:
    """Name a hint for a message."""
    return hint.__name__ if type(hint) is type or is_pydantic(hint) else str(hint)


def _lone(hint: Any) -> Schema:
    kind, required = _type_of(hint)
    if not required:
        raise SignatureError(
            f"an input can't be None: {shown(hint)}",
            hint="leave None out, or take a pydantic model with optional fields",
        )
    return Schema([ColSpec(kind)])


def _type_of(hint: Any) -> tuple[ValueType, bool]:
    """Give the type of a hint, and whether it excludes None."""
    if hint is Any:
        return AnyType(), True
    if isinstance(hint, type) and hint in PLAIN:
        return PLAIN[hint], True
    if is_pydantic(hint):
        return _object_of(hint), True
    origin, args = get_origin(hint), get_args(hint)
    if origin is list:
        return Array(_type_of(_item(hint))[0]), True
    if origin is dict:
        if args[0] is not str:
            raise SignatureError(f"the keys of a dictionary are str, not {shown(args[0])}: {shown(hint)}")
        return Map(_type_of(args[1])[0]), True
    if origin in _UNIONS:
        others = [each for each in args if each is not type(None)]
        required = len(others) == len(args)
        return (AnyType() if len(others) > 1 else _type_of(others[0])[0]), required
    raise SignatureError(f"the type hint {shown(hint)} has no type in a signature", hint=_HINT)


def _item(hint: Any) -> Any:
    args = get_args(hint)
    if type(None) in args:
        raise SignatureError(f"an input can't be None: {shown(hint)}", hint="leave None out")
    if len(args) != 1:
        raise SignatureError(
            f"{shown(hint)} doesn't say what it is a list of", hint="write list[str], for instance"
        )
    return args[0]


def _object_of(model: Any) -> Object:
    properties = []
    for name, field in model.model_fields.items():
        kind, required = _type_of(field.annotation)
        if not required and field.is_required():
            raise SignatureError(
                f"field '{name}' of {model.__name__} may be None and has no default",
                hint=f"{name}: ... = None",
            )
        properties.append(Property(name, kind, required))
    return Object(properties)
