"""Run by a Python that has mlflow: what it says of the inputs in signature_cases.

python mlflow_signatures.py answers
python mlflow_signatures.py write FOLDER | read FOLDER
python mlflow_signatures.py texts < JSON list of signatures
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path

import signature_cases as cases
from mlflow.models import Model, infer_signature
from mlflow.models.signature import ModelSignature
from mlflow.models.utils import _enforce_schema, _read_example, _read_example_params, _save_example
from mlflow.types.schema import Schema
from mlflow.utils.proto_json_utils import dataframe_from_parsed_json

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)


def attempt(call, *arguments):
    try:
        return call(*arguments)
    except Exception as err:  # noqa: BLE001 - whatever mlflow raises is an answer
        return f"refused: {err}"


def schema_of(specs):
    said = []
    for spec in specs:
        if isinstance(spec[1], tuple):
            dtype, shape, name = spec
            said.append(
                {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}, "name": name}
            )
            if name is None:
                del said[-1]["name"]
        else:
            kind, name, required = spec
            said.append({**({"type": kind} if isinstance(kind, str) else kind), "required": required})
            if name is not None:
                said[-1]["name"] = name
    return Schema.from_json(json.dumps(said))


def inputs_of(sample):
    return infer_signature(sample).to_dict()["inputs"]


def params_of(params):
    return infer_signature(params=params).to_dict()["params"]


def enforced(data, specs):
    return cases.described(_enforce_schema(data, schema_of(specs)))


def parsed(values, kind):
    schema = schema_of([(kind, "a", True)])
    rows = [{"a": value} for value in values]
    return cases.described(_enforce_schema(dataframe_from_parsed_json(rows, "records", schema), schema))


def answers():
    return {
        "samples": {name: attempt(inputs_of, sample) for name, sample in cases.SAMPLES.items()},
        "params": {name: attempt(params_of, params) for name, params in cases.PARAMS.items()},
        "columns": {
            f"{name} for {kind}": attempt(enforced, column.to_frame("a"), [(kind, "a", True)])
            for name, column in cases.COLUMNS.items()
            for kind in cases.EVERY
        },
        "json": {
            f"{name} for {kind}": attempt(parsed, values, kind)
            for name, values in cases.JSON.items()
            for kind in cases.EVERY
        },
        "inputs": {name: attempt(enforced, data, specs) for name, (specs, data) in cases.INPUTS.items()},
    }


def write(folder):
    infos = {}
    for name, example in cases.EXAMPLES.items():
        path = folder / name
        path.mkdir()
        model = Model()
        _save_example(model, example, str(path))
        infos[name] = model.saved_input_example_info
    return infos


def read_one(path, info):
    model = Model(saved_input_example_info=info)
    return [cases.described(_read_example(model, path)), _read_example_params(model, path)]


def read(folder):
    infos = json.loads((folder / "infos.json").read_text())
    return {name: attempt(read_one, str(folder / name), info) for name, info in infos.items()}


def texts():
    return [ModelSignature.from_dict(each).to_dict() for each in json.load(sys.stdin)]


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    print(
        "ANSWER",
        json.dumps(
            {"answers": answers, "write": write, "read": read, "texts": texts}[what](*map(Path, rest))
        ),
    )
