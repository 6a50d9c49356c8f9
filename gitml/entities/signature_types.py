"""The types of a model's inputs and outputs, as MLflow knows them; values, all of them.

A type is a `DataType` or made of others: `Array`, `Object` of `Property`, `Map`, `AnyType`.
Their `to_dict` is what MLflow's JSON holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, Union

from gitml.entities.data_type import DataType, SignatureError

Kind = TypeVar("Kind")
MAX_DEPTH = 64  # types nested deeper than that are no model's


@dataclass(frozen=True, slots=True, repr=False)
class AnyType:
    """Whatever JSON can hold, None included; never checked."""

    def __repr__(self) -> str:
        return "Any"

    def to_dict(self) -> dict[str, Any]:
        """Give what MLflow's JSON holds."""
        return {"type": "any"}


@dataclass(frozen=True, slots=True, repr=False)
class Array:
    """A list of values of one type.

    Attributes:
        dtype: What it is a list of; the name of a `DataType` will do.
    """

    dtype: ValueType

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", as_type(self.dtype, "an array's items"))

    def __repr__(self) -> str:
        return f"Array({self.dtype!r})"

    def to_dict(self) -> dict[str, Any]:
        """Give what MLflow's JSON holds."""
        return {"type": "array", "items": self.dtype.to_dict()}

    @classmethod
    def from_json_dict(cls, **fields: Any) -> Array:
        """Read `to_dict` again.

        Raises:
            SignatureError: It isn't the JSON of an array.
        """
        return _expect(cls, fields)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class SparkMLVector(Array):
    """A vector of Spark ML: doubles."""

    def __init__(self) -> None:
        object.__setattr__(self, "dtype", DataType.double)

    def __repr__(self) -> str:
        return "SparkML vector"

    def to_dict(self) -> dict[str, Any]:
        """Give what MLflow's JSON holds."""
        return {"type": "sparkml_vector"}


@dataclass(frozen=True, slots=True, repr=False)
class Map:
    """Text keys, whichever they are, to values of one type.

    Attributes:
        value_type: Of what type its values are; the name of a `DataType` will do.
    """

    value_type: ValueType

    def __post_init__(self) -> None:
        object.__setattr__(self, "value_type", as_type(self.value_type, "a map's values"))

    def __repr__(self) -> str:
        return f"Map(str -> {self.value_type!r})"

    def to_dict(self) -> dict[str, Any]:
        """Give what MLflow's JSON holds."""
        return {"type": "map", "values": self.value_type.to_dict()}

    @classmethod
    def from_json_dict(cls, **fields: Any) -> Map:
        """Read `to_dict` again.

        Raises:
            SignatureError: It isn't the JSON of a map.
        """
        return _expect(cls, fields)


@dataclass(frozen=True, slots=True, repr=False)
class Property:
    """One of the keys of an `Object`.

    Attributes:
        name: The key.
        dtype: Of what type its value is; the name of a `DataType` will do.
        required: Whether it must be there and not None.
    """

    name: str
    dtype: ValueType
    required: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise SignatureError(f"the name of a property is text, not {type(self.name).__name__}")
        object.__setattr__(self, "dtype", as_type(self.dtype, f"property '{self.name}'"))
        object.__setattr__(self, "required", bool(self.required))

    def __lt__(self, other: Property) -> bool:
        return self.name < other.name

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype!r} ({'required' if self.required else 'optional'})"

    def to_dict(self) -> dict[str, Any]:
        """Give what MLflow's JSON holds: the name to the type."""
        return {self.name: {**self.dtype.to_dict(), "required": self.required}}

    @classmethod
    def from_json_dict(cls, **fields: Any) -> Property:
        """Read `to_dict` again.

        Raises:
            SignatureError: It isn't one name with a type.
        """
        if len(fields) != 1:
            raise SignatureError(f"a property is one name with its type, not {len(fields)}")
        name, said = next(iter(fields.items()))
        return _property(name, said, 0)


@dataclass(frozen=True, slots=True, repr=False)
class Object:
    """A dictionary whose keys are known; each has a type of its own.

    Attributes:
        properties: The keys, sorted by name.
    """

    properties: tuple[Property, ...]

    def __init__(self, properties: Iterable[Property]) -> None:
        if isinstance(properties, (str, Mapping)) or not isinstance(properties, Iterable):
            raise SignatureError(f"an object is a list of properties, not {type(properties).__name__}")
        given = list(properties)
        if not given:
            raise SignatureError("an object has at least one property")
        for each in given:
            if not isinstance(each, Property):
                raise SignatureError(f"an object is a list of properties, not of {type(each).__name__}")
        check_unique((each.name for each in given), "property")
        object.__setattr__(self, "properties", tuple(sorted(given)))

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, self.properties)) + "}"

    def to_dict(self) -> dict[str, Any]:
        """Give what MLflow's JSON holds."""
        return {
            "type": "object",
            "properties": {key: said for each in self.properties for key, said in each.to_dict().items()},
        }

    @classmethod
    def from_json_dict(cls, **fields: Any) -> Object:
        """Read `to_dict` again.

        Raises:
            SignatureError: It isn't the JSON of an object.
        """
        return _expect(cls, fields)


# `Union`, because dataclasses above name it before it is there.
ValueType = Union[DataType, Array, Object, Map, AnyType]
_KINDS = (DataType, Array, Object, Map, AnyType)


def as_type(given: object, what: str) -> ValueType:
    """Take a type, or the name of a `DataType`.

    Raises:
        SignatureError: It is neither; says `what` it was given for.
    """
    if isinstance(given, str):
        found = DataType.__members__.get(given)
        if found is None:
            names = ", ".join(DataType.__members__)
            raise SignatureError(f"{what}: there is no type {given!r:.80}", hint=f"one of {names}")
        return found
    if not isinstance(given, _KINDS):
        raise SignatureError(
            f"{what}: a type is a DataType, its name, an Array, Object, Map or AnyType, not {given!r:.80}"
        )
    return given


def check_unique(names: Iterable[object], what: str) -> None:
    """Refuse names that are given twice.

    Raises:
        SignatureError: Names the first such.
    """
    seen: set[object] = set()
    for name in names:
        if name in seen:
            raise SignatureError(f"{what} {name!r:.80} is there twice")
        seen.add(name)


def type_from_dict(said: object, depth: int = 0) -> ValueType:
    """Read what `to_dict` of a type gave.

    Raises:
        SignatureError: It is no type.
    """
    if depth > MAX_DEPTH:
        raise SignatureError(f"types are nested more than {MAX_DEPTH} deep")
    if not isinstance(said, Mapping) or "type" not in said:
        raise SignatureError(f"a type is an object with 'type', not {said!r:.80}")
    name = said["type"]
    reader = _READERS.get(name) if isinstance(name, str) else None
    if reader is not None:
        return reader(said, depth + 1)
    return as_type(name, "type")


def merged(one: ValueType, other: ValueType) -> ValueType:
    """Find the type of values of two types: the same, or an object that lacks what one of them lacks.

    Raises:
        SignatureError: There is none.

    Example:
        >>> merged(Object([Property("a", "long")]), Object([Property("b", "string")]))
        {a: long (optional), b: string (optional)}
    """
    if one == other:
        return one
    if isinstance(one, AnyType):
        one, other = other, one
    if isinstance(one, Object) and isinstance(other, (Object, AnyType)):
        return _merged_objects(one, other)
    if isinstance(other, AnyType):
        return one
    if isinstance(one, Array) and isinstance(other, Array) and type(one) is type(other):
        return Array(merged(one.dtype, other.dtype))
    if isinstance(one, Map) and isinstance(other, Map):
        return Map(merged(one.value_type, other.value_type))
    raise SignatureError(f"values of type {one!r:.80} and {other!r:.80} have no type in common")


def _merged_objects(one: Object, other: Object | AnyType) -> Object:
    there = {} if isinstance(other, AnyType) else {each.name: each for each in other.properties}
    here = {each.name: each for each in one.properties}
    both = [
        Property(
            name, merged(here[name].dtype, there[name].dtype), here[name].required and there[name].required
        )
        for name in here
        if name in there
    ]
    only = [each for name, each in (*here.items(), *there.items()) if name not in here or name not in there]
    return Object([*both, *(Property(each.name, each.dtype, required=False) for each in only)])


def _array(said: Mapping[str, Any], depth: int) -> Array:
    return Array(type_from_dict(_part(said, "items"), depth))


def _map(said: Mapping[str, Any], depth: int) -> Map:
    return Map(type_from_dict(_part(said, "values"), depth))


def _object(said: Mapping[str, Any], depth: int) -> Object:
    properties = _part(said, "properties")
    if not isinstance(properties, Mapping):
        raise SignatureError(f"'properties' is an object, not {properties!r:.80}")
    return Object([_property(name, each, depth) for name, each in properties.items()])


def _property(name: str, said: object, depth: int) -> Property:
    required = said.get("required", True) if isinstance(said, Mapping) else True
    return Property(name, type_from_dict(said, depth), required)


def _part(said: Mapping[str, Any], key: str) -> object:
    if key not in said:
        raise SignatureError(f"type {said['type']!r} lacks '{key}'")
    return said[key]


_READERS: Mapping[str, Callable[[Mapping[str, Any], int], ValueType]] = {
    "array": _array,
    "map": _map,
    "object": _object,
    "any": lambda _said, _depth: AnyType(),
    "sparkml_vector": lambda _said, _depth: SparkMLVector(),
}


def _expect(kind: type[Kind], fields: Mapping[str, Any]) -> Kind:
    read = type_from_dict(fields)
    if not isinstance(read, kind):
        raise SignatureError(f"type {fields['type']!r} is not {kind.__name__}")
    return read
