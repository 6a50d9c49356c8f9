"""Which values belong to a type: the cells of `Array`, `Object` and `Map` columns, and parameters.

A plain number of Python has no width, so it goes where it fits without loss: a whole number
into `long`, into `integer` if it has at most 32 bits, into `double` if that holds it. Numbers
of numpy have one, and MLflow's rules apply: int32 into `long` and `double`, int64 not into
`double`, float64 not into `float`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from gitml.entities.data_type import DataType
from gitml.entities.signature_types import AnyType, Array, Map, Object, SparkMLVector, ValueType

_EXACT = 2**53  # a double holds every whole number up to here
_INT32 = 2**31
_INT64 = 2**63


class ValueMismatchError(ValueError):
    """A value that isn't of a type.

    Attributes:
        path: Where in the value: keys and indices.
        expected: What belongs there.
        given: What is there.
    """

    def __init__(self, path: tuple[str | int, ...], expected: str, given: str) -> None:
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
        super().__init__(f"{f'at {where!r:.100}: ' if where else ''}expected {expected}, got {given}")
        self.path = path
        self.expected = expected
        self.given = given


def fit_value(value: Any, kind: ValueType, required: bool = True, path: tuple[str | int, ...] = ()) -> Any:
    """Give a value as it is of a type: whole numbers become floats where that is said, texts become times.

    Args:
        value: What is to be of the type.
        kind: The type.
        required: Whether it may not be None; a list or a dictionary that isn't required may be empty too.
        path: Where it is in something greater.

    Raises:
        ValueMismatchError: It isn't, and can't be made so without loss.

    Example:
        >>> fit_value([1, 2.5], Array("double"))
        [1.0, 2.5]
    """
    if isinstance(kind, DataType):
        return _fit_scalar(value, kind, required, path)
    return _FIT[type(kind)](value, kind, required, path)


def _fit_array(value: Any, kind: Array, required: bool, path: tuple[str | int, ...]) -> Any:
    numpy = _is_numpy(value) and getattr(value, "ndim", 0) > 0
    listed = isinstance(value, (list, tuple)) or numpy
    if (not required or isinstance(kind.dtype, AnyType)) and (value is None or (listed and len(value) == 0)):
        return value
    if not listed:
        raise ValueMismatchError(path, f"a list ({kind!r})", described(value))
    if numpy and isinstance(kind.dtype, DataType):
        return _fit_numpy(value, kind.dtype, path)
    if isinstance(kind.dtype, DataType):
        scalar = kind.dtype
        return [
            _fit_scalar(each, scalar, required, (*path, index))
            if each is not None
            else _none_in_list(scalar, (*path, index))
            for index, each in enumerate(value)
        ]
    fitted = [fit_value(each, kind.dtype, required, (*path, index)) for index, each in enumerate(value)]
    if numpy:
        import numpy as np

        return np.array(fitted)
    return fitted


def _none_in_list(kind: DataType, path: tuple[str | int, ...]) -> float | None:
    """What None is in a list: NaN among floats, nothing that whole numbers could be, else None."""
    if kind in (DataType.double, DataType.float):
        return float("nan")
    if kind in (DataType.integer, DataType.long):
        raise ValueMismatchError(path, kind.name, "None, which a list of whole numbers can't hold")
    return None


def _fit_numpy(array: Any, kind: DataType, path: tuple[str | int, ...]) -> Any:
    if array.dtype.kind == "O":
        return [_fit_scalar(each, kind, True, (*path, index)) for index, each in enumerate(array.tolist())]
    if array.ndim > 1 or not safe_cast(array.dtype.kind, array.dtype.itemsize, kind):
        raise ValueMismatchError(
            path, f"a list of {kind.name}", f"an array of {array.dtype} with shape {array.shape}"
        )
    return array.astype(kind.to_numpy()) if kind.name not in ("string", "binary") else array


def _fit_object(value: Any, kind: Object, required: bool, path: tuple[str | int, ...]) -> Any:
    if not required and (value is None or value == {}):
        return value
    if not isinstance(value, Mapping):
        raise ValueMismatchError(path, "an object", described(value))
    known = {each.name: each for each in kind.properties}
    for each in kind.properties:
        if each.required and each.name not in value:
            raise ValueMismatchError((*path, each.name), f"a {_name(each.dtype)}", "nothing: it is missing")
    for name in value:
        if name not in known:
            raise ValueMismatchError(
                (*path, str(name)),
                f"only the keys {', '.join(map(repr, known)):.200}",
                "a key that the signature lacks",
            )
    return {
        name: fit_value(each, known[name].dtype, known[name].required, (*path, name))
        for name, each in value.items()
    }


def _fit_map(value: Any, kind: Map, required: bool, path: tuple[str | int, ...]) -> Any:
    if (not required or isinstance(kind.value_type, AnyType)) and (value is None or value == {}):
        return value
    if not isinstance(value, Mapping):
        raise ValueMismatchError(path, "an object", described(value))
    for name in value:
        if not isinstance(name, str):
            raise ValueMismatchError(path, "text as every key", f"the key {name!r:.80}")
    return {name: fit_value(each, kind.value_type, required, (*path, name)) for name, each in value.items()}


def _fit_any(value: Any, _kind: AnyType, _required: bool, _path: tuple[str | int, ...]) -> Any:
    return value


def _fit_scalar(value: Any, kind: DataType, required: bool, path: tuple[str | int, ...]) -> Any:
    if not required and _is_missing(value):
        return None
    fitted = _SCALARS[kind.name](value)
    if fitted is _NO:
        raise ValueMismatchError(path, kind.name, described(value))
    return fitted


class _No:
    """No value: what doesn't fit."""


_NO = _No()


def safe_cast(kind: str, size: int, target: DataType) -> bool:
    """Whether numpy's values of a kind and size in bytes become `target` without loss, by MLflow's rules.

    Example:
        >>> safe_cast("i", 4, DataType.double), safe_cast("i", 8, DataType.double)
        (True, False)
    """
    name = target.name
    if kind == "u":
        limit = {"integer": 3, "long": 7, "double": 6}.get(name, 0)
        return size <= limit
    own, most = _KINDS[name]
    if kind == own:
        return size <= most
    return kind == "i" and name == "double" and size <= 6


# numpy's kind, and how many bytes at most.
_KINDS: Mapping[str, tuple[str, float]] = {
    "boolean": ("b", 1),
    "integer": ("i", 4),
    "long": ("i", 8),
    "float": ("f", 4),
    "double": ("f", 8),
    "string": ("U", float("inf")),
    "binary": ("S", float("inf")),
    "datetime": ("M", 8),
}


def _is_numpy(value: object) -> bool:
    return type(value).__module__ == "numpy" and hasattr(value, "dtype")


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value) or type(value).__name__ in _MISSING


_MISSING = ("NAType", "NaTType")  # pandas' own


def _number(value: Any, kind: DataType) -> Any:
    """Take a number of numpy by its width."""
    if not _is_numpy(value) or value.shape != ():
        return _NO
    fits = safe_cast(value.dtype.kind, value.dtype.itemsize, kind)
    if not fits and kind.name in ("double", "float") and value.dtype.kind == "i" and value in (0, 1):
        fits = True  # MLflow: 0 and 1 are of every type of number
    return kind.to_python()(value) if fits else _NO


def _boolean(value: Any) -> Any:
    return value if type(value) is bool else _number(value, DataType.boolean)


def _whole(value: Any, kind: DataType, limit: int) -> Any:
    if type(value) is int:
        return value if -limit <= value < limit else _NO
    return _number(value, kind)


def _integer(value: Any) -> Any:
    return _whole(value, DataType.integer, _INT32)


def _long(value: Any) -> Any:
    return _whole(value, DataType.long, _INT64)


def _float(value: Any, kind: DataType = DataType.float) -> Any:
    if type(value) is float:
        return value
    if type(value) is int:
        return float(value) if -_EXACT <= value <= _EXACT else _NO
    return _number(value, kind)


def _double(value: Any) -> Any:
    return value if type(value) is float else _float(value, DataType.double)


def _string(value: Any) -> Any:
    return str(value) if isinstance(value, str) else _NO


def _binary(value: Any) -> Any:
    return value if isinstance(value, (bytes, bytearray, str)) else _NO  # text: what JSON has for bytes


def _datetime(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return _NO
    if isinstance(value, date) or (_is_numpy(value) and value.dtype.kind == "M"):
        return value
    return _NO


_SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "boolean": _boolean,
    "integer": _integer,
    "long": _long,
    "float": _float,
    "double": _double,
    "string": _string,
    "binary": _binary,
    "datetime": _datetime,
}
_FIT: Mapping[type, Callable[[Any, Any, bool, tuple[str | int, ...]], Any]] = {
    Array: _fit_array,
    SparkMLVector: _fit_array,
    Object: _fit_object,
    Map: _fit_map,
    AnyType: _fit_any,
}


def described(value: object) -> str:
    """Say what a value is, in few words.

    Example:
        >>> described("abc"), described([1, 2])
        ("'abc' (str)", 'a list of 2')
    """
    if value is None:
        return "None"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, Mapping):
        return f"an object with {', '.join(map(repr, list(value)[:5])) or 'no keys'}"
    return f"{str(value) if _is_numpy(value) else repr(value):.60} ({type(value).__name__})"


def _name(kind: ValueType) -> str:
    return kind.name if isinstance(kind, DataType) else str(kind.to_dict()["type"])
