"""`gitml models list`, `show`, `history` and `diff`, and models named where a run is looked at."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.models.conftest import Look

Git = Callable[..., str]


def test_the_list_says_what_is_where(project: Path, look: Look, git: Git) -> None:
    row = look("models", "list").out.splitlines()[1]
    assert re.fullmatch(r"churn\s+v3\s+Production v1 · Staging v3\s+champion v1\s+\S+", row)
    document = json.loads(look("model", "list", "--json").out)["models"][0]
    assert (document["latest"], document["versions"]) == (3, 3)
    assert document["stages"] == {"Production": 1, "Staging": 3}
    assert document["aliases"] == {"champion": 1}
    assert "Production=v1 Staging=v3" in look("models", "list", "--csv").out


def test_foreign_tags_are_told_and_count_for_nothing(project: Path, look: Look, git: Git) -> None:
    git(project, "tag", "gitml/stages/churn/production/99", "HEAD")
    git(project, "tag", "gitml/notes", "HEAD")
    answer = look("models", "list", "--json")
    assert json.loads(answer.out)["models"][0]["stages"]["Production"] == 1
    assert "warning: tag 'gitml/notes' counts for nothing: it is no name of the registry's" in answer.err
    assert "gitml/stages/churn/production/99" in answer.err
    look("models", "promote", "churn@v2", "production")
    assert git(project, "tag", "--list", "gitml/stages/churn/production/100")


def test_no_models_yet(project: Path, look: Look) -> None:
    look("models", "delete", "churn")
    assert "gitml models register RUN NAME" in look("models", "list").err
    assert json.loads(look("models", "list", "--json").out)["models"] == []
    assert "deleted" in look("models", "list", "--view", "deleted").out


def test_a_model_is_shown_with_its_versions(project: Path, look: Look) -> None:
    lines = look("models", "show", "churn").out.splitlines()
    assert re.fullmatch(r"model churn\s+Production v1 · Staging v3", lines[0])
    rows = {line.split()[0]: line for line in lines if line.startswith("v")}
    assert list(rows) == ["v3", "v2", "v1"]
    assert re.match(r"v1\s+Production\s+champion\s+\w{7} brisk-heron\s+0.9471\s+0.183", rows["v1"])
    assert "quiet-fox" in rows["v2"]
    assert "1 older version: -n 0 shows all" not in lines
    assert look("models", "show", "churn", "-n", "2").out.endswith("1 older version: -n 0 shows all\n")
    document = json.loads(look("models", "show", "churn", "--json").out)["model"]
    assert [one["version"] for one in document["version_list"]] == [3, 2, 1]
    assert document["version_list"][0]["metrics"]["acc"] == 0.9471
    table = list(csv.DictReader(io.StringIO(look("models", "show", "churn", "--csv").out)))
    assert [row["metrics.acc"] for row in table] == ["0.9471", "0.9455", "0.9471"]


@pytest.mark.parametrize(
    "name", ["churn@v1", "churn#production", "churn@champion", "models:/churn/1", "models:/churn/production"]
)
def test_a_version_is_shown_with_all_about_it(project: Path, look: Look, name: str) -> None:
    text = look("models", "show", name).out
    assert re.match(r"model churn v1\s+Production · @champion\n", text)
    for fact in (
        "churn/brisk-heron",
        "model.bin",
        "5.0 kB",
        "the first",
        "team=growth",
        "p95 latency doubled",
    ):
        assert fact in text
    document = json.loads(look("models", "show", name, "--json").out)["version"]
    assert [file["path"] for file in document["files"]] == ["model.bin"]
    assert re.fullmatch("sha256:[0-9a-f]{64}", document["digest"])
    assert [one["event"] for one in document["history"]] == [
        "registered", "assigned", "assigned", "assigned", "set",
    ]  # fmt: skip


def test_who_put_what_into_production_by_1_march(project: Path, look: Look) -> None:
    for day, version, comment in (("2026-02-28", 1, "all there is"), ("2026-03-01", 2, "fewer misses")):
        answer = look("models", "history", "churn", "--stage", "production", "--at", day).out
        assert answer.startswith(f"churn v{version} was in Production at {day} 23:59\n")
        assert "by Ada Example <ada@example.org>" in answer
        assert comment in answer
    document = json.loads(
        look("models", "history", "churn#production", "--at", "2026-03-01 13:00", "--json").out
    )
    assert [(one["place"], one["version"], one["signed"]) for one in document["holders"]] == [
        ("Production", 1, False)
    ]
    everything = json.loads(look("models", "history", "churn", "--at", "2026-03-02 09:00", "--json").out)
    assert [(one["place"], one["version"]) for one in everything["holders"]] == [
        ("Production", 1), ("Archived", 1), ("champion", 1),
    ][0::2]  # fmt: skip
    assert (
        "no version of churn was in Production"
        in look("models", "history", "churn#production", "--at", "2025-12-31").err
    )
    assert "is no time" in look("models", "history", "churn", "--at", "soon", code=2).err


def test_history_tells_the_story_newest_first(project: Path, look: Look) -> None:
    lines = look("models", "history", "churn").out.splitlines()[1:]
    assert [re.split(r"\s{2,}", line)[1] for line in lines] == [
        "v3 to Staging",
        "v3 registered",
        "@champion is v1",
        "v1 back in Production",
        "v2 to Production, v1 archived",
        "v2 registered",
        "v1 to Production",
        "v1 registered",
    ]
    assert len(look("models", "history", "churn", "-n", "2").out.splitlines()) == 3
    of_stage = json.loads(look("models", "history", "churn", "--stage", "staging", "--json").out)["events"]
    assert [one["version"] for one in of_stage] == [3]
    assert "did you mean Production?" in look("models", "history", "churn", "--stage", "prod", code=2).err


def test_versions_are_compared_as_runs_are(project: Path, look: Look) -> None:
    for arguments in (("churn@v1", "churn@v2"), ("churn", "champion", "2"), ("churn#production", "v2")):
        text = look("models", "diff", *arguments).out
        assert text.startswith("model churn v1  →  churn v2\n")
        assert re.search(r"description\s+the first\s+→\s+–", text)
        assert re.search(r"acc↑\s+0.9471\s+→\s+0.9455\s+▼", text)
        assert re.search(r"model.bin\s+5.0 kB \(\w+\)\s+→\s+6.0 kB", text)
    look("models", "diff", "churn@v1", "churn@v2", "--exit-code", code=1)
    assert "two versions" in look("models", "diff", "churn", "v1", code=2).err


def test_versions_of_the_same_run_are_told_apart(project: Path, look: Look) -> None:
    document = json.loads(look("models", "diff", "churn@v1", "churn@v3", "--json").out)["diff"]
    assert document["differs"]
    assert [row["key"] for row in document["files"]] == ["eval.csv"]
    assert list(document["files"][0]["values"]) == ["models:/churn/3"]
    table = look("models", "diff", "churn@v1", "churn@v3", "--csv").out
    assert table.splitlines()[0] == "section,key,churn@v1,churn@v3,change,share,verdict,added,removed"


def test_a_model_names_its_run_where_a_run_is_looked_at(project: Path, look: Look) -> None:
    assert look("show", "churn@v2", "--format", "%s").out == "quiet-fox\n"
    assert look("show", "models:/churn/Production", "--format", "%s").out == "brisk-heron\n"
    assert look("diff", "churn#production", "churn@v2").out == look("diff", "brisk-heron", "quiet-fox").out
    files = json.loads(look("artifacts", "list", "models:/churn/1", "--json").out)["artifacts"]
    assert [file["path"] for file in files] == ["model.bin"]
    assert look("artifacts", "cat", "models:/churn/3/eval.csv").out == "a,b\n1,2\n"
    assert look("artifacts", "cat", "runs:/brisk-heron/eval.csv").out == "a,b\n1,2\n"
    assert "no file is given" in look("artifacts", "cat", "runs:/brisk-heron", code=2).err
    assert "there is no run 'nobody@v1'" in look("show", "nobody@v1", code=3).err
    assert "did you mean churn?" in look("show", "chrun@v1", code=3).err
    assert "has no version 9" in look("show", "churn@v9", code=3).err
    look("mv", "quiet-fox", "churn@v1")  # a run of that name goes first
    assert look("show", "churn@v1", "--format", "%(metrics.acc)").out == "0.9455\n"
