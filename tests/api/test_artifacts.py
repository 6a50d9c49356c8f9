"""Files kept with runs, and read back."""

from __future__ import annotations

import json
import os
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


@pytest.mark.parametrize(
    ("floats", "drawn"),
    [
        ([[0.0, 1.0, 2.0, -2.0]], [[127, 191, 255, 0]]),
        ([[2.0, 2.0]], [[0, 0]]),
        ([[0.5, float("nan"), float("inf")]], [[127, 0, 255]]),
        ([[-1.0, 3.0, float("nan"), float("-inf")]], [[0, 255, 0, 0]]),
    ],
    ids=["wide", "constant", "not finite", "wide and not finite"],
)
def test_floats_that_are_no_brightness_are_rescaled(mlflow, floats, drawn):
    pytest.importorskip("PIL")
    with mlflow.start_run() as run, pytest.warns(UserWarning, match="the picture") as caught:
        mlflow.log_image(np.array(floats), "a.png")
    assert {Path(warning.filename).name for warning in caught} == {Path(__file__).name}
    assert np.asarray(mlflow.artifacts.load_image(f"runs:/{run.run_id}/a.png")).tolist() == drawn


def test_an_image_of_its_own(mlflow, tmp_path):
    pytest.importorskip("PIL")
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    image = mlflow.Image(pixels)
    image.save(tmp_path / "a.png")
    assert image.size == (4, 2)
    for same in (image, mlflow.Image(tmp_path / "a.png"), mlflow.Image(image.to_pil()), mlflow.Image(image)):
        assert (same.to_array() == pixels).all()
    assert image.to_list() == pixels.reshape(8, 3).tolist()
    assert mlflow.Image([[1, 2]]).to_list() == [1, 2]
    with mlflow.start_run() as run:
        mlflow.log_image(image, "a.png")
    assert (np.asarray(mlflow.artifacts.load_image(f"runs:/{run.run_id}/a.png")) == pixels).all()
    assert mlflow.Image(pixels).resize((2, 2)).size == (2, 2)
    (tmp_path / "b.png").write_text("no picture")
    for wrong in (5, tmp_path / "b.png", tmp_path / "none.png", "text"):
        with pytest.raises(MlflowException):
            mlflow.Image(wrong)


@pytest.mark.parametrize("name", ["t.json", "x/t.parquet"])
def test_pictures_in_tables(mlflow, name):
    pillow = pytest.importorskip("PIL.Image")
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    pixels = np.full((300, 400, 3), 7, np.uint8)
    table = pd.DataFrame({"q": ["b", "c"], "img": [None, pillow.new("RGB", (3, 2))]}, index=[5, 6])
    with mlflow.start_run() as run:
        mlflow.log_table({"q": "a", "img": mlflow.Image(pixels)}, name)
        mlflow.log_table(table, name)
        with pytest.raises(MlflowException, match="'img' has pictures and something else"):
            mlflow.log_table({"img": [mlflow.Image(pixels), "text"]}, name)
    assert isinstance(table.loc[6, "img"], pillow.Image)
    loaded = mlflow.load_table(name, run_ids=[run.run_id])
    assert loaded["q"].tolist() == ["a", "b", "c"]
    first, none, second = loaded["img"]
    assert none is None
    folder = f"table_images/{name.partition('.')[0]}"
    files = {file.path for file in mlflow.artifacts.list_artifacts(f"runs:/{run.run_id}/{folder}")}
    assert files == {cell[key] for cell in (first, second) for key in ("filepath", "compressed_filepath")}
    assert first["type"] == "image"
    whole = mlflow.artifacts.load_image(f"runs:/{run.run_id}/{first['filepath']}")
    assert (np.asarray(whole) == pixels).all()
    small = mlflow.artifacts.load_image(f"runs:/{run.run_id}/{first['compressed_filepath']}")
    assert (small.format, small.size) == ("WEBP", (256, 192))


@pytest.mark.parametrize("how", ["id", "uri", "client", "live"])
@pytest.mark.parametrize(
    ("path", "put"),
    [("d/sub/b.txt", "b.txt"), ("d/sub", "sub/b.txt"), ("d", "d/sub/b.txt"), ("", "d/sub/b.txt")],
)
def test_a_download_has_its_own_name_only(mlflow, in_repo, how, path, put):
    with mlflow.start_run() as run:
        mlflow.log_text("new", "d/sub/b.txt")
        mlflow.log_text("x" * 200_000, "d/sub/big.txt")
        uri = f"runs:/{run.run_id}/{path}"
        if how == "live":
            found = mlflow.artifacts.download_artifacts(uri, dst_path="out/1")
    Path("out/1", put).parent.mkdir(parents=True, exist_ok=True)
    if how != "live":
        Path("out/1", put).write_text("old")
        found = {
            "id": lambda: mlflow.artifacts.download_artifacts(
                run_id=run.run_id, artifact_path=path, dst_path="out/1"
            ),
            "uri": lambda: mlflow.artifacts.download_artifacts(uri, dst_path="out/1", registry_uri=None),
            "client": lambda: mlflow.MlflowClient().download_artifacts(run.run_id, path, "out/1"),
        }[how]()
    assert found == str((in_repo / "out" / "1" / (path.rpartition("/")[2])).absolute())
    assert Path("out/1", put).read_text() == "new"
    assert {entry.name for entry in Path("out/1").iterdir()} == {put.partition("/")[0]}
    if put == "sub/b.txt":
        assert Path("out/1/sub/big.txt").stat().st_size == 200_000


def test_a_download_replaces_no_folder_and_leaves_by_no_link(mlflow, tmp_path):
    with mlflow.start_run() as run:
        mlflow.log_text("new", "d/sub/b.txt")
    (tmp_path / "a" / "b.txt").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "sub").write_text("a file")
    (tmp_path / "c").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "c" / "sub").symlink_to(tmp_path / "elsewhere")
    for path, folder, said in (
        ("d/sub/b.txt", "a", "is a folder"),
        ("d/sub", "b", "is a file"),
        ("d/sub", "c", "leads out of"),
        ("d/nope", "a", "no artifact 'd/nope'"),
    ):
        with pytest.raises(MlflowException, match=said):
            mlflow.artifacts.download_artifacts(
                run_id=run.run_id, artifact_path=path, dst_path=tmp_path / folder
            )
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert [entry.name for entry in (tmp_path / "a").iterdir()] == ["b.txt"]


@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
def test_dictionaries_with_values_of_libraries(mlflow, name):
    class Named(dict):
        pass

    with mlflow.start_run() as run:
        mlflow.log_dict(
            {
                "f": np.float32(1.5), "d": np.float64(0.1), "n": np.int64(3), "b": np.bool_(True),
                "s": np.str_("x"), "a": np.arange(4).reshape(2, 2), "t": pd.Timestamp("2020-01-02"),
                "m": np.array(["2020-01-02"], "datetime64[ns]"), "p": Path("a/b"), "c": 1 + 2j,
                "k": np.float32, "named": Named(x=(1, np.int8(2))),
            },
            name,
        )  # fmt: skip
    assert mlflow.artifacts.load_dict(f"runs:/{run.run_id}/{name}") == {
        "f": 1.5, "d": 0.1, "n": 3, "b": True, "s": "x", "a": [[0, 1], [2, 3]], "t": "2020-01-02 00:00:00",
        "m": ["2020-01-02T00:00:00.000000000"], "p": "a/b", "c": "(1+2j)", "k": "<class 'numpy.float32'>",
        "named": {"x": [1, 2]},
    }  # fmt: skip


def test_what_cannot_be_written_says_so(mlflow):
    within = {}
    within["itself"] = within
    with mlflow.start_run():
        for wrong in ({(1, 2): 3}, within):
            with pytest.raises(MlflowException, match="can't be written"):
                mlflow.log_dict(wrong, "a.json")
        for wrong in (5, b"bytes", None):
            with pytest.raises(MlflowException, match="not text"):
                mlflow.log_text(wrong, "a.txt")
        with pytest.raises(MlflowException, match="there is no file"):
            mlflow.log_artifact("no/such/file")


def test_what_is_there_but_no_file_is_called_what_it_is(mlflow, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, target in (
        ("linked", "pipe"),
        ("astray", "nothing"),
        ("circle", "circle"),
        ("null", os.devnull),
    ):
        (tmp_path / name).symlink_to(target)
    kinds = {
        "pipe": "a pipe", "linked": "a pipe", "astray": "a link to nothing", "circle": "a link in a circle",
        "null": "no regular file",
    }  # fmt: skip
    with mlflow.start_run():
        for name, kind in kinds.items():
            with pytest.raises(MlflowException, match=f"{name}' is {kind}"):
                mlflow.log_artifact(tmp_path / name)
