"""`gitml models predict`: what files and standard input hold, by the model's signature, and what is refused."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gitml
from gitml.models import infer_signature
from gitml.models.batches import as_frame, predict_file
from gitml.models.tables.sinks import open_sink
from tests.models.saved import QUICK

PEOPLE = pd.DataFrame({"age": [40.0, 30.5], "visits": [8, 1]})
TYPED = pd.DataFrame(
    {
        "i": np.array([1], "int32"),
        "f": np.array([1.5], "float32"),
        "b": [True],
        "s": ["x"],
        "t": pd.to_datetime(["2024-01-02"]),
        "l": [[1.5, 2.0]],
    }
)
TENSOR = np.array([[1.5, 2.5]], "float32")

pytestmark = pytest.mark.filterwarnings("ignore:the signature has columns of whole numbers")


@pytest.fixture(autouse=True)
def _own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GITML_CACHE_DIR", str(tmp_path / "own"))


def times(model_input, params=None):
    by = (params or {}).get("by", 1)
    if (model_input["age"] > 1000).any():
        raise ValueError("nobody is that old")
    return [float(value) * by for value in model_input["age"] * 100 + model_input["visits"]]


def types(model_input):
    return [
        " ".join([str(kind) for kind in model_input.dtypes] + [str(value) for value in row])
        for row in model_input.to_numpy(dtype=object).tolist()
    ]


def doubled(model_input):
    assert model_input.dtype == "float32", model_input.dtype
    return model_input.reshape(len(model_input), -1).sum(axis=1) * 2


def save(folder: Path, function, sample, params=None) -> str:
    """Save a model by value."""
    function.__module__ = "__main__"
    signature = infer_signature(sample, params=params)
    gitml.pyfunc.save_model(folder, python_model=function, signature=signature, **QUICK)
    return str(folder)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save(tmp_path_factory.mktemp("people") / "m", times, PEOPLE, {"by": 1})


@pytest.fixture
def predict(gitml, in_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Predict a text, in a file of a name or by standard input; give what is printed."""

    monkeypatch.setenv("GITML_TRUST_MODELS", "1")

    def predicted(model: str, text: str | bytes, name: str | None = "in.csv", *words: str, code: int = 0):
        content = text if isinstance(text, bytes) else text.encode()
        if name is None:
            return gitml(in_repo, "models", "predict", model, *words, code=code, input=content.decode())
        (tmp_path / name).write_bytes(content)
        return gitml(in_repo, "models", "predict", model, "-i", str(tmp_path / name), *words, code=code)

    def printed(*words, **options):
        done = predicted(*words, **options)
        return done.stderr if options.get("code") else json.loads(done.stdout)["predictions"]

    return printed


def test_numbers_in_csv_are_what_the_signature_says(people, predict):
    assert predict(people, "age,visits\n40,8\n30,1\n") == [4008.0, 3001.0]
    # By the last batch alone, `age` would be whole numbers.
    text = "age,visits\n1.5,1\n2.5,2\n3,3\n4,4\n"
    assert predict(people, text, "in.csv", "--batch-rows", "2") == [151.0, 252.0, 303.0, 404.0]
    assert predict(people, "age,visits\n40,8.0\n30,1\n") == [4008.0, 3001.0]
    assert predict(people, "age,visits,more\n,8,x\n30,1,y\n") == [None, 3001.0]
    assert predict(people, '[{"age": 40, "visits": 8.0}]', "in.json") == [4008.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,1\n2,x\n", "column 'visits' (long): got 'x' in row 4"),
        ("1,1\n2,1.5\n", "column 'visits' (long): got '1.5' in row 4"),
        ("1,\n2,2\n", "column 'visits' (long): got nothing in row 3"),
        ("one,1\n2,2\n", "column 'age' (double): got 'one' in row 3"),
        ("1,1\n\n2\n", "row 4 has 1 values, and the first line 2 names"),
        ("1,1\n2,3,4\n", "row 4 has 3 values, and the first line 2 names"),
        ("1,1,1\n2,3,4\n", "row 3 has 3 values, and the first line 2 names"),
        ("1,1,\n", "row 3 has 3 values, and the first line 2 names"),
        ("1,1,", "row 3 has 3 values, and the first line 2 names"),
        ('1,1\n2,"3\n', "a quote is never closed, in row 4"),
        ("1,1\n\udcff,3\n", "row 4 is no UTF-8"),
    ],
)
def test_csv_that_does_not_fit_names_the_row_of_the_file(people, predict, text: str, message: str):
    whole = f"age,visits\n5,5\n6,6\n{text}".encode(errors="surrogateescape")
    assert message in predict(people, whole, "in.csv", "--batch-rows", "2", code=2)


def test_every_type_can_be_predicted_from_text(tmp_path, predict):
    model = save(tmp_path / "m", types, TYPED)
    wanted = "int32 float32 bool object datetime64[ns] object 1 1.5 True 007 2024-01-02 00:00:00 [1.5, 2.0]"
    text = 'i,f,b,s,t,l\n1,1.5,true,007,2024-01-02,"[1.5, 2]"\n'
    assert predict(model, text) == [wanted]
    assert predict(model, text.replace("true", "1").replace("1,1.5", "1.0,1.5")) == [wanted]
    row = {"i": 1, "f": 1.5, "b": True, "s": "007", "t": "2024-01-02", "l": [1.5, 2]}
    for name, content in (("in.json", [row]), ("in.jsonl", row)):
        (found,) = predict(model, json.dumps(content), name)
        assert found.split()[:3] == ["int32", "float32", "bool"]
        assert found.endswith("1 1.5 True 007 2024-01-02 00:00:00 [1.5, 2.0]")
    for cell, wrong in (
        ("1,1.5", "3000000000,1.5"),
        ("true", "maybe"),
        ("2024-01-02", "soon"),
        ("[1.5", "[no"),
    ):
        assert "in row 1" in predict(model, text.replace(cell, wrong), code=2).replace(
            ": row 1:", " in row 1"
        )


@pytest.mark.parametrize("shape", [(-1, 2), (-1, 1, 2)])
def test_text_becomes_the_tensor_of_a_signature(tmp_path, predict, shape):
    model = save(tmp_path / "m", doubled, TENSOR.reshape(shape))
    assert predict(model, "a,b\n1.5,2.5\n1,2\n") == [8.0, 6.0]
    rows = [[1.5, 2.5], [1, 2]] if len(shape) == 2 else [[[1.5, 2.5]], [[1, 2]]]
    for asked in (rows, {"inputs": rows}, {"instances": rows}):
        assert predict(model, json.dumps(asked), "in.json", "--batch-rows", "1") == [8.0, 6.0]
    assert predict(model, "\n".join(map(json.dumps, rows)), "in.jsonl") == [8.0, 6.0]
    assert "column 'b' (float32): got 'x' in row 2" in predict(model, "a,b\n1,2\n1,x\n", code=2)


@pytest.mark.parametrize(
    "asked",
    [
        [{"age": 40, "visits": 8}, {"age": 30.5, "visits": 1}],
        {"dataframe_records": [{"age": 40, "visits": 8}, {"age": 30.5, "visits": 1}]},
        {"dataframe_split": {"columns": ["visits", "age"], "data": [[8, 40], [1, 30.5]]}},
        {"instances": [{"age": 40, "visits": 8}, {"age": 30.5, "visits": 1}]},
        {"inputs": {"age": [40, 30.5], "visits": [8, 1]}},
    ],
)
def test_json_is_what_a_server_is_asked_with(people, predict, asked):
    assert predict(people, json.dumps(asked), "in.json", "--batch-rows", "1") == [4008.0, 3051.0]
    if isinstance(asked, dict):
        told = json.dumps({**asked, "params": {"by": 2}})
        assert predict(people, told, "in.json") == [8016.0, 6102.0]
        assert "'by'" in predict(people, told.replace('"by": 2', '"by": "two"'), "in.json", code=2)


def test_standard_input_is_json_if_nothing_is_said(people, predict):
    asked = '{"dataframe_records": [{"age": 40, "visits": 8}]}'
    assert predict(people, asked, None) == predict(people, asked, None, "-i", "-") == [4008.0]
    assert predict(people, "age,visits\n40,8\n", None, "-t", "csv") == [4008.0]
    assert predict(people, '{"age": 40, "visits": 8}\n', None, "-i", "-", "-t", "jsonl") == [4008.0]
    assert "standard input" in predict(people, "age\n40\n", None, code=2)
    assert "not read from standard input" in predict(people, "", None, "-t", "parquet", code=2)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("in.json", "null", "got null"),
        ("in.json", "3", "it must be a list of records"),
        ("in.json", '{"rows": []}', "it must be a list of records"),
        ("in.json", "", "it is empty"),
        ("in.json", "[1,\n2", "it is no JSON: ',' or the closing bracket is missing, line 2"),
        ("in.json", "[" * 50_000, "it is nested too deep"),
        ("in.json", '{"inputs": [], "instances": []}', "got an object with 'inputs', 'instances'"),
        ("in.json", f'[{{"age": {"9" * 5000}}}]', "Exceeds the limit"),
        ("in.json", '{"dataframe_split": [1]}', "'dataframe_split' must be a JSON object"),
        ("in.json", '[{"age": 1, "visits": 1}, {"age": 1, "visits": "x"}]', "got 'x' (str) in row 2"),
        ("in.json", "[[1, 2]]", "expected an object as every row"),
        ("in.jsonl", '{"age": 1, "visits": 2}\n\n{"age": 1\n', "line 3: it is no JSON"),
        ("in.jsonl", '{"age": 1, "visits": 2}\n{"age": 1, "visits": []}\n', "in row 2"),
        ("in.csv", "", "it is empty"),
        ("in.csv", "age,visits\r1,2\r", "its lines end with CR alone"),
    ],
)
def test_what_has_another_form_is_refused_in_words_of_its_own(people, predict, name, text, message):
    said = predict(people, text, name, "--batch-rows", "1", code=2)
    assert message in said
    assert "pandas" not in said


def test_what_is_said_of_every_batch_is_said_once(people, gitml, in_repo, tmp_path):
    (tmp_path / "in.csv").write_text("age,visits,more\n40,8,1\n30,1,1\n")
    words = ("-i", str(tmp_path / "in.csv"), "--batch-rows", "1", "--trust")
    said = gitml(in_repo, "models", "predict", people, *words).stderr
    assert said.count("columns that the model's signature lacks are left out: 'more'") == 1


def test_the_table_itself_is_never_written_over(people, gitml, in_repo, tmp_path):
    table = tmp_path / "in.csv"
    table.write_text("age,visits\n40,8\n")
    (tmp_path / "link.csv").symlink_to(table)
    os.link(table, tmp_path / "other.csv")
    for name in ("in.csv", "link.csv", "other.csv"):
        words = ("models", "predict", people, "--trust", "-i", str(table), "-o", str(tmp_path / name))
        assert "is the table itself" in gitml(in_repo, *words, code=2).stderr
        assert table.read_text() == "age,visits\n40,8\n"


def test_json_is_printed_as_a_whole_or_not_at_all(people, gitml, in_repo, tmp_path):
    table = tmp_path / "in.csv"
    table.write_text("age,visits\n40,8\n30,1\n2000,1\n")
    words = ("models", "predict", people, "--trust", "-i", str(table), "--batch-rows", "1")
    failed = gitml(in_repo, *words, code=1)
    assert failed.stdout == ""
    assert "the model can't predict rows 3 to 3: ValueError: nobody is that old" in failed.stderr
    lines = gitml(in_repo, *words, "--output-format", "jsonl", code=1)
    assert [json.loads(line) for line in lines.stdout.splitlines()] == [
        {"prediction": 4008.0}, {"prediction": 3001.0}
    ]  # fmt: skip


def test_a_stream_is_read_while_it_comes(people):
    """Rows are predicted before the rest is there, so what is in memory is a batch."""
    seen: list[int] = []

    class Endless(io.RawIOBase):
        def __init__(self):
            self.sent = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            if seen:
                raise EOFError
            line = b"age,visits\n" if not self.sent else b"40,8\n"
            self.sent += 1
            buffer[: len(line)] = line
            return len(line)

    model = gitml.pyfunc.load_model(people, trust=True)
    with pytest.raises(EOFError), open_sink(None, "csv", io.StringIO()) as sink:
        stream = io.BufferedReader(Endless(), 64)
        predict_file(model, stream, "csv", sink, rows=3, advance=seen.append)
    assert seen == [3]


def test_predictions_that_are_no_columns_are_cells():
    assert as_frame({"y": np.ones((2, 2))})["y"].tolist() == [[1, 1], [1, 1]]
    assert as_frame({"answer": "yes", "chance": 0.5}).to_dict("records") == [{"answer": "yes", "chance": 0.5}]
    assert as_frame("yes")["prediction"].tolist() == ["yes"]
