"""Input examples: an input that a model takes, kept beside it as MLflow keeps it.

`input_example.json` holds the input, `serving_input_example.json` the request that sends it to
a server. What a file of them is, is said by `saved_input_example_info` in the MLmodel file.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml.entities.signature import Schema
from gitml.errors import DamagedError, UsageError
from gitml.formats.unreadable import why_unreadable
from gitml.models.directory import member
from gitml.models.example_reading import read_arrays, read_frame, read_sparse
from gitml.models.example_values import plain
from gitml.models.signatures.infer import infer_params
from gitml.models.signatures.tables import from_polars, is_polars
from gitml.models.signatures.tensors import is_sparse

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE_FILE = "input_example.json"
SERVING_FILE = "serving_input_example.json"
# Keys of a request that is passed on as it is: chat, completion, embedding.
PASSED_ON = ("messages", "prompt", "input")
_TYPES = ("dataframe", "ndarray", "json_object", "sparse_matrix_csc", "sparse_matrix_csr")
_ACCEPTED = (
    "a data frame, an array, a dictionary of arrays, a sparse matrix, dictionaries and lists that JSON can hold, "
    "a value, a pydantic model, or a pair of one of these and a dictionary of params"
)


@dataclass(frozen=True, slots=True)
class SavedExample:
    """An example that was saved.

    Attributes:
        info: The `saved_input_example_info` of the MLmodel file.
        data: The input, as a model's predict takes it; a copy.
        params: The params that came with it, None if none did.
    """

    info: dict[str, Any]
    data: Any
    params: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Encoded:
    """An example as plain values: what its type is, what goes into the file, and into a request."""

    kind: str
    content: Any
    request: dict[str, Any]
    orient: str | None = None


def save_example(folder: Path, example: Any) -> SavedExample:
    """Write an example into a model's folder.

    Args:
        folder: The model's folder.
        example: The input, or a pair of it and a dictionary of params.

    Raises:
        UsageError: It is of a class that can't be kept.
        SignatureError: A param is of no type that params have.
    """
    data, params = split_example(example)
    encoded = _encode(data)
    info: dict[str, Any] = {"artifact_path": EXAMPLE_FILE}
    content = encoded.content
    if params is not None:
        content = {"inputs": content, "params": plain(params)}
        if params:
            info["params"] = "true"
    info["type"] = encoded.kind
    if encoded.orient is not None:
        info["pandas_orient"] = encoded.orient
    info["serving_input_path"] = SERVING_FILE
    (folder / EXAMPLE_FILE).write_text(json.dumps(content), encoding="utf-8")
    (folder / SERVING_FILE).write_text(_request(encoded, params), encoding="utf-8")
    return SavedExample(info, copy.deepcopy(data), copy.deepcopy(params))


def convert_input_example_to_serving_input(input_example: Any) -> str | None:
    """Give the request that sends an example to a server of models, as JSON; None for None.

    Raises:
        UsageError: It is of a class that can't be kept.
    """
    if input_example is None:
        return None
    data, params = split_example(input_example)
    return _request(_encode(data), params)


def split_example(example: Any) -> tuple[Any, dict[str, Any] | None]:
    """Part an example from the params that may come with it.

    Raises:
        SignatureError: A param is of no type that params have.
    """
    if isinstance(example, tuple) and len(example) == 2 and isinstance(example[1], dict):
        infer_params(example[1])
        return example[0], example[1]
    return example, None


def load_example(folder: Path, info: Mapping[str, Any] | None, schema: Schema | None = None) -> Any:
    """Read the input of a model's example; None if it has none.

    Args:
        folder: The model's folder.
        info: The `saved_input_example_info` of its MLmodel file.
        schema: The inputs of its signature: columns and arrays get its types.

    Raises:
        DamagedError: The file is missing or holds no such example.
        UnsafePathError: Its path leads out of the folder.
        SchemaError: The example doesn't fit the schema.
    """
    if info is None:
        return None
    kind = info.get("type")
    if kind not in _TYPES:
        raise DamagedError(f"there is no input example of type {kind!r:.80}")
    content = _read(folder, info)
    if info.get("params"):
        content = content["inputs"]
    if kind == "json_object":
        return content
    try:
        if kind == "ndarray":
            return read_arrays(content, schema)
        return read_frame(content, schema) if kind == "dataframe" else read_sparse(content, kind)
    except (KeyError, TypeError, ValueError) as err:
        raise DamagedError(f"the input example of the model is no {kind}: {err!s:.200}") from err


def load_example_params(folder: Path, info: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Read the params of a model's example; None if it has none.

    Raises:
        DamagedError: The file is missing or holds no such example.
        UnsafePathError: Its path leads out of the folder.
    """
    if info is None or not info.get("params"):
        return None
    params: dict[str, Any] = _read(folder, info)["params"]
    return params


def load_serving_example(folder: Path, info: Mapping[str, Any] | None) -> str | None:
    """Read the request that sends a model's example to a server; None if there is none.

    Raises:
        DamagedError: The file is missing.
        UnsafePathError: Its path leads out of the folder.
    """
    if info is None or info.get("serving_input_path") is None:
        return None
    return member(folder, "serving_input_path", info["serving_input_path"]).read_text("utf-8")


def _read(folder: Path, info: Mapping[str, Any]) -> Any:
    path = member(folder, "saved_input_example_info", info.get("artifact_path"))
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as err:
        raise DamagedError(f"the input example '{path.name}' can't be read: {why_unreadable(err)}") from err
    if info.get("params") and not (isinstance(content, dict) and {"inputs", "params"} <= content.keys()):
        raise DamagedError(f"the input example '{path.name}' lacks 'inputs' or 'params'")
    return content


def _request(encoded: _Encoded, params: Mapping[str, Any] | None) -> str:
    request = encoded.request
    if params is not None:
        passed_on = encoded.kind == "json_object" and request is encoded.content
        told = plain(params, gaps=True)
        request = {**request, **told} if passed_on else {**request, "params": told}
    return json.dumps(plain(request, gaps=True), indent=2, allow_nan=False)


def _encode(data: Any) -> _Encoded:
    import numpy as np
    import pandas as pd

    if hasattr(data, "model_dump") and not isinstance(data, type):
        data = data.model_dump()
    if is_polars(data):
        data = from_polars(data)
    if isinstance(data, pd.DataFrame):
        return _encode_frame(data)
    if isinstance(data, dict):
        return _encode_dict(data)
    if isinstance(data, np.ndarray):
        content = plain(data, gaps=True)
        return _Encoded("ndarray", content, {"inputs": content})
    if is_sparse(data):
        return _encode_sparse(data)
    if isinstance(data, list) and _has_array(data):
        raise UsageError(
            "an input example can't be a list of arrays", hint="make it one array: numpy.stack(...)"
        )
    if isinstance(data, list) or np.isscalar(data) or hasattr(data, "isoformat"):
        content = plain(data)
        return _Encoded("json_object", content, {"inputs": content})
    hint = "series.to_frame() is one" if isinstance(data, pd.Series) else None
    raise UsageError(f"an input example is {_ACCEPTED}, not {type(data).__name__}", hint=hint)


def _encode_frame(frame: pd.DataFrame) -> _Encoded:
    split = frame.to_dict(orient="split")
    content: dict[str, Any] = {"columns": plain(split["columns"]), "data": plain(split["data"], gaps=True)}
    columns: list[Any] = list(frame.columns)
    if columns == list(range(len(columns))):
        del content["columns"]  # they say nothing
    return _Encoded(
        "dataframe", content, {"dataframe_split": content}, "split" if "columns" in content else "values"
    )


def _encode_dict(data: dict[Any, Any]) -> _Encoded:
    import numpy as np

    arrays = [isinstance(value, np.ndarray) for value in data.values()]
    if any(arrays):
        if not all(arrays):
            raise UsageError("an input example is a dictionary of arrays or of other values, not of both")
        content = plain(data, gaps=True)
        return _Encoded("ndarray", content, {"inputs": content})
    content = plain(data)
    return _Encoded(
        "json_object", content, content if any(key in data for key in PASSED_ON) else {"inputs": content}
    )


def _encode_sparse(matrix: Any) -> _Encoded:
    content = {
        "data": plain(matrix.data, gaps=True),
        "indices": matrix.indices.tolist(),
        "indptr": matrix.indptr.tolist(),
        "shape": list(matrix.shape),
    }
    return _Encoded(f"sparse_matrix_{matrix.format}", content, {"inputs": plain(matrix.toarray(), gaps=True)})


def _has_array(value: Any) -> bool:
    import numpy as np

    if isinstance(value, (list, tuple)):
        return any(map(_has_array, value))
    if isinstance(value, dict):
        return any(map(_has_array, value.values()))
    return isinstance(value, np.ndarray)
