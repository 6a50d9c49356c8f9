"""Requests and answers of the Open Inference Protocol, version 2, with the binary extension."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from gitml.entities.data_type import DataType
from gitml.entities.signature import ColSpec, Schema
from gitml.models.serving.inference_routes import refused
from gitml.models.serving.inference_tensors import Tensor, as_texts, datatype_of, read_tensor, to_bytes
from gitml.models.serving.jobs import Job, key_of
from gitml.models.serving.replies import Reply, RequestError
from gitml.models.serving.scoring_request import parse_json

if TYPE_CHECKING:
    import numpy as np

    from gitml.models.serving.loading import Served

BINARY = b"application/octet-stream"
LENGTH_HEADER = b"inference-header-content-length"


class InferenceReader:
    """Reads requests for one model."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._schema = served.model.metadata.get_input_schema()
        self._outputs = served.model.metadata.get_output_schema()

    def read(self, body: bytes, json_length: bytes | None) -> Job:
        """Read a request.

        Args:
            body: Its bytes.
            json_length: The header that says how many of them are JSON; None: all.

        Raises:
            GitmlError: It can't be read, or does not fit the signature.
        """
        length = _length(json_length, len(body))
        asked = parse_json(body[:length])
        if not isinstance(asked, dict) or not isinstance(asked.get("inputs"), list) or not asked["inputs"]:
            raise RequestError("the body must be a JSON object with a list of 'inputs'")
        tensors = _tensors(asked["inputs"], memoryview(body)[length:])
        params = _parameters(asked)
        binary = params.pop("binary_data_output", False) is True
        model = self._served.model
        told = {name: value for name, value in params.items() if name in self._param_names()}
        data, fitted = model.fit(self._data(tensors)), model.fit_params(told or None)
        key, rows = key_of(data) if not fitted else (None, 1)
        write = partial(self._write, asked.get("id"), _wanted(asked), binary)
        return Job(data, fitted, write, rows, key, refused)

    def _param_names(self) -> frozenset[str]:
        schema = self._served.model.metadata.get_params_schema()
        return frozenset(each.name for each in schema.params) if schema else frozenset()

    def _data(self, tensors: Sequence[Tensor]) -> Any:
        """Make of tensors what the model takes."""
        schema = self._schema
        if schema is not None and schema.is_tensor_spec():
            if schema.has_input_names():
                return {each.name: _decoded(each.array) for each in tensors}
            return _decoded(_only(tensors).array)
        if schema is not None:
            return _table(tensors, schema)
        if len(tensors) == 1:
            return _decoded(tensors[0].array)
        return {each.name: _decoded(each.array) for each in tensors}

    def _write(self, request_id: Any, wanted: Mapping[str, bool | None], binary: bool, found: Any) -> Reply:
        outputs = output_tensors(found, self._outputs)
        names = [each.name for each in outputs]
        if unknown := [name for name in wanted if name not in names]:
            raise RequestError(f"there is no output {unknown[0]!r:.80}; there are {', '.join(names)}")
        said, blobs = [], []
        for each in outputs:
            if wanted and each.name not in wanted:
                continue
            as_bytes = wanted.get(each.name)
            described, blob = _described(each, binary if as_bytes is None else as_bytes)
            said.append(described)
            blobs += [blob] if blob is not None else []
        answer: dict[str, Any] = {"model_name": self._served.name}
        if self._served.version is not None:
            answer["model_version"] = str(self._served.version)
        if request_id is not None:
            answer["id"] = str(request_id)
        head = orjson.dumps({**answer, "outputs": said})
        if not blobs:
            return Reply(head)
        return Reply(
            b"".join((head, *blobs)), media_type=BINARY, headers=((LENGTH_HEADER, str(len(head)).encode()),)
        )


def _length(header: bytes | None, total: int) -> int:
    if header is None:
        return total
    if not header.isdigit() or int(header) > total:
        raise RequestError("Inference-Header-Content-Length is no length of the JSON in the body")
    return int(header)


def _tensors(inputs: list[Any], rest: memoryview) -> list[Tensor]:
    pieces = _pieces(inputs, rest)
    found = [read_tensor(said, pieces, _binary_size(said)) for said in inputs]
    if len({each.name for each in found}) != len(found):
        raise RequestError("two inputs have the same name")
    return found


def _pieces(inputs: list[Any], rest: memoryview) -> Iterator[bytes]:
    """Cut what stands behind the JSON into the bytes of each input."""
    place = 0
    for said in inputs:
        size = _binary_size(said)
        if size is None:
            continue
        if place + size > len(rest):
            raise RequestError(f"the bytes of input {said.get('name')!r:.80} are not all there")
        yield bytes(rest[place : place + size])
        place += size


def _binary_size(said: Any) -> int | None:
    parameters = said.get("parameters") if isinstance(said, dict) else None
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is not None and (type(size) is not int or size < 0):
        raise RequestError("'binary_data_size' must be a number of bytes")
    return size


def _parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    given = asked.get("parameters")
    if given is not None and not isinstance(given, dict):
        raise RequestError("'parameters' must be an object")
    return dict(given or {})


def _wanted(asked: Mapping[str, Any]) -> dict[str, bool | None]:
    """Read which outputs are asked for, and which of them as bytes."""
    given = asked.get("outputs")
    if given is None:
        return {}
    if not isinstance(given, list) or not all(
        isinstance(each, dict) and isinstance(each.get("name"), str) for each in given
    ):
        raise RequestError("'outputs' must be a list of objects with a 'name'")
    found: dict[str, bool | None] = {}
    for each in given:
        parameters = each.get("parameters")
        found[each["name"]] = parameters.get("binary_data") if isinstance(parameters, dict) else None
    return found


def _only(tensors: Sequence[Tensor]) -> Tensor:
    if len(tensors) != 1:
        raise RequestError(f"the model takes one input; got {len(tensors)}")
    return tensors[0]


def _table(tensors: Sequence[Tensor], schema: Schema) -> Any:
    """Make columns: one tensor each, or all of them one tensor with as many columns."""
    import pandas as pd

    names = schema.input_names()
    kinds = {each.name: each.type for each in schema.inputs if isinstance(each, ColSpec)}
    only = tensors[0].array
    if len(tensors) == 1 and only.ndim == 2 and only.shape[1] == len(names) and tensors[0].name not in names:
        whole = _decoded(only)
        return pd.DataFrame(
            {name: _as_whole_numbers(whole[:, place], kinds.get(name)) for place, name in enumerate(names)},
            columns=names,
        )
    columns = {each.name: _column(each, kinds.get(each.name)) for each in tensors}
    if len({len(each) for each in columns.values()}) > 1:
        told = ", ".join(f"{name!r:.40}: {len(each)}" for name, each in list(columns.items())[:10])
        raise RequestError(f"the inputs are not of the same length: {told}")
    if not schema.has_input_names():
        return pd.DataFrame(dict(enumerate(columns.values())))
    return pd.DataFrame(columns)


def _column(tensor: Tensor, kind: Any) -> Any:
    values = tensor.array
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise RequestError(
            f"input {tensor.name!r:.80} is a column, of shape [-1] or [-1, 1]; got {list(values.shape)}"
        )
    if kind is DataType.binary:
        made = values.copy()
        made[:] = [each.encode() if isinstance(each, str) else each for each in values]
        return made
    return _decoded(values)


def _as_whole_numbers(values: np.ndarray[Any, Any], kind: Any) -> np.ndarray[Any, Any]:
    """Make whole numbers of a column of a tensor that has one type for all columns.

    Only where every value is one, and none is so large that its neighbours would be the same; else they
    stay as they are, and the signature refuses the column by its name.
    """
    import numpy as np

    if values.dtype.kind != "f" or kind not in (DataType.integer, DataType.long):
        return values
    most = min(2 ** (np.finfo(values.dtype).nmant + 1), 2**31 - 1 if kind is DataType.integer else 2**63)
    if not bool((np.isfinite(values) & (np.trunc(values) == values) & (np.abs(values) <= most)).all()):
        return values
    return values.astype(np.int32 if kind is DataType.integer else np.int64)


def _decoded(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Make texts of bytes, which is what the protocol sends texts as."""
    if values.dtype.kind != "O" or not any(isinstance(each, bytes) for each in values.flat):
        return values
    made = values.copy()
    try:
        made.flat[:] = [each.decode() if isinstance(each, bytes) else each for each in values.flat]
    except UnicodeDecodeError as err:
        raise RequestError(f"a text is no UTF-8: {err.reason}") from err
    return made


def output_tensors(found: Any, schema: Schema | None) -> list[Tensor]:
    """Make tensors of what a model gave: one, or one for each column or name."""
    import numpy as np
    import pandas as pd

    if isinstance(found, pd.DataFrame):
        return [Tensor(str(name), found[name].to_numpy()) for name in found.columns]
    if isinstance(found, dict) and found and all(isinstance(name, str) for name in found):
        return [Tensor(name, _array(each)) for name, each in found.items()]
    names = schema.input_names() if schema is not None and schema.has_input_names() else []
    name = str(names[0]) if len(names) == 1 else "output-0"
    if isinstance(found, pd.Series):
        found = found.to_numpy()
    return [Tensor(name, found if isinstance(found, np.ndarray) else _array(found))]


def _array(value: Any) -> np.ndarray[Any, Any]:
    import numpy as np

    for method in ("toarray", "numpy"):
        if hasattr(value, method):
            value = getattr(value, method)()
    try:
        made = np.asarray(value)
    except ValueError:  # rows of several lengths
        made = np.empty(len(value), dtype=object)
        made[:] = value
    return made if made.ndim else made.reshape(1)


def _described(tensor: Tensor, binary: bool) -> tuple[dict[str, Any], bytes | None]:
    import numpy as np

    values = tensor.array
    if values.dtype.kind == "M":
        values = np.datetime_as_string(values).astype(object)
    kind = datatype_of(values.dtype)
    said: dict[str, Any] = {"name": tensor.name, "shape": list(values.shape), "datatype": kind}
    if binary:
        blob = to_bytes(values)
        return {**said, "parameters": {"binary_data_size": len(blob)}}, blob
    said["data"] = as_texts(values) if kind == "BYTES" else values.reshape(-1).tolist()
    return said, None
