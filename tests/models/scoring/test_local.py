"""Files through a model, in processes of this machine: all rows, in order, resumed, and who fails is named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

import gitml
from gitml.errors import GitmlError, InvalidValueError, NotFoundError, UsageError
from gitml.models.scoring.engines import EngineOptions
from gitml.models.scoring.errors import OtherPredictionsError, RowError
from gitml.models.scoring.scoring import Options, Scored, score
from gitml.models.scoring.worker import PieceError
from tests.models.saved import QUICK, elsewhere
from tests.models.scoring.data import expected, save, table, write


@pytest.fixture(autouse=True)
def _own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GITML_CACHE_DIR", str(tmp_path / "own"))


@pytest.fixture
def model(in_repo: Path, tmp_path: Path) -> Path:
    return save(tmp_path / "model")


def scored(model: Path, data: str | Path, out: Path, **options) -> Scored:
    done = []

    @contextmanager
    def show(total: int):
        yield done.append
        assert sum(done) == total

    chosen = Options(
        running=EngineOptions(workers=1), **{"part_rows": 150, "batch_rows": 60, "ids": ["id"], **options}
    )
    return score(model, [str(data)], str(out), chosen, show)


def test_all_files_of_a_folder_in_processes(model, gitml, in_repo: Path, tmp_path: Path):
    frame = write(tmp_path / "data")
    words = ("--id-columns", "id", "--part-rows", "150", "--batch-size", "60", "--workers", "2")
    said = gitml(in_repo, "models", "score", str(model), str(tmp_path / "data"), "-o", "scores", *words)
    assert "700 rows scored: 5 parts in scores" in said.stderr
    found = pd.read_parquet(in_repo / "scores")
    assert found["id"].tolist() == frame["id"].tolist()  # 00007 is no 7
    assert np.allclose(found["prediction"], expected(frame))
    record = json.loads((in_repo / "scores/_gitml.json").read_text())
    assert record["of"]["model"]["digest"].startswith("sha256:")
    assert [Path(file["path"]).name for file in record["of"]["data"]] == ["a.parquet", "b.csv", "c.csv"]


def test_workers_end_with_whoever_started_them(in_repo: Path, tmp_path: Path):
    code = (
        "import time\nfrom gitml.models import set_model\n\ndef predict(model_input):\n    time.sleep(0.1)\n"
    )
    (tmp_path / "slow.py").write_text(code + "    return model_input['a']\n\nset_model(predict)\n")
    gitml.pyfunc.save_model(tmp_path / "slow", python_model=str(tmp_path / "slow.py"), **QUICK)
    table(20_000).to_csv(tmp_path / "data.csv", index=False)
    words = ("-o", "scores", "--part-rows", "10", "--batch-size", "5", "--workers", "2")
    command = [
        sys.executable,
        "-m",
        "gitml",
        "models",
        "score",
        str(tmp_path / "slow"),
        str(tmp_path / "data.csv"),
    ]
    with subprocess.Popen(
        [*command, *words], cwd=in_repo, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as started:  # fmt: skip
        try:
            until = time.monotonic() + 60
            while not (in_repo / "scores/part-00002.parquet").exists():
                assert started.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
            started.kill()
            # All of them have the pipe: it ends with the last of them.
            started.communicate(timeout=30)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)


def test_what_is_finished_is_kept_and_what_is_not_is_done_again(model, tmp_path: Path):
    write(tmp_path / "data")
    out = tmp_path / "out"
    assert scored(model, tmp_path / "data", out) == Scored(str(out), 5, 700, 0)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (out / "_SUCCESS").unlink()
    (out / "part-00001.parquet").unlink()
    (out / "part-00003.parquet").write_bytes(before["part-00003.parquet"][:500])
    kept = (out / "part-00000.parquet").stat().st_ino
    assert scored(model, tmp_path / "data", out, batch_rows=17).kept == 3
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert (out / "part-00000.parquet").stat().st_ino == kept
    assert scored(model, tmp_path / "data", out).kept == 5
    for change in ({"ids": []}, {"part_rows": 10}):
        with pytest.raises(OtherPredictionsError, match=r"…\); of other options\n"):
            scored(model, tmp_path / "data", out, **change)
    (tmp_path / "data/read.me.csv").write_text("id,a,word\n1,1,x\n")
    with pytest.raises(OtherPredictionsError, match=r"…\); of other data\n"):
        scored(model, tmp_path / "data", out)
    with pytest.raises(OtherPredictionsError, match="something else"):
        scored(model, tmp_path / "data", model)


def test_another_version_is_named(mlflow, gitml, git_repo: Path, tmp_path: Path):
    for number in (1, 2):
        code = (
            "from gitml.models import set_model\n\ndef predict(model_input):\n    return model_input['a'] * "
        )
        (tmp_path / "times.py").write_text(f"{code}{number}\n\nset_model(predict)\n")
        with mlflow.start_run():
            mlflow.pyfunc.log_model(
                "model", python_model=str(tmp_path / "times.py"), registered_model_name="churn", **QUICK
            )
    table(5).to_csv(tmp_path / "data.csv", index=False)
    words = (str(tmp_path / "data.csv"), "-o", "scores", "--workers", "1")
    gitml(git_repo, "models", "score", "churn@v2", *words)
    done = gitml(git_repo, "models", "score", "churn@v1", *words, code=4)
    assert "scores' has predictions of 'churn' v2, and 'churn' v1 is asked for" in done.stderr
    assert "other data" not in done.stderr
    (tmp_path / "data.csv").write_text("a\n1\n")
    assert (
        "is asked for; of other data\n"
        in gitml(git_repo, "models", "score", "churn@v1", *words, code=4).stderr
    )


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_file_and_the_row_that_fail_are_named(model, tmp_path: Path, kind: str):
    frame = table(500)
    frame.loc[321, "a"] = 13
    source = tmp_path / f"data.{kind}"
    if kind == "csv":
        frame.to_csv(source, index=False)
    else:
        pyarrow.parquet.write_table(pyarrow.Table.from_pandas(frame), source, row_group_size=100)
    with pytest.raises(
        PieceError, match=f"{source}, row 322: the model raised ValueError: 13 brings bad luck"
    ):
        scored(model, source, tmp_path / "out")
    assert not (tmp_path / "out/_SUCCESS").exists()
    assert (tmp_path / "out/part-00000.parquet").exists()  # what came before is not lost


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,a,word\n1,2,x\n\n2,three,x\n", "row 2: .*'three'"),
        ("id,a,word\n1,2,x\n2,3\n", "row 2: .*Expected 3 columns, got 2"),
        ('id,a,word\n1,2,x\n2,3,"x\n', "never closed, in row 2"),
        ("id,a\n1,2\n", "row 1: .*'word' .*is missing"),
        ("name,a,word\n1,2,x\n", "no column 'id'"),
        ("id,a,id\n1,2,3\n", "two columns 'id'"),
    ],
)
def test_csv_that_does_not_fit(model, tmp_path: Path, text: str, message: str):
    (tmp_path / "data.csv").write_text(text)
    with pytest.raises((RowError, InvalidValueError), match=message) as caught:
        scored(model, tmp_path / "data.csv", tmp_path / "out")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_data_that_are_not_there_or_none(model, tmp_path: Path):
    write(tmp_path / "data")
    (tmp_path / "data/broken.parquet").write_bytes(b"PAR1 nothing")
    (tmp_path / "data/empty.csv").write_text("")
    with pytest.raises(InvalidValueError, match="broken.parquet"):
        scored(model, tmp_path / "data/br*.parquet", tmp_path / "out")
    for name in ("data/nothing", "data/*.txt", "data/more/*.parquet"):
        with pytest.raises(NotFoundError):
            scored(model, tmp_path / name, tmp_path / "out")
    with pytest.raises(UsageError, match="no .csv or .parquet"):
        scored(model, tmp_path / "data/read.me", tmp_path / "out")
    with pytest.raises(UsageError, match="has the data in it"):
        scored(model, tmp_path / "data/b.csv", tmp_path / "data")
    with pytest.raises(UsageError, match="password"):
        scored(model, "s3://me:secret@bucket/data", tmp_path / "out")
    assert scored(model, tmp_path / "data/e*.csv", tmp_path / "none").rows == 0
    assert (tmp_path / "none/_SUCCESS").exists()
    assert scored(model, tmp_path / "data/**/[bc].csv", tmp_path / "two").rows == 300


def test_text_of_csv_is_what_it_is_beside_predictions_and_may_be_a_gap_for_the_model(model, tmp_path: Path):
    (tmp_path / "data.csv").write_text("id,a,word\nNA,1,NA\n007,,x\n")
    scored(model, tmp_path / "data.csv", tmp_path / "out", ids=["id", "word"])
    found = pyarrow.parquet.read_table(tmp_path / "out/part-00000.parquet").to_pylist()
    assert [(row["id"], row["word"]) for row in found] == [("NA", "NA"), ("007", "x")]
    assert [row["prediction"] for row in found] == [None, None]


def test_a_model_of_others_needs_a_word(model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path / "data")
    elsewhere(monkeypatch, tmp_path / "other")
    with pytest.raises(gitml.models.UntrustedModelError):
        scored(model, tmp_path / "data", tmp_path / "out")
    assert scored(model, tmp_path / "data", tmp_path / "out", trust=True).rows == 700


def test_predictions_that_are_no_row_for_a_row_or_change_their_type(in_repo: Path, tmp_path: Path):
    table(30).assign(a=range(30)).to_parquet(tmp_path / "data.parquet", row_group_size=10)

    def first_only(model_input):
        return model_input["a"].to_numpy()[:1]

    def later_text(model_input):
        return [float(value) if value < 25 else "many" for value in model_input["a"]]

    for number, (function, message) in enumerate(
        [
            (first_only, "row 1: .*there are 1 for 10 rows"),
            (later_text, "row 21: .*'prediction' is double"),
        ]
    ):
        folder = tmp_path / f"model{number}"
        gitml.pyfunc.save_model(folder, python_model=function, pip_requirements=["numpy"])
        with pytest.raises(GitmlError, match=message):
            scored(folder, tmp_path / "data.parquet", tmp_path / f"out{number}", part_rows=10, batch_rows=10)
