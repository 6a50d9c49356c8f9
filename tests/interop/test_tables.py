"""`gitml export table`: runs or points as Parquet, CSV or JSON lines."""

from __future__ import annotations

import csv
import json
import math
import os

import pytest

from gitml.entities.run import RunStatus
from gitml.repo import RUNS_REF
from gitml.tracking.commit import finish_run
from gitml.tracking.start import start_run
from tests.sync.forge import Forge, a_run


@pytest.fixture
def parquet():
    if "CI" not in os.environ:
        pytest.importorskip("pyarrow")
    import pyarrow.parquet

    return pyarrow.parquet


@pytest.fixture
def runs(repo):
    made = []
    for number in range(3):
        live = start_run(
            repo, name=f"run {number}", experiment="churn",
            params={"lr": 0.1 * number, "mixed": number or "text", "layers": [1, 2], "big": 10**30},
            note='two\nlines, "quoted"' if number == 1 else "",
        )  # fmt: skip
        for step in range(4):
            live.log_metric("loss", 1 / (step + 1), step=step)
        live.log_metric("odd", math.nan if number else math.inf)
        if number == 2:
            live.log_metric("exact", 2**70)
        finish_run(repo, live, RunStatus.FINISHED)
        made.append(live.run_id)
    return made


def test_a_table_has_the_columns_of_search_runs(cli, runs, mlflow, tmp_path, monkeypatch):
    file = tmp_path / "runs.csv"
    assert cli("export", "table", file).out == f"wrote 3 runs to {file}\n"
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["run_id"] for row in rows] == runs
    frame = mlflow.search_runs(search_all_experiments=True)
    assert set(rows[0]) == set(frame.columns)
    assert rows[2]["metrics.exact"] == str(2**70)
    assert rows[2]["params.lr"] == "0.2"
    assert (rows[0]["metrics.odd"], rows[1]["metrics.odd"], rows[0]["metrics.exact"]) == ("inf", "nan", "")
    assert (rows[0]["params.layers"], rows[0]["params.big"]) == ("[1, 2]", str(10**30))
    assert rows[1]["tags.mlflow.note.content"] == 'two\nlines, "quoted"'
    assert rows[0]["start_time"].endswith("Z")


def test_several_experiments_are_exported(cli, repo, runs, tmp_path):
    finish_run(repo, start_run(repo, name="other", experiment="other"), RunStatus.FINISHED)
    finish_run(repo, start_run(repo, name="third", experiment="third"), RunStatus.FINISHED)
    file = tmp_path / "runs.csv"
    assert cli("export", "table", file, "-e", "churn", "-e", "other").out == f"wrote 4 runs to {file}\n"


def test_json_lines_hold_what_a_run_has(cli, runs, tmp_path):
    file = tmp_path / "runs.jsonl"
    cli("export", "table", file, "--filter", "run_name = 'run 2'")
    (row,) = map(json.loads, file.read_text().splitlines())
    assert (row["params.lr"], row["params.mixed"], row["params.layers"]) == (0.2, 2, [1, 2])
    assert (row["metrics.exact"], row["metrics.odd"]) == (2**70, "NaN")
    assert row["status"] == "FINISHED"


def test_parquet_has_types(cli, runs, tmp_path, parquet):
    file = tmp_path / "runs.parquet"
    report = cli("export", "table", file, "--json").report
    assert (report["runs"], report["rows"]) == (3, 3)
    table = parquet.read_table(file)
    types = {field.name: str(field.type) for field in table.schema}
    assert types["start_time"] == "timestamp[ms, tz=UTC]"
    assert (types["metrics.loss"], types["metrics.exact"]) == ("double", "string")  # no float holds 2**70 + 1
    assert (types["params.lr"], types["params.mixed"], types["params.big"]) == ("double", "string", "string")
    assert table.column("run_id").to_pylist() == runs
    assert table.column("metrics.exact").to_pylist() == [None, None, str(2**70)]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_history_has_a_line_for_each_point(cli, runs, tmp_path, ending, request):
    file = tmp_path / f"points.{ending}"
    if ending == "parquet":
        parquet = request.getfixturevalue("parquet")
    assert cli("export", "table", file, "--history").out == f"wrote 16 points of 3 runs to {file}\n"
    if ending == "parquet":
        rows = parquet.read_table(file).to_pylist()
    elif ending == "csv":
        with file.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
    else:
        rows = list(map(json.loads, file.read_text().splitlines()))
    assert list(rows[0]) == ["run_id", "metric", "step", "timestamp", "value"]
    loss = [float(row["value"]) for row in rows if row["run_id"] == runs[0] and row["metric"] == "loss"]
    assert loss == [1.0, 0.5, 1 / 3, 0.25]


def test_wrong_words_write_nothing(cli, runs, tmp_path):
    assert (
        "end it with .parquet, .csv or .jsonl" in cli("export", "table", tmp_path / "runs.xlsx", code=2).err
    )
    assert "no attribute" in cli("export", "table", tmp_path / "a.csv", "-f", "nonsense = 3", code=2).err
    (tmp_path / "folder.csv").mkdir()
    assert "is a folder" in cli("export", "table", tmp_path / "folder.csv", code=2).err
    (tmp_path / "there.csv").write_text("mine")
    assert "exists already" in cli("export", "table", tmp_path / "there.csv", code=4).err
    assert (tmp_path / "there.csv").read_text() == "mine"
    cli("export", "table", tmp_path / "there.csv", "--force")
    assert (tmp_path / "there.csv").read_text().startswith("run_id,")
    assert cli("export", "table", tmp_path / "dry.csv", "-n", "--json").report["runs"] == 3
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith((".", "dry", "a."))) == []


def test_a_curve_that_can_not_be_read_stops_no_other(cli, repo, runs, tmp_path):
    tip = repo.git.tip(RUNS_REF)
    damaged = Forge(repo.git).record(a_run(), {"history/loss.tsv": b"not a point\n"}, parents=[tip])
    repo.git.move_ref(RUNS_REF, tip, damaged)
    file = tmp_path / "points.csv"
    done = cli("export", "table", file, "--history", code=6)
    assert done.out == f"wrote 16 points of 4 runs to {file}\n"
    assert "metric 'loss' is not exported" in done.err
    assert "some metrics could not be read; everything else is written" in done.err
