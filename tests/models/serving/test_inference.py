"""The Open Inference Protocol: as JSON, as bytes, and what is told where a request is wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gitml.entities.signature import ColSpec, ModelSignature, Schema, TensorSpec
from gitml.models.serving.app import App
from tests.models.serving.calling import Answer, ask, get, make_app
from tests.models.serving.served import ECHO, MIXED, NAMES, WHAT, save_code, save_iris

WHOLE = Schema([ColSpec("long", "l"), ColSpec("integer", "i"), ColSpec("double", "d")])
ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, App]:
    folder = tmp_path_factory.mktemp("models")
    tensor = ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, 2))]))
    return {
        "iris": make_app(save_iris(folder / "iris")),
        "mixed": make_app(save_code(folder / "mixed", ECHO, ModelSignature(MIXED))),
        "whole": make_app(save_code(folder / "whole", ECHO, ModelSignature(WHOLE))),
        "tensor": make_app(save_code(folder / "tensor", WHAT, tensor)),
    }


def infer(app: App, name: str, request: Any, binary: bytes = b"") -> Answer:
    head = request if isinstance(request, bytes) else json.dumps(request).encode()
    headers = {"inference-header-content-length": str(len(head))} if binary else {}
    return asyncio.run(ask(app, "POST", f"/v2/models/{name}/infer", head + binary, headers))


def tensor(name: str, kind: str, data: list[Any], shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "datatype": kind, "shape": shape or [len(data)], "data": data}


def test_a_model_is_described(apps: dict[str, App]) -> None:
    app = apps["iris"]
    assert get(app, "/v2").json["name"] == "gitml"
    assert get(app, "/v2/health/ready").json == {"ready": True}
    assert get(app, "/v2/models/iris/ready").json == {"name": "iris", "ready": True}
    said = get(app, "/v2/models/iris").json
    assert said["inputs"] == [{"name": name, "datatype": "FP64", "shape": [-1]} for name in NAMES]
    assert said["outputs"] == [{"name": "output-0", "datatype": "INT64", "shape": [-1]}]


def test_columns_one_by_one_or_as_one_tensor(apps: dict[str, App]) -> None:
    columns = [tensor(name, "FP64", list(ROWS[:, place])) for place, name in enumerate(NAMES)]
    whole = [tensor("input-0", "FP64", ROWS.ravel().tolist(), [2, 4])]
    nested = [tensor("input-0", "FP32", ROWS.tolist(), [2, 4])]
    for inputs in (columns, whole, nested):
        answer = infer(apps["iris"], "iris", {"id": "7", "inputs": inputs})
        assert answer.json == {
            "model_name": "iris",
            "id": "7",
            "outputs": [{"name": "output-0", "datatype": "INT64", "shape": [2], "data": [0, 2]}],
        }


def test_one_tensor_of_doubles_holds_whole_numbers(apps: dict[str, App]) -> None:
    def ask_for(*values: Any, kind: str = "FP64") -> Answer:
        return infer(
            apps["whole"], "whole", {"inputs": [tensor("x", kind, list(values), [len(values) // 3, 3])]}
        )

    answer = ask_for(2.0**53, -3.0, 0.5, -7.0, 2.0**31 - 1, 1.0)
    assert {each["name"]: (each["datatype"], each["data"]) for each in answer.json["outputs"]} == {
        "l": ("INT64", [2**53, -7]), "i": ("INT32", [-3, 2**31 - 1]), "d": ("FP64", [0.5, 1.0]),
    }  # fmt: skip
    for values, name in (
        ((1.5, 1.0, 0.5), "l"), ((1.0, 2.5, 0.5), "i"), ((2.0**54, 1.0, 0.5), "l"), ((1.0, 2.0**31, 0.5), "i"),
        ((None, 1.0, 0.5), "l"),
    ):  # fmt: skip
        answer = ask_for(*values)
        assert answer.status == 400
        assert f"column '{name}'" in answer.json["error"]
    assert ask_for(2.0**25, 1.0, 0.5, kind="FP32").status == 400  # 2**25 + 1 would have been the same


def test_bytes_go_both_ways(apps: dict[str, App]) -> None:
    said = {"name": "x", "datatype": "FP64", "shape": [2, 4], "parameters": {"binary_data_size": ROWS.nbytes}}
    request = {"inputs": [said], "outputs": [{"name": "output-0", "parameters": {"binary_data": True}}]}
    answer = infer(apps["iris"], "iris", request, ROWS.tobytes())
    length = int(answer.headers["inference-header-content-length"])
    head = json.loads(answer.body[:length])
    assert head["outputs"][0]["parameters"] == {"binary_data_size": 16}
    assert np.frombuffer(answer.body[length:], "<i8").tolist() == [0, 2]


def test_every_type_of_column_goes_in_and_comes_out(apps: dict[str, App]) -> None:
    inputs = [
        tensor("l", "INT64", [2**60]),
        tensor("i", "INT32", [-5]),
        tensor("d", "FP64", [0.25]),
        tensor("f", "FP32", [0.5]),
        tensor("b", "BOOL", [True]),
        tensor("s", "BYTES", ["é"]),
        tensor("t", "BYTES", ["2024-01-02T03:04:05"], [1, 1]),
    ]
    answer = infer(apps["mixed"], "mixed", {"inputs": inputs})
    found = {each["name"]: (each["datatype"], each["data"]) for each in answer.json["outputs"]}
    assert found == {
        "l": ("INT64", [2**60]), "i": ("INT32", [-5]), "d": ("FP64", [0.25]), "f": ("FP32", [0.5]), "b": ("BOOL", [True]),
        "s": ("BYTES", ["é"]), "t": ("BYTES", ["2024-01-02T03:04:05.000000000"]),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "request_", "words"),
    [
        ("iris", b"", ["empty"]),
        ("iris", {"inputs": []}, ["inputs"]),
        ("iris", {"inputs": [tensor("x", "FP65", [1])]}, ["'x'", "FP65"]),
        ("iris", {"inputs": [tensor("x", "FP64", [1], [2, 4])]}, ["'x'", "FP64", "[2, 4]"]),
        ("iris", {"inputs": [tensor(NAMES[0], "FP64", [1])]}, [NAMES[1], "double", "missing"]),
        ("iris", {"inputs": [tensor(name, "BYTES", ["a"]) for name in NAMES]}, [NAMES[0], "double", "'a'"]),
        ("iris", {"inputs": [tensor("x", "FP64", ["a"])]}, ["no FP64"]),
        ("mixed", {"inputs": [tensor("i", "INT32", [2**40])]}, ["INT32", "can't hold"]),
        ("mixed", {"inputs": [tensor("l", "INT64", [1.5])]}, ["no INT64"]),
        ("tensor", {"inputs": [tensor("x", "FP64", [1, 2], [1, 2])]}, ["float32", "float64"]),
        ("iris", {"inputs": [tensor(name, "FP64", [1]) for name in NAMES], "outputs": [{"name": "y"}]}, ["'y'", "output-0"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_the_words_of_the_protocol(
    apps: dict[str, App], name: str, request_: Any, words: list[str]
) -> None:
    answer = infer(apps[name], name, request_)
    assert (answer.status, list(answer.json)) == (400, ["error"])
    for word in words:
        assert word in answer.json["error"]


def test_other_models_and_versions_are_not_here(apps: dict[str, App]) -> None:
    for path in (
        "/v2/models/other",
        "/v2/models/iris/versions/9",
        "/v2/models/iris/versions/9/ready",
        "/v2/models/iris/x",
    ):
        answer = get(apps["iris"], path)
        assert (answer.status, list(answer.json)) == (404, ["error"])
    assert get(apps["iris"], "/v2/models/iris/infer").status == 405
    broken = asyncio.run(
        ask(apps["iris"], "POST", "/v2/models/iris/infer", b"{}", {"inference-header-content-length": "x"})
    )
    assert broken.status == 400


def test_what_the_model_raises_is_told_in_the_words_of_the_protocol(tmp_path: Path) -> None:
    app = make_app(
        save_code(tmp_path / "angry", "def predict(model_input):\n    raise RuntimeError('secret')\n")
    )
    answer = infer(app, "angry", {"inputs": [tensor("x", "FP64", [1])]})
    assert (answer.status, list(answer.json)) == (400, ["error"])
    assert b"secret" not in answer.body
