"""Data sets: names, digests, schemas, and how runs record them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml import MlflowException
from gitml.api import data


@pytest.fixture
def frame():
    return pd.DataFrame(
        {"a": [1, 2], "b": ["x", "y"], "c": [1.5, None], "t": pd.to_datetime(["2026-01-01"] * 2)}
    )


def test_inputs_of_a_run(mlflow, frame, tmp_path):
    file = tmp_path / "train.csv"
    file.write_text("a,b\n1,2\n")
    with mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_pandas(frame, source="s3://b/train.csv", name="train", targets="c"),
                         context="training", tags={"fold": "1"})  # fmt: skip
        mlflow.log_inputs(
            [mlflow.data.from_numpy(np.ones((3, 2))), mlflow.data.from_file(file)], [None, "validation"]
        )
    first, second, third = mlflow.get_run(run.run_id).inputs.dataset_inputs
    assert (first.dataset.name, first.dataset.source_type) == ("train", "s3")
    assert json.loads(first.dataset.source) == {"uri": "s3://b/train.csv"}
    assert {tag.key: tag.value for tag in first.tags} == {"mlflow.data.context": "training", "fold": "1"}
    columns = json.loads(first.dataset.schema)["mlflow_colspec"]
    assert [(c["name"], c["type"], c["required"]) for c in columns] == [
        ("a", "long", True), ("b", "string", True), ("c", "double", False), ("t", "datetime", True),
    ]  # fmt: skip
    assert json.loads(first.dataset.profile)["num_rows"] == 2
    assert json.loads(second.dataset.profile)["features_shape"] == [3, 2]
    assert (third.dataset.name, third.dataset.digest) == (
        "train.csv",
        hashlib.sha256(file.read_bytes()).hexdigest()[:32],
    )
    assert mlflow.search_runs(filter_string="datasets.name = 'train'", output_format="list")
    assert mlflow.search_runs(filter_string="datasets.context = 'validation'", output_format="list")


def test_mlflows_own_data_sets_are_understood(mlflow):
    class Foreign:
        name = "d"
        digest = "abc"

        def to_dict(self):
            return {"name": "d", "digest": "abc", "source": '{"uri": "x.csv"}', "source_type": "local"}

    with mlflow.start_run() as run:
        mlflow.log_input(Foreign())
        with pytest.raises(MlflowException, match="does not describe a data set"):
            mlflow.log_input("train.csv")
        with pytest.raises(MlflowException, match="at most 36"):
            mlflow.log_input(mlflow.data.from_numpy(np.ones(2), digest="x" * 37))
    (found,) = mlflow.get_run(run.run_id).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.source) == ("d", '{"uri": "x.csv"}')
    assert mlflow.get_run(run.run_id).entity.inputs[0].source == "x.csv"


@pytest.mark.parametrize(
    "wrong",
    [
        pd.DataFrame({"a": [1]}),
        pd.DataFrame({"name": ["x"], "digest": ["y"]}),
        pd.Series({"digest": "y"}, name="x"),
        {"name": "x", "digest": "y"},
        data.Dataset,
    ],
    ids=["frame", "frame with the names", "series with the names", "mapping", "class"],
)
def test_data_itself_is_no_data_set(mlflow, wrong):
    with mlflow.start_run() as run:
        with pytest.raises(MlflowException, match="does not describe a data set") as caught:
            mlflow.log_input(wrong)
        assert "gitml.data.from_pandas(df)" in caught.value.hint
    assert mlflow.get_run(run.run_id).inputs.dataset_inputs == []


def test_a_metric_on_a_data_set(mlflow):
    tested = mlflow.data.from_numpy(np.ones(2), name="test")
    with mlflow.start_run() as run:
        mlflow.log_metric("acc", 0.5, dataset=tested)
        mlflow.log_metric("acc", 0.6, dataset=tested)
        mlflow.log_metrics({"f1": 0.6}, dataset=tested)
    assert [i.dataset.name for i in mlflow.get_run(run.run_id).inputs.dataset_inputs] == ["test"]


@pytest.mark.filterwarnings("ignore::gitml.tracking.redaction.SecretRedactedWarning")
def test_a_data_set_is_recorded_once_for_each_use(mlflow, frame):
    trained = mlflow.data.from_pandas(frame, source="https://me:secret@example.org/a.csv", name="d")
    with mlflow.start_run() as run:
        mlflow.log_input()
        assert mlflow.get_run(run.run_id).inputs.dataset_inputs == []
        mlflow.log_input(trained, "train")
        mlflow.log_input(trained, "train")
        mlflow.log_inputs([trained, trained], ["train", "test"])
    with mlflow.start_run(run_id=run.run_id):
        mlflow.log_input(trained, "train")
    inputs = mlflow.get_run(run.run_id).inputs.dataset_inputs
    mlflow.MlflowClient().log_inputs(run.run_id, inputs)
    assert [item.tags[0].value for item in mlflow.get_run(run.run_id).inputs.dataset_inputs] == [
        "train",
        "test",
    ]


def test_lists_of_inputs_go_together(mlflow):
    one = mlflow.data.from_numpy(np.ones(2))
    with mlflow.start_run() as run:
        for arguments in (([one], ["a", "b"]), ([one, one], None, [{}]), (None, ["a"])):
            with pytest.raises(MlflowException, match="an item for each of the"):
                mlflow.log_inputs(*arguments)
    assert mlflow.get_run(run.run_id).inputs.dataset_inputs == []


def test_columns_of_one_name(mlflow):
    double = pd.DataFrame([[1, 2.5]], columns=["a", "a"])
    described = mlflow.data.from_pandas(double)
    assert [(c["name"], c["type"]) for c in described.schema["mlflow_colspec"]] == [
        ("a", "long"),
        ("a", "double"),
    ]
    assert described.digest != mlflow.data.from_pandas(double[["a"]].iloc[:, ::-1]).digest


def test_the_data_stays_with_its_description(frame):
    described = data.from_pandas(frame, targets="c", predictions="a")
    assert described.df is frame
    assert (described.targets, described.predictions) == ("c", "a")
    assert described == data.from_pandas(frame.copy(), targets="c", predictions="a")
    features, targets = {"x": np.ones((3, 2))}, np.zeros(3)
    arrays = data.from_numpy(features, targets=targets)
    assert arrays.features is features
    assert arrays.targets is targets
    assert "df" not in arrays.to_dict() | described.to_dict()


def test_where_data_came_from(mlflow, frame, tmp_path):
    file = tmp_path / "d.csv"
    file.write_text("a\n1\n")
    with mlflow.start_run() as run:
        for source in (file, "https://example.org/a.csv", "s3://b/a.csv", None):
            mlflow.log_input(mlflow.data.from_pandas(frame, source=source), str(source))
    inputs = mlflow.get_run(run.run_id).inputs.dataset_inputs
    sources = [mlflow.data.get_source(item) for item in inputs]
    assert [(source.source_type, source.to_dict()) for source in sources] == [
        ("local", {"uri": str(file)}),
        ("http", {"url": "https://example.org/a.csv"}),
        ("s3", {"uri": "s3://b/a.csv"}),
        ("code", {}),
    ]
    assert sources == [mlflow.data.get_source(item.dataset) for item in inputs]
    assert sources[1].url == sources[1].uri == json.loads(sources[1].to_json())["url"]
    assert mlflow.data.get_source(mlflow.data.from_file(file)).load() == str(file)
    assert sources[0].load(tmp_path / "copy") == str(tmp_path / "copy" / "d.csv")
    with pytest.raises(MlflowException, match="not known where"):
        sources[3].load()
    with pytest.raises(MlflowException, match="does not describe"):
        mlflow.data.get_source("a.csv")


def test_a_source_elsewhere_is_fetched(tmp_path):
    (tmp_path / "a.csv").write_text("a\n1\n")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/a.csv"
        source = data.get_source(data.from_numpy(np.ones(2), source=address))
        found = [source.load(tmp_path / "got"), source.load()]
        server.shutdown()
    assert found[0] == str(tmp_path / "got" / "a.csv")
    assert [Path(path).read_text() for path in found] == ["a\n1\n"] * 2


def test_digests_tell_content_apart(frame, tmp_path):
    base = data.from_pandas(frame).digest
    assert len(base) == 32
    assert data.from_pandas(frame.copy(), name="other", source="x").digest == base
    changed = frame.copy()
    changed.loc[0, "a"] = 7
    assert data.from_pandas(changed).digest != base
    assert data.from_pandas(frame.rename(columns={"a": "z"})).digest != base
    assert data.from_pandas(frame[::-1]).digest != base
    ones = np.ones((2, 3))
    digests = {
        data.from_numpy(array).digest
        for array in (ones, ones.T.copy(), ones.astype("f4"), ones.astype(int), np.zeros((2, 3)), {"x": ones})
    }
    assert len(digests) == 6
    assert data.from_numpy(ones.astype(">f8")).digest == data.from_numpy(np.asfortranarray(ones)).digest
    for name, text in (("a", "1"), ("b/c", "2")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    before = data.from_file(tmp_path)
    assert before.profile == {"num_bytes": 2, "num_files": 2}
    (tmp_path / "b" / "c").rename(tmp_path / "b" / "d")
    assert data.from_file(tmp_path).digest != before.digest


def test_cells_that_cannot_be_hashed(frame):
    frame["l"] = [[1], {"x": 2}]
    first = data.from_pandas(frame).digest
    frame.at[0, "l"] = [2]
    assert data.from_pandas(frame).digest != first


def test_digests_are_the_same_in_every_process(frame):
    code = (
        "import pandas as pd, numpy as np; from gitml.api import data;"
        "print(data.from_pandas(pd.DataFrame({'s': ['a', 'ü'], 'n': [1.5, 2]})).digest,"
        "data.from_numpy(np.array(['x', None], dtype=object)).digest)"
    )
    runs = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                           env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}).stdout
            for seed in ("1", "2")}  # fmt: skip
    assert len(runs) == 1


@given(values=st.lists(st.floats(allow_nan=False) | st.integers(-(2**62), 2**62), min_size=1))
def test_equal_arrays_have_equal_digests(values):
    array = np.array(values)
    assert data.from_numpy(array).digest == data.from_numpy(array.copy()[::1]).digest


def test_wrong_descriptions(frame, tmp_path):
    with pytest.raises(MlflowException, match="is not one of its columns"):
        data.from_pandas(frame, targets="nope")
    with pytest.raises(MlflowException, match="there is no file or folder"):
        data.from_file(tmp_path / "nope")
