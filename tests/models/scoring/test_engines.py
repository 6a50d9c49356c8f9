"""The same parts, byte by byte, on real local Spark and Ray; and from a bucket."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet
import pytest

from tests.models.scoring.data import save, table, write
from tests.needs import needs
from tests.store.remote.servers import moto

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]
OPTIONS = ("--id-columns", "id", "--part-rows", "150", "--batch-size", "60", "--workers", "2")


@pytest.fixture(scope="module")
def s3_url(tmp_path_factory: pytest.TempPathFactory):
    with moto(tmp_path_factory.mktemp("moto")) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def model(in_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GITML_CACHE_DIR", str(tmp_path / "own"))
    return save(tmp_path / "model")


def score(folder: Path, *words: object, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gitml", "models", "score", *map(str, words)],
        cwd=folder, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stderr


@pytest.mark.parametrize("engine", ["spark", "ray"])
def test_another_engine_makes_the_same_parts(model: Path, in_repo: Path, tmp_path: Path, engine: str):
    needs({"spark": "pyspark"}.get(engine, engine))
    write(tmp_path / "data")
    score(in_repo, model, tmp_path / "data", "-o", "here", *OPTIONS)
    said = score(in_repo, model, tmp_path / "data", "-o", "there", "--engine", engine, *OPTIONS)
    assert "700 rows scored: 5 parts in there" in said
    for path in (in_repo / "here").iterdir():
        assert (in_repo / "there" / path.name).read_bytes() == path.read_bytes(), path.name
    (in_repo / "there/_SUCCESS").unlink()
    (in_repo / "there/part-00002.parquet").unlink()
    assert "4 of them were there before" in score(
        in_repo, model, tmp_path / "data", "-o", "there", "-e", engine, *OPTIONS
    )
    assert not [path for path in (in_repo / "there").iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("engine", ["spark", "ray"])
def test_a_worker_elsewhere_names_file_and_row(model: Path, in_repo: Path, tmp_path: Path, engine: str):
    needs({"spark": "pyspark"}.get(engine, engine))
    frame = table(500)
    frame.loc[450, "a"] = 13  # in the last of three parts
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pandas(frame), tmp_path / "data.parquet", row_group_size=100
    )
    said = score(in_repo, model, tmp_path / "data.parquet", "-o", "out", "-e", engine, *OPTIONS, code=1)
    assert "data.parquet, row 451: the model raised ValueError: 13 brings bad luck" in said
    assert "Traceback" not in said
    assert list((in_repo / "out").glob("part-*.parquet"))  # what was done is kept
    assert not (in_repo / "out/_SUCCESS").exists()


def test_a_bucket_is_read_and_written(
    model: Path, in_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3_url: str
):
    import boto3

    for name, value in (
        ("AWS_ENDPOINT_URL", s3_url), ("AWS_ACCESS_KEY_ID", "testing"), ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    frame = write(tmp_path / "data")
    client = boto3.client("s3", endpoint_url=s3_url)
    client.create_bucket(Bucket="lake")
    for path in (tmp_path / "data").rglob("*.*"):
        client.upload_file(str(path), "lake", f"in/{path.relative_to(tmp_path / 'data')}")
    assert "700 rows" in score(in_repo, model, "s3://lake/in", "-o", "s3://lake/out", *OPTIONS)
    keys = [each["Key"] for each in client.list_objects_v2(Bucket="lake", Prefix="out/")["Contents"]]
    assert {"out/_SUCCESS", "out/_gitml.json", "out/part-00004.parquet"} <= set(keys)
    assert "5 of them" in score(in_repo, model, "s3://lake/in", "-o", "s3://lake/out", *OPTIONS)
    client.delete_object(Bucket="lake", Key="out/_SUCCESS")
    client.put_object(Bucket="lake", Key="out/part-00001.parquet", Body=b"PAR1 broken off")
    assert "4 of them" in score(in_repo, model, "s3://lake/in", "-o", "s3://lake/out", *OPTIONS)
    for key in sorted(key for key in keys if "part-" in key):
        client.download_file("lake", key, str(tmp_path / Path(key).name))
    found = pd.concat([pd.read_parquet(path) for path in sorted(tmp_path.glob("part-*"))])
    assert found["id"].tolist() == frame["id"].tolist()
    assert "300 rows" in score(in_repo, model, "s3://lake/in/**/*.csv", "-o", "csv", *OPTIONS)
    assert "no file or folder" in score(in_repo, model, "s3://lake/nothing", "-o", "o", code=3)
