"""The scoring protocol where no peer is needed: what is told, batches, limits."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gitml.entities.signature import ModelSignature
from gitml.models.serving.app import App
from tests.models.serving.calling import JSON, ask, get, make_app, score
from tests.models.serving.requests_to_compare import MIXED, RECORD, ROW, mixed, split
from tests.models.serving.served import ECHO, NAMES, PARAMS, save_code, save_iris
from tests.models.serving.served import MIXED as MIXED_SCHEMA

SLOW = "import time\n\ndef predict(model_input):\n    time.sleep(0.4)\n    return [1]\n"
MOODY = """
calls = []

def predict(model_input):
    values = list(model_input["a"])
    calls.append(len(values))
    if 13 in values:
        raise RuntimeError("secret of the server")
    return [value * 2 + 1000 * len(values) for value in values]
"""


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> App:
    return make_app(save_iris(tmp_path_factory.mktemp("iris") / "iris"), max_bytes=100_000)


@pytest.fixture(scope="module")
def mixed_app(tmp_path_factory: pytest.TempPathFactory) -> App:
    signature = ModelSignature(MIXED_SCHEMA, params=PARAMS)
    return make_app(save_code(tmp_path_factory.mktemp("mixed") / "mixed", ECHO, signature))


def test_every_form_of_a_row_gets_the_same_prediction(iris: App) -> None:
    for body in (
        split([ROW]),
        split([ROW[::-1]], NAMES[::-1]),
        {"dataframe_records": [RECORD]},
        {"instances": [RECORD]},
        {"inputs": {name: [value] for name, value in RECORD.items()}},
    ):
        answer = score(iris, body)
        assert (answer.status, answer.json) == (200, {"predictions": [0]}), body
        assert answer.headers["x-gitml-model"] == "iris"


def test_every_form_reaches_the_model_as_its_signature_says(mixed_app: App) -> None:
    row = {**MIXED, "params": {"k": 3, "t": 0.5}}
    for body in (
        mixed(),
        {"inputs": {name: [value] for name, value in MIXED.items()}},
        {"instances": [MIXED]},
    ):
        assert score(mixed_app, body).json == {"predictions": [row]}


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code", "words"),
    [
        (mixed(l="one"), JSON, 400, "BAD_REQUEST", ["'l'", "long", "'one'", "row 0"]),
        (mixed(l=None), JSON, 400, "BAD_REQUEST", ["'l'", "long", "missing values"]),
        (mixed(l="gone", s="gone"), JSON, 400, "INVALID_PARAMETER_VALUE", ["'l' (long)", "'s' (string)", "missing"]),
        (mixed(t="tomorrow"), JSON, 400, "BAD_REQUEST", ["'t'", "datetime", "'tomorrow'"]),
        ({**mixed(), "params": {"k": "five"}}, JSON, 400, "INVALID_PARAMETER_VALUE", ["'k'", "long"]),
        ({"instances": [mixed()], "inputs": []}, JSON, 400, "BAD_REQUEST", ["exactly one of"]),
        (b"", JSON, 400, "BAD_REQUEST", ["empty"]),
        (b"", "text/csv", 400, "BAD_REQUEST", ["empty"]),
        (b'{"inputs": [1', JSON, 400, "BAD_REQUEST", ["JSON", "column"]),
        (b"[" * 50_000, JSON, 400, "BAD_REQUEST", ["JSON"]),
        (b'{"inputs": NaN' + b"[" * 50_000, JSON, 400, "BAD_REQUEST", ["JSON"]),
        (b"l,i,d,f,b,s,t\n1,2,three,4,True,x,2024-01-01\n", "text/csv", 400, "BAD_REQUEST", ["'d' (double)", "'three'"]),
        (b"l,i,d,f,b,s,t\nx,2,3,4,True,x,2024-01-01\n", "text/csv", 400, "BAD_REQUEST", ["'l' (long): got 'x'", "row 0"]),
        (b"PAR1", "application/vnd.apache.parquet", 400, "BAD_REQUEST", ["Parquet"]),
    ],
)  # fmt: skip
def test_bad_input_is_told_by_column_and_type(
    mixed_app: App, body: Any, content_type: str, status: int, code: str, words: list[str]
) -> None:
    answer = score(mixed_app, body, content_type)
    assert (answer.status, answer.json["error_code"]) == (status, code)
    for word in words:
        assert word in answer.json["message"]


def test_other_kinds_of_bodies_and_places_are_refused(iris: App) -> None:
    assert score(iris, b"x", "text/plain").status == 415
    assert (
        score(iris, split([ROW]), "application/json; charset=latin-1").body
        == b"The scoring server only supports UTF-8"
    )
    assert score(iris, split([ROW]), None).status == 415
    found = get(iris, "/nothing")
    assert (found.status, found.json["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    assert (get(iris, "/invocations").status, get(iris, "/invocations").headers["allow"]) == (405, "POST")
    assert get(iris, "/ping", "HEAD").body == b""


def test_a_name_that_leads_here_by_a_trick_is_not_answered(iris: App) -> None:
    for path, method in (("/v2", "GET"), ("/invocations", "POST")):
        answer = asyncio.run(ask(iris, method, path, headers={"host": "attacker.example:5000"}))
        assert (answer.status, answer.json["error_code"]) == (403, "PERMISSION_DENIED")
    assert asyncio.run(ask(iris, "GET", "/v2", headers={"host": "[::1]:5000"})).status == 200


def test_a_body_that_is_too_long_is_refused_before_it_is_read(iris: App) -> None:
    said = asyncio.run(ask(iris, "POST", "/invocations", [b"x"], {"content-length": "100000000"}))
    came = asyncio.run(ask(iris, "POST", "/invocations", [b"x" * 60_000] * 3, {"content-type": JSON}))
    for answer in (said, came):
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert "100,000 bytes" in answer.json["message"]


def test_a_file_that_says_much_with_little_is_refused(iris: App) -> None:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.table(dict.fromkeys(NAMES, pa.array(np.zeros(1_000_000)))), out)
    assert len(out.getvalue()) < 100_000
    assert score(iris, out.getvalue(), "application/vnd.apache.parquet").status == 413


def test_what_takes_too_long_is_given_up(tmp_path: Path) -> None:
    app = make_app(save_code(tmp_path / "slow", SLOW), timeout_s=0.1)
    answer = score(app, {"inputs": [1]})
    assert (answer.status, answer.json["error_code"]) == (504, "DEADLINE_EXCEEDED")

    async def body_that_never_ends() -> int:
        begun = time.monotonic()
        answer = await ask(app, "POST", "/invocations", [], {"content-type": JSON})
        assert time.monotonic() - begun < 5
        return answer.status

    assert asyncio.run(body_that_never_ends()) == 504


def test_requests_at_once_are_predicted_together_and_told_apart(tmp_path: Path) -> None:
    app = make_app(save_code(tmp_path / "moody", MOODY), batch_rows=100)

    async def ask_all(values: list[Any]) -> list[Any]:
        bodies = [json.dumps({"dataframe_records": [{"a": value}]}).encode() for value in values]
        return await asyncio.gather(
            *(ask(app, "POST", "/invocations", body, {"content-type": JSON}) for body in bodies),
            ask(app, "POST", "/invocations", b"{", {"content-type": JSON}),
        )

    *answers, bad = asyncio.run(ask_all([1, 2, 3]))
    assert [answer.json["predictions"] for answer in answers] == [[3002], [3004], [3006]]
    assert bad.status == 400
    answers = asyncio.run(ask_all([1, 13, 3]))[:-1]  # one upsets the model: the others don't feel it
    assert [answer.status for answer in answers] == [200, 400, 200]
    assert [answers[0].json, answers[2].json] == [{"predictions": [1002]}, {"predictions": [1006]}]
    assert b"secret" not in answers[1].body
    counted = get(app, "/metrics").body.decode()
    assert "gitml_batch_requests_sum 6.0" in counted and "gitml_batch_requests_count 2.0" in counted  # noqa: PT018
    assert 'gitml_requests_total{endpoint="/invocations",status="400"} 3.0' in counted


def test_a_model_that_is_not_known_to_go_row_by_row_is_asked_one_by_one(tmp_path: Path) -> None:
    app = make_app(save_code(tmp_path / "moody", MOODY))

    async def two() -> list[Any]:
        body = json.dumps({"dataframe_records": [{"a": 1}]}).encode()
        return await asyncio.gather(
            *(ask(app, "POST", "/invocations", body, {"content-type": JSON}) for _ in range(2))
        )

    assert [answer.json["predictions"] for answer in asyncio.run(two())] == [[1002], [1002]]


def test_predictions_that_can_not_be_told_apart_are_made_one_by_one(tmp_path: Path) -> None:
    code = "def predict(model_input):\n    return {'rows': len(model_input), 'sum': float(model_input['a'].sum())}\n"
    app = make_app(save_code(tmp_path / "total", code), batch_rows=100)

    async def three() -> list[Any]:
        bodies = [json.dumps({"dataframe_records": [{"a": value}]}).encode() for value in (1, 2, 3)]
        return await asyncio.gather(
            *(ask(app, "POST", "/invocations", body, {"content-type": JSON}) for body in bodies)
        )

    assert [answer.json["predictions"]["sum"] for answer in asyncio.run(three())] == [1, 2, 3]
    assert app.scorer.batch_rows == 1


def test_bare_arrays_give_what_tables_give_or_are_not_used(tmp_path: Path) -> None:
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    import gitml.sklearn
    from gitml.models import infer_signature
    from gitml.models.serving.matrices import on_matrices

    table = pd.DataFrame(np.random.default_rng(1).normal(size=(60, 3)), columns=["a", "b", "c"])
    target = (table["a"] > 0).astype(int)
    plain = make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=1))
    picky = make_pipeline(ColumnTransformer([("s", StandardScaler(), ["c"])]), RandomForestClassifier(5))
    coded = make_pipeline(FunctionTransformer(np.abs), RandomForestClassifier(5))
    for number, (model, used) in enumerate(((plain, True), (picky, False), (coded, False))):
        model.fit(table, target)
        folder = tmp_path / str(number)
        gitml.sklearn.save_model(
            model,
            folder,
            signature=infer_signature(table),
            serialization_format="cloudpickle",
            pip_requirements=["numpy"],
        )
        app = make_app(folder)
        found = on_matrices(app.scorer.served.model, list(table.columns), np.dtype("float64"))
        assert (found is not None) is used
        rows = {"dataframe_split": table.to_dict(orient="split")}
        assert score(app, rows).json["predictions"] == model.predict(table).tolist()


def test_the_pages_say_what_the_signature_says(iris: App) -> None:
    document = get(iris, "/openapi.json").json
    row = document["components"]["schemas"]["Row"]
    assert row["required"] == NAMES
    assert row["properties"][NAMES[0]] == {"type": "number", "format": "double", "nullable": True}
    page = get(iris, "/docs")
    assert "sepal length (cm)" in page.body.decode()
    assert "<script" not in page.body.decode()
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
