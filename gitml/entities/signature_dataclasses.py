"""Columns from the fields of a dataclass, by MLflow's rules."""

from __future__ import annotations

import dataclasses
import datetime as dt
import types
from collections.abc import Iterator, Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from gitml.entities.data_type import DataType, SignatureError
from gitml.entities.signature_types import Array, Object, Property, ValueType

_FIELDS: Mapping[Any, DataType] = {
    bool: DataType.boolean,
    int: DataType.long,
    float: DataType.float,  # MLflow's choice
    str: DataType.string,
    bytes: DataType.binary,
    dt.date: DataType.datetime,
}


def columns_of(kind: Any) -> Iterator[tuple[str, ValueType, bool]]:
    """Give name, type, and whether it is required, of every field.

    Raises:
        SignatureError: A field is of a type that can't be a column.
    """
    owner = kind if isinstance(kind, type) else type(kind)
    hints = get_type_hints(owner)
    for field in dataclasses.fields(owner):
        hint, required = _without_none(hints[field.name])
        yield field.name, _type_of(hint, f"field '{field.name}' of {owner.__name__}"), required


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, True
    others = [each for each in get_args(hint) if each is not type(None)]
    if len(others) != 1 or len(others) == len(get_args(hint)):
        raise SignatureError(f"a field of a dataclass is of one type, or of one type and None, not {hint}")
    return others[0], False


def _type_of(hint: Any, what: str) -> ValueType:
    if get_origin(hint) is list:
        return Array(_type_of(get_args(hint)[0], what))
    if dataclasses.is_dataclass(hint):
        return Object([Property(*column) for column in columns_of(hint)])
    if hint not in _FIELDS:
        raise SignatureError(f"{what}: {getattr(hint, '__name__', hint)} can't be a column")
    return _FIELDS[hint]
