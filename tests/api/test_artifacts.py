"""Files kept with runs, and read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gitml import MlflowException


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "out"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("alpha")
    (folder / "sub" / "big.bin").write_bytes(bytes(range(256)) * 1000)
    return folder


def test_files_and_folders(mlflow, files, tmp_path):
    with mlflow.start_run() as run:
        mlflow.log_artifact(files / "a.txt")
        mlflow.log_artifact(str(files / "a.txt"), "texts")
        mlflow.log_artifact(files)
        mlflow.log_artifacts(str(files), "all")
        live = mlflow.artifacts.list_artifacts(run_id=run.run_id)
    listed = mlflow.artifacts.list_artifacts(run_id=run.run_id)
    assert listed == live
    assert [(f.path, f.is_dir, f.file_size) for f in listed] == [
        ("a.txt", False, 5), ("all", True, None), ("out", True, None), ("texts", True, None),
    ]  # fmt: skip
    inner = mlflow.artifacts.list_artifacts(run_id=run.run_id, artifact_path="all/sub")
    assert [(f.path, f.file_size) for f in inner] == [("all/sub/big.bin", 256_000)]
    assert mlflow.artifacts.list_artifacts(run_id=run.run_id, artifact_path="a.txt") == []
    local = mlflow.artifacts.download_artifacts(
        run_id=run.run_id, artifact_path="all", dst_path=tmp_path / "copy"
    )
    assert Path(local) == tmp_path / "copy" / "all"
    assert (Path(local) / "sub" / "big.bin").read_bytes() == (files / "sub" / "big.bin").read_bytes()
    everything = mlflow.artifacts.download_artifacts(run_id=run.run_id)
    assert (Path(everything) / "texts" / "a.txt").read_text() == "alpha"


def test_uris(mlflow):
    with mlflow.start_run() as run:
        mlflow.log_text("hello", "notes/a.txt")
        mlflow.log_dict({"a": [1, {"b": None}]}, "c.json")
        mlflow.log_dict({"a": [1, {"ü": "x"}]}, "c.yaml")
        mlflow.log_dict([1, {"x": None}], "deep/list.yml")
        assert mlflow.get_artifact_uri() == run.info.artifact_uri == f"runs:/{run.run_id}"
        uri = mlflow.get_artifact_uri("notes/a.txt")
        assert mlflow.artifacts.load_text(uri) == "hello"
    assert mlflow.artifacts.load_text(uri) == "hello"
    assert mlflow.artifacts.load_text(run.info.artifact_uri + "/notes/a.txt") == "hello"
    assert mlflow.artifacts.load_dict(f"runs:/{run.run_id}/c.json") == {"a": [1, {"b": None}]}
    assert mlflow.artifacts.load_dict(f"runs:/{run.run_id}/c.yaml") == {"a": [1, {"ü": "x"}]}
    assert mlflow.artifacts.load_dict(f"runs:/{run.run_id}/deep/list.yml") == [1, {"x": None}]
    assert Path(mlflow.artifacts.download_artifacts(uri)).read_text() == "hello"
    assert [f.path for f in mlflow.artifacts.list_artifacts(run.info.artifact_uri)] == [
        "c.json",
        "c.yaml",
        "deep",
        "notes",
    ]
    for call in (
        mlflow.artifacts.download_artifacts,
        lambda: mlflow.artifacts.download_artifacts(uri, run_id=run.run_id),
        lambda: mlflow.artifacts.download_artifacts("s3://bucket/x"),
        lambda: mlflow.artifacts.load_text(f"runs:/{run.run_id}/nope"),
        lambda: mlflow.artifacts.load_text("runs:/nope/x"),
        lambda: mlflow.artifacts.load_dict(uri),
    ):
        with pytest.raises(MlflowException):
            call()


def test_local_files_pass_through(mlflow, files, tmp_path):
    path = files / "a.txt"
    assert mlflow.artifacts.load_text(str(path)) == "alpha"
    assert mlflow.artifacts.load_text(path.as_uri()) == "alpha"
    assert mlflow.artifacts.download_artifacts(str(path)) == str(path)
    copied = mlflow.artifacts.download_artifacts(str(files), dst_path=tmp_path / "new")
    assert (Path(copied) / "a.txt").read_text() == "alpha"


def test_streams(mlflow, tmp_path):
    data = bytes(range(256)) * 10_000
    (tmp_path / "in").write_bytes(data)
    with mlflow.start_run() as run, (tmp_path / "in").open("rb") as stream:
        mlflow.log_stream(stream, "deep/er/out.bin")
    local = mlflow.artifacts.download_artifacts(run_id=run.run_id, artifact_path="deep/er/out.bin")
    assert Path(local).read_bytes() == data


def test_tables_grow(mlflow):
    with mlflow.start_run() as run:
        mlflow.log_table({"q": ["a", "b"], "n": [1, 2]}, "t.json")
        mlflow.log_table(pd.DataFrame({"q": ["c"], "n": [3]}), "t.json")
        mlflow.log_table({"q": "d", "n": 4}, "t.json")
    with mlflow.start_run() as other:
        mlflow.log_table({"q": ["z"], "n": [9]}, "t.json")
        with pytest.raises(MlflowException, match=r"'\.json'"):
            mlflow.log_table({"a": [1]}, "t.csv")
        with pytest.raises(MlflowException, match="neither a DataFrame"):
            mlflow.log_table([1], "t2.json")
    table = mlflow.load_table("t.json", run_ids=[run.run_id])
    assert table.to_dict("list") == {"q": ["a", "b", "c", "d"], "n": [1, 2, 3, 4]}
    both = mlflow.load_table("t.json", extra_columns=["run_id"])
    assert set(both["run_id"]) == {run.run_id, other.run_id}
    assert len(both) == 5
    with mlflow.start_run(run_id=run.run_id):
        mlflow.log_table({"q": ["e"], "n": [5]}, "t.json")
    assert len(mlflow.load_table("t.json", run_ids=[run.run_id])) == 5
    raw = json.loads(mlflow.artifacts.load_text(f"runs:/{other.run_id}/t.json"))
    assert raw == {"columns": ["q", "n"], "data": [["z", 9]]}
    with pytest.raises(MlflowException, match="no run of experiment"):
        mlflow.load_table("nope.json")


def test_figures(mlflow):
    pyplot = pytest.importorskip("matplotlib.figure")
    figure = pyplot.Figure()
    figure.add_subplot().plot([1, 2])
    with mlflow.start_run() as run:
        mlflow.log_figure(figure, "plots/a.png", save_kwargs={"dpi": 40})
        mlflow.log_figure(figure, "plots/a.svg")
        with pytest.raises(MlflowException, match="neither a matplotlib"):
            mlflow.log_figure(object(), "x.png")
        with pytest.raises(MlflowException, match="can't be written"):
            mlflow.log_figure(figure, "x.nope")
    folder = Path(mlflow.artifacts.download_artifacts(run_id=run.run_id, artifact_path="plots"))
    assert (folder / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "a.svg").read_text()


def test_images(mlflow):
    pillow = pytest.importorskip("PIL.Image")
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    with mlflow.start_run() as run:
        mlflow.log_image(pixels, "a.png")
        mlflow.log_image(np.ones((4, 4), dtype=float), "white.png")
        mlflow.log_image(pillow.fromarray(pixels), key="train/dog", step=3, timestamp=7)
        mlflow.log_image(np.ones((2, 2, 1), dtype=bool), "b.bmp")
        for wrong in (
            np.zeros((3,)),
            np.full((2, 2), 2.0),
            np.zeros((2, 2, 5), np.uint8),
            np.full((2, 2), 300),
        ):
            with pytest.raises(MlflowException):
                mlflow.log_image(wrong, "x.png")
        for arguments in (
            {},
            {"artifact_file": "x.png", "key": "k"},
            {"key": "a%b"},
            {"artifact_file": "x.nope"},
        ):
            with pytest.raises(MlflowException):
                mlflow.log_image(pixels, **arguments)
    back = np.asarray(mlflow.artifacts.load_image(f"runs:/{run.run_id}/a.png"))
    assert (back == pixels).all()
    assert np.asarray(mlflow.artifacts.load_image(f"runs:/{run.run_id}/white.png")).min() == 255
    (series,) = mlflow.artifacts.list_artifacts(run_id=run.run_id, artifact_path="images")
    assert series.path.startswith("images/train~dog+step+3+timestamp+7+")


def test_what_cannot_be_written_says_so(mlflow):
    with mlflow.start_run():
        for name in ("a.json", "a.yaml"):
            with pytest.raises(MlflowException, match="can't be written"):
                mlflow.log_dict({"x": object()}, name)
        with pytest.raises(MlflowException, match="there is no file"):
            mlflow.log_artifact("no/such/file")
