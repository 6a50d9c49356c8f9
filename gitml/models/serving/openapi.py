"""An OpenAPI description of a served model, made from its signature."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from gitml.entities.data_type import DataType
from gitml.entities.signature import ColSpec, ParamSchema, Schema, TensorSpec
from gitml.entities.signature_types import Array, Map, Object
from gitml.models.serving.inference_tensors import DATATYPES
from gitml.models.serving.media import Media

if TYPE_CHECKING:
    from gitml.models.serving.loading import Served

Said = dict[str, Any]

_TYPES: Mapping[DataType, Said] = {
    DataType.boolean: {"type": "boolean"},
    DataType.integer: {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1},
    DataType.long: {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1},
    DataType.float: {"type": "number", "format": "float"},
    DataType.double: {"type": "number", "format": "double"},
    DataType.string: {"type": "string"},
    DataType.binary: {"type": "string", "format": "byte"},
    DataType.datetime: {"type": "string", "format": "date-time"},
}
_GAPS = (DataType.float, DataType.double, DataType.string, DataType.datetime)
_PLAIN = {"text/plain": {"schema": {"type": "string"}}}


def describe(served: Served) -> Said:
    """Describe all that the server answers."""
    from gitml import __version__

    metadata = served.model.metadata
    version = "0" if served.version is None else str(served.version)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": served.name,
            "version": version,
            "description": f"Served by gitml {__version__}: MLflow's scoring protocol and the Open Inference Protocol.",
        },
        "paths": {**_plain_paths(), "/invocations": {"post": _invocations(served)}, **_inference(served)},
        "components": {"schemas": _components(metadata.get_input_schema(), metadata.get_params_schema())},
    }


def example_of(served: Served) -> Any:
    """Give the request that came with the model; None if none did."""
    from gitml.errors import GitmlError
    from gitml.models.directory import member

    name = (served.model.metadata.saved_input_example_info or {}).get("serving_input_path")
    if not isinstance(name, str):
        return None
    try:
        return json.loads(member(served.model.folder, "serving_input_path", name).read_bytes())
    except (GitmlError, OSError, ValueError):
        return None


def type_schema(kind: Any) -> Said:
    """Describe a type of the signature."""
    if isinstance(kind, DataType):
        return dict(_TYPES[kind])
    if isinstance(kind, Array):
        return {"type": "array", "items": type_schema(kind.dtype)}
    if isinstance(kind, Map):
        return {"type": "object", "additionalProperties": type_schema(kind.value_type)}
    if isinstance(kind, Object):
        required = [each.name for each in kind.properties if each.required]
        return {
            "type": "object",
            "properties": {each.name: type_schema(each.dtype) for each in kind.properties},
            **({"required": required} if required else {}),
        }
    return {}  # anything


def tensor_schema(spec: TensorSpec, *, whole: bool = True) -> Said:
    """Describe a tensor as nested lists; without its first dimension if not `whole`."""
    kinds = {"b": "boolean", "i": "integer", "u": "integer", "f": "number"}
    said: Said = {"type": kinds[spec.type.kind]} if spec.type.kind in kinds else {}
    for length in reversed(spec.shape if whole else spec.shape[1:]):
        said = {"type": "array", "items": said}
        if length >= 0:
            said |= {"minItems": length, "maxItems": length}
    return said


def _row(schema: Schema | None) -> Said:
    if schema is None or not schema.has_input_names():
        return {"type": "object"}
    properties, required = {}, []
    for each in schema.inputs:
        said = tensor_schema(each, whole=False) if isinstance(each, TensorSpec) else type_schema(each.type)
        if isinstance(each, ColSpec) and (each.type in _GAPS or not each.required):
            said["nullable"] = True
        properties[str(each.name)] = said
        if each.required:
            required.append(str(each.name))
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _components(schema: Schema | None, params: ParamSchema | None) -> Said:
    return {
        "Row": _row(schema),
        "Params": {
            "type": "object",
            "properties": {
                each.name: type_schema(each.dtype) if each.shape is None else {"type": "array", "items": type_schema(each.dtype)}
                for each in (params.params if params else ())
            },
        },
        "Split": {
            "type": "object",
            "required": ["data"],
            "properties": {
                "columns": {"type": "array", "items": {"type": "string"}},
                "index": {"type": "array", "items": {}},
                "data": {"type": "array", "items": {"type": "array", "items": {}}},
            },
            "additionalProperties": False,
        },
        "Predictions": {"type": "object", "required": ["predictions"], "properties": {"predictions": {}}},
        "Error": {
            "type": "object",
            "required": ["error_code", "message"],
            "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
        },
        "InferenceError": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
        "Tensor": {
            "type": "object",
            "required": ["name", "shape", "datatype"],
            "properties": {
                "name": {"type": "string", "minLength": 1},
                "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                "datatype": {"type": "string", "enum": list(DATATYPES)},
                "parameters": {"type": "object"},
                "data": {"type": "array", "items": {}},
            },
        },
    }  # fmt: skip


def _invocations(served: Served) -> Said:
    example = example_of(served)
    content: Said = {
        Media.JSON.value: {"schema": _body(served), **({"example": example} if example is not None else {})},
        Media.CSV.value: {"schema": {"type": "string"}},
        Media.PARQUET.value: {"schema": {"type": "string", "format": "binary"}},
    }
    return {
        "operationId": "predict",
        "summary": "Predict (MLflow's scoring protocol)",
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": _answer("The predictions", None if _takes_whole(served) else _ref("Predictions")),
            "400": _answer("The input is not as it should be", _ref("Error")),
            "413": _answer("The body is too long", _ref("Error")),
            "415": {"description": "A body of another kind", "content": {**_PLAIN, **_json(_ref("Error"))}},
            "504": _answer("It took too long", _ref("Error")),
        },
    }  # fmt: skip


def _takes_whole(served: Served) -> bool:
    return (
        served.model.metadata.get_input_schema() is None or served.model.metadata.is_signature_from_type_hint
    )


def _body(served: Served) -> Said:
    schema = served.model.metadata.get_input_schema()
    params = {"params": _ref("Params")}
    first = schema.inputs[0] if schema is not None else None
    whole = tensor_schema(first) if isinstance(first, TensorSpec) and first.name is None else {}
    rows = {"type": "array", "items": _ref("Row")}
    forms = {
        "dataframe_split": _ref("Split"),
        "dataframe_records": rows,
        "instances": whole or rows,
        "inputs": whole,
    }
    if served.model.metadata.is_signature_from_type_hint:
        forms = {"inputs": {}}
    return {
        "oneOf": [
            {"type": "object", "required": [name], "properties": {name: said, **params}}
            for name, said in forms.items()
        ]
    }


def _inference(served: Served) -> Said:
    base = f"/v2/models/{served.name}"
    error = {"400": _answer("The input is not as it should be", _ref("InferenceError"))}
    infer = {
        "operationId": "infer",
        "summary": "Predict (Open Inference Protocol)",
        "requestBody": {
            "required": True,
            "content": _json(
                {
                    "type": "object",
                    "required": ["inputs"],
                    "properties": {
                        "id": {"type": "string"},
                        "parameters": {"type": "object"},
                        "inputs": {"type": "array", "minItems": 1, "items": _ref("Tensor")},
                        "outputs": {
                            "type": "array",
                            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
                        },
                    },
                }
            ),
        },
        "responses": {
            "200": {"description": "The predictions", "content": {**_json({"type": "object"}), "application/octet-stream": {}}},
            **error,
            "413": _answer("The body is too long", _ref("InferenceError")),
            "415": _answer("The body is packed", _ref("InferenceError")),
            "504": _answer("It took too long", _ref("InferenceError")),
        },
    }  # fmt: skip
    return {
        "/v2": _get("server", "The server", {"type": "object"}),
        "/v2/health/live": _get("live", "Whether the server is there", {"type": "object"}),
        "/v2/health/ready": _get("ready", "Whether it can predict", {"type": "object"}),
        base: _get("model", "What the model takes and gives", {"type": "object"}),
        f"{base}/ready": _get("modelReady", "Whether the model is loaded", {"type": "object"}),
        f"{base}/infer": {"post": infer},
    }


def _plain_paths() -> Said:
    return {
        path: {"get": {"operationId": name, "summary": summary, "responses": {"200": {"description": summary, "content": _PLAIN}}}}
        for path, name, summary in (
            ("/ping", "ping", "Whether the server is there"),
            ("/health", "health", "Whether the server is there"),
            ("/version", "version", "The release of gitml"),
            ("/metrics", "metrics", "Counts for Prometheus"),
        )
    }  # fmt: skip


def _get(name: str, summary: str, schema: Said) -> Said:
    return {"get": {"operationId": name, "summary": summary, "responses": {"200": _answer(summary, schema)}}}


def _answer(description: str, schema: Said | None) -> Said:
    return {"description": description, "content": _json(schema or {})}


def _json(schema: Said) -> Said:
    return {"application/json": {"schema": schema}}


@cache
def _ref(name: str) -> Said:
    return {"$ref": f"#/components/schemas/{name}"}
