"""`gitml import csv`: a run for each line, or one run with a step for each line."""

from __future__ import annotations

import pytest

from gitml.index import Query
from gitml.tracking import edit, history

SWEEP = "trial,lr,opt,acc,loss,team\na,0.1,adam,0.9,0.30000000000000004,x\nb,1e-3,sgd,nan,,\nc,0.2,adam,12345678901234567890,-inf,y\n"
TRAINING = "epoch,loss,acc,when\n1,0.5,0.1,2026-01-02T03:04:05Z\n2,0.25,,2026-01-02T03:04:06Z\n4,0.125,0.7,2026-01-02T03:04:07Z\n"


def runs_of(repo):
    repo.index.catch_up()
    return {run.name: run for run in repo.index.search(Query())}


def test_a_run_for_each_line(cli, repo, tmp_path):
    file = tmp_path / "sweep.csv"
    file.write_text(SWEEP)
    words = ["--params", "lr,opt", "--metrics", "acc,loss", "--tags", "team", "--name", "trial"]
    assert cli("import", "csv", file, *words).out.startswith("imported 3 new runs")
    found = runs_of(repo)
    assert set(found) == {"a", "b", "c"}
    assert found["a"].params == {"lr": 0.1, "opt": "adam"}
    assert found["b"].params == {"lr": "1e-3", "opt": "sgd"}
    assert found["a"].metrics["loss"].last == 0.30000000000000004
    assert repr(found["b"].metrics["acc"].last) == "nan"
    assert "loss" not in found["b"].metrics
    assert found["c"].metrics["acc"].last == 12345678901234567890
    assert (found["a"].tags, found["b"].tags) == ({"team": "x"}, {})
    assert found["a"].experiment == "sweep"
    again = cli("import", "csv", file, *words, "--json").report
    assert (again["new"], again["unchanged"]) == (0, 3)
    file.write_text(SWEEP.replace("0.9", "0.95").replace("\nc,", "\nd,"))
    later = cli("import", "csv", file, *words, "--json").report
    assert (later["new"], later["updated"], later["unchanged"]) == (1, 1, 1)
    assert runs_of(repo)["a"].metrics["acc"].last == 0.95


def test_numbers_are_metrics_unless_told(cli, repo, tmp_path):
    file = tmp_path / "sweep.csv"
    file.write_text("\ufeff" + SWEEP + "c,0.2,adam,12345678901234567890,-inf,y\n", encoding="utf-8")
    assert cli("import", "csv", file, "-e", "all").out.startswith("imported 4 new runs")
    (run,) = (run for run in runs_of(repo).values() if run.params.get("trial") == "a")
    assert set(run.metrics) == {"lr", "acc", "loss"}
    assert run.params == {"trial": "a", "opt": "adam", "team": "x"}
    assert run.experiment == "all"
    edit.set_tags(repo, run.id, {"mine": "yes"})
    assert cli("import", "csv", file, "-e", "all", "--json").report["unchanged"] == 4


def test_a_step_for_each_line(cli, repo, tmp_path):
    file = tmp_path / "training.csv"
    file.write_text(TRAINING)
    words = ["--history", "--step", "epoch", "--time", "when", "--name", "baseline"]
    cli("import", "csv", file, *words)
    run = runs_of(repo)["baseline"]
    assert history.read_metric(repo, run, "loss") == [
        (1, 1767323045000, 0.5), (2, 1767323046000, 0.25), (4, 1767323047000, 0.125),
    ]  # fmt: skip
    assert [p.step for p in history.read_metric(repo, run, "acc")] == [1, 4]
    assert (run.start_ms, run.end_ms) == (1767323045000, 1767323047000)
    file.write_text(TRAINING + "5,0.1,0.8,2026-01-02T03:04:08Z\n")
    assert cli("import", "csv", file, *words, "--json").report["updated"] == 1
    assert runs_of(repo)["baseline"].metrics["loss"].count == 4


@pytest.mark.parametrize(
    ("text", "words", "status", "said"),
    [
        (SWEEP, ["--metrics", "none"], 2, "has no column 'none'"),
        (SWEEP, ["--metrics", "acc", "--params", "acc"], 2, "given for two things"),
        (SWEEP, ["--metrics", "opt"], 6, "line 2: 'adam' in 'opt' is no number"),
        (SWEEP, ["--step", "acc"], 2, "--history"),
        (TRAINING, ["--history", "--step", "when"], 6, "is no step"),
        (TRAINING, ["--history", "--time", "loss,"], 2, "has no column"),
        ("", [], 6, "can't be read as CSV"),
        ('a,b\n"1,2\n', [], 6, "can't be read as CSV"),
    ],
)
def test_wrong_words_record_nothing(cli, repo, tmp_path, text, words, status, said):
    file = tmp_path / "a.csv"
    file.write_text(text)
    assert said in cli("import", "csv", file, *words, code=status).err
    assert repo.git.tip("refs/heads/gitml/runs") is None


def test_no_file(cli, tmp_path):
    assert "there is no file" in cli("import", "csv", tmp_path / "none.csv", code=3).err


def test_a_file_that_is_no_text(cli, tmp_path):
    file = tmp_path / "model.csv"
    file.write_bytes(bytes(range(256)) * 4)
    assert "is no text" in cli("import", "csv", file, "--metrics", "a", code=6).err
