"""`gitml log-metric` and the like, for scripts in any language."""

from __future__ import annotations

import math

import pytest

from gitml.tracking.history import get_run, list_artifacts, read_metric


@pytest.fixture
def inside(live_run, monkeypatch, in_repo):
    """A live run, and the environment that `gitml run` gives to its program."""
    live = live_run()
    monkeypatch.setenv("GITML_RUN_ID", live.run_id)
    monkeypatch.setenv("GITML_REPO", str(in_repo))
    return live


def test_everything_lands_in_the_run_of_the_environment(cli, inside, repo, tmp_path):
    elsewhere = tmp_path / "elsewhere"  # programs change folders
    elsewhere.mkdir()
    cli("log-metric", "loss", "0.5", cwd=elsewhere)
    cli("log-metric", "loss=-0.25", "acc=1e-3", "--step", "7", cwd=elsewhere)
    cli("log-metric", "loss", "-2", cwd=elsewhere)
    cli("log-metric", "odd", "nan", cwd=elsewhere)
    cli("log-param", "lr", "0.1", cwd=elsewhere)
    cli("log-param", "depth=8", "flag=true", "opt=adam", "formula=a=b", "none=null", "low=-3", cwd=elsewhere)
    cli("log-param", "sizes=[1, 2]", "model={depth: 3}", "id=007", cwd=elsewhere)
    cli("set-tag", "phase", "-x", cwd=elsewhere)
    (elsewhere / "a b.txt").write_text("hello")
    cli("log-artifact", "a b.txt", cwd=elsewhere)
    cli("log-artifact", elsewhere, "in", cwd=elsewhere)
    run = get_run(repo, inside.run_id)
    assert [(p.step, p.value) for p in read_metric(repo, run, "loss")] == [(0, 0.5), (7, -0.25), (8, -2)]
    assert [(p.step, p.value) for p in read_metric(repo, run, "acc")] == [(7, 0.001)]
    assert math.isnan(run.metrics["odd"].last)
    assert run.params == {
        "lr": 0.1, "depth": 8, "flag": True, "opt": "adam", "formula": "a=b", "none": None, "low": -3,
        "sizes": [1, 2], "model.depth": 3, "id": "007",
    }  # fmt: skip
    assert run.tags == {"phase": "-x"}
    assert [a.path for a in list_artifacts(repo, run)] == ["a b.txt", "in/elsewhere/a b.txt"]


def test_a_run_is_named_outside_of_gitml_run(cli, live_run, repo):
    live = live_run()
    cli("log-metric", "--run", "brisk-heron", "loss", "1")
    cli("log-metric", "loss=2", "--run", live.run_id[:6])
    assert [p.value for p in read_metric(repo, live.to_run(), "loss")] == [1, 2]


def test_without_a_run_the_error_says_what_to_type(cli):
    done = cli("log-metric", "loss", "1", code=2)
    assert "not inside `gitml run`" in done.err
    assert "--run RUN" in done.err


def test_a_run_that_has_ended_takes_nothing_more(cli, recorded, monkeypatch):
    run_id = recorded()
    assert "has ended" in cli("log-metric", "--run", "@", "loss", "1", code=4).err
    monkeypatch.setenv("GITML_RUN_ID", run_id)
    assert "is not live" in cli("log-metric", "loss", "1", code=3).err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["log-metric", "loss", "high"], "'high' is not a number"),
        (["log-metric", "loss", "1_000"], "'1_000' is not a number"),
        (["log-metric", "loss"], "'loss' is not KEY=VALUE"),
        (["log-metric", "a=1", "b"], "'b' is not KEY=VALUE"),
        (["log-metric", "a=1", "a=2"], "'a' is given twice"),
        (["log-metric", "loss", "1", "--stpe=3"], "there is no option '--stpe'"),
        (["log-metric", "a\x1bb", "1"], "control character"),
        (["log-metric", "good=1", "bad=x"], "'x' is not a number"),
        (["log-param", "a"], "is not KEY=VALUE"),
        (["set-tag", "a", "b", "c"], "is not KEY=VALUE"),
        (["log-artifact", "train.py", "../up"], "is not allowed"),
    ],
)
def test_wrong_words_log_nothing(cli, inside, words, said):
    done = cli(*words, code=2)
    assert said in done.err
    assert "\x1b" not in done.err
    run = inside.to_run()
    assert (run.metrics, run.params, run.tags) == ({}, {}, {})


def test_a_link_that_is_named_is_followed(cli, inside, repo, in_repo, tmp_path):
    (tmp_path / "far.txt").write_text("far")
    (in_repo / "lnk").symlink_to(tmp_path / "far.txt")
    cli("log-artifact", "lnk")
    assert [(a.path, a.size) for a in list_artifacts(repo, get_run(repo, inside.run_id))] == [("lnk", 3)]


def test_a_missing_file_is_told(cli, inside):
    assert "there is no file" in cli("log-artifact", "none.bin", code=3).err


def test_a_param_keeps_its_first_value(cli, inside):
    cli("log-param", "lr", "0.1")
    cli("log-param", "lr", "0.1")
    assert "can't become 0.2" in cli("log-param", "lr", "0.2", code=2).err


def test_a_secret_is_redacted_with_a_notice(cli, inside):
    token = "ghp_" + "a1B2" * 9
    done = cli("log-param", f"api={token}")
    assert done.err.startswith("warning:")
    assert "looks like a secret" in done.err
    assert token not in done.err
    assert token not in str(inside.to_run().params)
