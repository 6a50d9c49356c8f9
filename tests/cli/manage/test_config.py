"""`gitml config`: settings that are git's, checked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gitml.cli.config import _KEYS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"


def test_settings_are_listed_with_what_holds(git_repo, git, cli) -> None:
    git(git_repo, "config", "gitml.historyLimit", "2m")
    text = cli("config").out
    assert re.search(r"^gitml.historyLimit +2m  \(local\)$", text, re.MULTILINE)
    assert re.search(r"^gitml.code +tree$", text, re.MULTILINE)
    records = json.loads(cli("config", "--json").out)["settings"]
    assert {record["key"]: record["set"] for record in records}["gitml.historyLimit"] == "local"
    assert cli("config", "historylimit").out == "2m\n"


def test_a_setting_is_written_where_git_finds_it_and_taken_out_again(git_repo, git, cli, gitml) -> None:
    cli("config", "code", "commit")
    assert git(git_repo, "config", "--local", "gitml.code").strip() == "commit"
    gitml(git_repo, "run", "-q", "true")
    assert "code" not in git(git_repo, "ls-tree", "--name-only", "gitml/runs").split()
    cli("config", "gitml.code", "--unset")
    cli("config", "gitml.code", "--unset")  # nothing left to do is no error
    assert cli("config", "code").out == "tree\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["code", "nonsense"], "it can be tree, commit or off"),
        (["snapshotLimit", "5x"], "must be a size such as"),
        (["recordHost", "perhaps"], "it can be true or false"),
        (["cod"], "gitml has no setting 'cod'"),
        (["--unset"], "there is no KEY"),
        (["code", "tree", "--unset"], "can't be combined"),
    ],
)
def test_what_means_nothing_is_refused_and_not_written(git_repo, in_repo, git, cli, arguments, said) -> None:
    before = (git_repo / ".git/config").read_bytes()
    done = cli("config", *arguments, code=2)
    assert said in done.err
    assert (git_repo / ".git/config").read_bytes() == before


def test_a_wrong_setting_can_be_put_right(git_repo, git, cli, gitml) -> None:
    git(git_repo, "config", "gitml.code", "nonsense")
    assert gitml(git_repo, "run", "-q", "true", code=2).stdout == ""
    assert cli("config", "code").out == "nonsense\n"
    cli("config", "--unset", "code")
    gitml(git_repo, "run", "-q", "true")


def test_the_page_names_the_same_settings() -> None:
    assert set(re.findall(r"`(gitml\.[\w.]+)` \|", PAGE.read_text())) == {key.name for key in _KEYS}
