"""`gitml experiments …`: named groups of runs."""

from __future__ import annotations

import json

import pytest


def listed(cli, *words):
    return {e["name"]: e for e in json.loads(cli("experiments", "list", "--json", *words).out)["experiments"]}


def test_the_life_of_an_experiment(cli, recorded):
    made = cli("experiments", "create", "churn", "--tag", "owner=ada").out.strip()
    recorded("one", experiment="churn")
    assert listed(cli)["churn"]["id"] == made
    assert (listed(cli)["churn"]["runs"], listed(cli)["Default"]["runs"]) == (1, 0)
    cli("experiments", "set-tag", made, "goal=recall", "owner=bob")
    (found,) = json.loads(cli("experiments", "get", "churn", "--json").out)["experiments"]
    assert found["tags"] == {"owner": "bob", "goal": "recall"}
    cli("experiments", "rename", "churn", "churn 2026")
    assert listed(cli)["churn 2026"]["id"] == made
    cli("experiments", "delete", made)
    assert "churn 2026" not in listed(cli)
    assert set(listed(cli, "--view", "deleted")) == {"churn 2026"}
    assert set(listed(cli, "--view", "all")) == {"Default", "churn 2026"}
    cli("experiments", "restore", "churn 2026")
    assert "churn 2026" in listed(cli)


def test_the_default_one_is_listed_first_and_the_others_by_age(cli, recorded):
    cli("experiments", "create", "zeta")
    recorded("one", experiment="alpha")
    recorded("two")
    assert list(listed(cli)) == ["Default", "zeta", "alpha"]
    assert "the default one, then the others, oldest first" in cli("experiments", "list", "--help").out


def test_an_experiment_of_runs_alone_is_listed(cli, recorded, live_run):
    recorded("one", experiment="used")
    live_run(experiment="live")
    assert set(listed(cli)) == {"Default", "used", "live"}


def test_the_table_for_people_and_the_columns_for_programs(cli):
    made = cli("experiments", "create", "churn").out.strip()
    lines = cli("experiments", "list").out.splitlines()
    assert lines[0].split() == ["ID", "NAME", "RUNS", "CREATED"]
    assert lines[2].split()[:3] == [made, "churn", "0"]
    porcelain = cli("experiments", "list", "--porcelain").out.splitlines()
    assert porcelain[0].startswith("# gitml porcelain 1 experiments\tid\tname\truns")
    assert len(porcelain) == 3


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["create", "Default"], 4, "there is an experiment 'Default' already"),
        (["create", ""], 2, "it is empty"),
        (["create", "a\nb"], 2, "can't be used"),
        (["create", "x", "--tag", "novalue"], 2, "is not KEY=VALUE"),
        (["get", "none"], 3, "there is no experiment 'none'"),
        (["rename", "Default", "other"], 4, "default experiment"),
        (["delete", "Default"], 4, "default experiment"),
        (["restore", "none"], 3, "there is no experiment 'none'"),
        (["set-tag", "none", "a=b"], 3, "there is no experiment 'none'"),
    ],
)
def test_wrong_words_record_nothing(cli, repo, words, status, said):
    answer = cli("experiments", *words, code=status).err
    assert said in answer
    assert "\nhint: " in answer
    assert repo.git.tip("refs/heads/gitml/runs") is None
