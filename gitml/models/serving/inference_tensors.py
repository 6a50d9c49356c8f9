"""Tensors of the Open Inference Protocol: JSON or bytes to arrays, and back."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitml.entities.data_type import DataType
from gitml.entities.signature_values import described
from gitml.models.serving.encoding import plain
from gitml.models.serving.replies import RequestError

if TYPE_CHECKING:
    import numpy as np

_NUMPY: Mapping[str, str] = {
    "BOOL": "bool",
    "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64",
    "INT8": "int8", "INT16": "int16", "INT32": "int32", "INT64": "int64",
    "FP16": "float16", "FP32": "float32", "FP64": "float64",
    "BYTES": "object",
}  # fmt: skip
DATATYPES = tuple(_NUMPY)
_OF_NUMPY = {dtype: name for name, dtype in _NUMPY.items()}
_OF_COLUMN = {
    DataType.boolean: "BOOL", DataType.integer: "INT32", DataType.long: "INT64", DataType.float: "FP32",
    DataType.double: "FP64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor by name."""

    name: str
    array: np.ndarray[Any, Any]


def datatype_of_column(kind: Any) -> str:
    """Name the type of a column; what is no number or flag is BYTES."""
    return _OF_COLUMN.get(kind, "BYTES") if isinstance(kind, DataType) else "BYTES"


def datatype_of(dtype: np.dtype[Any]) -> str:
    """Name the type of an array."""
    return _OF_NUMPY.get(dtype.name, "BYTES")


def read_tensor(said: Any, binary: Iterator[bytes] | None = None, size: int | None = None) -> Tensor:
    """Read an input.

    Args:
        said: What the JSON says of it.
        binary: Gives its bytes, if they stand behind the JSON.
        size: How many those are.

    Raises:
        RequestError: It is none.
    """
    if not isinstance(said, dict):
        raise RequestError(f"an input must be an object; got {described(said)}")
    name, kind, shape = said.get("name"), said.get("datatype"), said.get("shape")
    if not isinstance(name, str) or not name:
        raise RequestError("an input must have a 'name'")
    where = f"input {name!r:.80}"
    if not isinstance(kind, str) or kind not in _NUMPY:
        raise RequestError(
            f"{where}: 'datatype' must be one of {', '.join(DATATYPES)}; got {described(kind)}"
        )
    if not isinstance(shape, list) or not all(type(each) is int and 0 <= each < 2**31 for each in shape):
        raise RequestError(f"{where}: 'shape' must be a list of lengths")
    where = f"{where} ({kind} of shape {shape!r:.80})"
    try:
        if binary is not None and size is not None:
            values = _from_bytes(next(binary), kind)
        else:
            values = _from_json(said.get("data"), kind)
        return Tensor(name, values.reshape(shape))
    except (ValueError, TypeError, OverflowError, struct.error) as err:
        raise RequestError(f"{where}: {err!s:.200}") from err


def _from_json(data: Any, kind: str) -> np.ndarray[Any, Any]:
    import numpy as np

    if not isinstance(data, list):
        raise TypeError(f"'data' must be a list; got {described(data)}")
    if kind == "BYTES":
        return _texts(data)
    dtype = np.dtype(_NUMPY[kind])
    found = np.array(data)
    if found.dtype.kind == "O" and dtype.kind == "f":  # null is what JSON has for NaN
        return np.array(data, dtype=dtype)
    accepted = {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}[dtype.kind]
    if found.size and found.dtype.kind not in accepted:
        raise TypeError(f"'data' has values that are no {kind}")
    with np.errstate(all="ignore"):
        made = found.astype(dtype)
    lost = (
        not np.array_equal(made, found)
        if dtype.kind in "iu"
        else bool((np.isinf(made) & ~np.isinf(found)).any())
    )
    if lost and dtype.kind != "b":
        raise OverflowError(f"'data' has values that {kind} can't hold")
    return made


def _texts(data: list[Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    flat: list[str | bytes] = []
    stack = [iter(data)]
    while stack:
        for each in stack[-1]:
            if isinstance(each, list):
                stack.append(iter(each))
                break
            if not isinstance(each, str):
                raise TypeError(f"'data' has {described(each)}, which is no text")
            flat.append(each)
        else:
            stack.pop()
    made = np.empty(len(flat), dtype=object)
    made[:] = flat
    return made


def _from_bytes(data: bytes, kind: str) -> np.ndarray[Any, Any]:
    import numpy as np

    if kind != "BYTES":
        return np.frombuffer(data, dtype=np.dtype(_NUMPY[kind]).newbyteorder("<"))
    found, place = [], 0
    while place < len(data):
        (length,) = struct.unpack_from("<I", data, place)
        place += 4
        if place + length > len(data):
            raise ValueError("a text is longer than the bytes that are there")
        found.append(data[place : place + length])
        place += length
    made = np.empty(len(found), dtype=object)
    made[:] = found
    return made


# Outputs


def as_texts(array: np.ndarray[Any, Any]) -> list[str]:
    """Give the values of an array that are no numbers as texts; what is nested as JSON."""
    return [_text(each) for each in array.reshape(-1).tolist()]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else json.dumps(value, default=plain)


def to_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """Write an array as the binary extension has it."""
    if datatype_of(array.dtype) != "BYTES":
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    texts = [each.encode() for each in as_texts(array)]
    return b"".join(struct.pack("<I", len(each)) + each for each in texts)
