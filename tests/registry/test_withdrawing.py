"""What was never shared can be taken back: a tag that a server refuses does not block its stage for good."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from gitml.maintenance.checking import check
from gitml.registry import aliases, models, stages, versions
from gitml.registry.lookup import get_state
from gitml.registry.names import ModelName
from gitml.registry.reading import read_registry
from gitml.registry.withdrawing import CannotWithdrawError, withdraw
from gitml.sync.bundle_making import create
from gitml.tracking.resolve import resolve_run
from tests.sync.conftest import Clone

POLICY = "models: {churn: {production: {metrics: {loss: '<= 0.5'}}}}\n"


def _versions(one: Clone, *losses: float) -> None:
    for loss in losses:
        one.record(f"run-{loss}", {"model/weights.bin": b"w"}, loss)
        with one.open() as repo:
            versions.register(repo, resolve_run(repo, f"run-{loss}"), "churn", "model")


def _tags(git, folder: Path, below: str) -> list[str]:
    return str(git(folder, "for-each-ref", "--format=%(refname)", below)).split()


@pytest.fixture
def ada(hooked: Path, clone: Callable[[str], Clone], git) -> Clone:
    """A clone of a server that keeps to a policy; `churn` has a bad version and a good one."""
    one = clone("ada")
    (one.folder / ".gitml.yaml").write_text(POLICY)
    git(one.folder, "add", ".gitml.yaml")
    git(one.folder, "commit", "--quiet", "--message", "policy")
    git(one.folder, "push", "--quiet", "origin", "main")
    _versions(one, 0.9, 0.4)
    return one


def _said_to_type(text: str) -> list[str]:
    """The commands that a refused push names."""
    return [
        line.rpartition("to take it back: ")[2] for line in text.splitlines() if "to take it back" in line
    ]


def test_a_promotion_that_the_server_refuses_is_withdrawn_and_a_valid_one_goes_through(
    ada: Clone, hooked: Path, git, gitml
):
    gitml(ada.folder, "models", "promote", "churn", "1", "production", "--override", "nope")
    # The command that is named takes back one event where nothing comes after it, else all of them.
    refused = gitml(ada.folder, "push", code=4)
    assert _said_to_type(refused.stderr) == ["gitml models withdraw churn Production"]
    gitml(ada.folder, "models", "promote", "churn", "2", "production")
    gitml(ada.folder, "models", "alias", "churn", "champion", "2")
    refused = gitml(ada.folder, "push", code=4)
    assert "production/2' was refused: the one before it did not go" in refused.stderr
    (command,) = _said_to_type(refused.stderr)
    assert command == "gitml models withdraw churn Production --all"
    assert not _tags(git, hooked, "refs/tags/gitml/stages/")
    oids = {
        ref: git(ada.folder, "rev-parse", ref).strip()
        for ref in _tags(git, ada.folder, "refs/tags/gitml/stages/")
    }
    done = gitml(ada.folder, *shlex.split(command)[1:], "--json")
    rows = json.loads(done.stdout)["withdrawn"]
    assert [(one["version"], one["kind"], one["name"], one["oid"]) for one in rows] == [
        (2, "stage", "Production", oids["refs/tags/gitml/stages/churn/production/2"]),
        (1, "stage", "Production", oids["refs/tags/gitml/stages/churn/production/1"]),
    ]
    assert [git(ada.folder, "rev-parse", one["kept"]).strip() for one in rows] == [one["oid"] for one in rows]
    assert _tags(git, ada.folder, "refs/tags/gitml/stages/") == []
    with ada.open() as repo:
        assert get_state(repo, "churn").holder("production") is None
        assert read_registry(repo).findings == ()
        assert check(repo).problems == ()

    gitml(ada.folder, "models", "promote", "churn", "2", "production")
    assert "sent 1 tag" in gitml(ada.folder, "push").stderr
    assert _tags(git, hooked, "refs/tags/gitml/stages/") == ["refs/tags/gitml/stages/churn/production/1"]
    # From now on others have it: it stays, whatever the words.
    for words in (["churn", "production"], ["churn#production", "--all"], ["churn", "@champion"]):
        kept = gitml(ada.folder, "models", "withdraw", *words, code=4)
        assert "was shared, and stays" in kept.stderr
    assert _tags(git, ada.folder, "refs/tags/gitml/stages/") == ["refs/tags/gitml/stages/churn/production/1"]


def test_only_the_last_is_taken_back_unless_all_are_asked_for_and_never_what_went_out(
    ada: Clone, git, tmp_path: Path
):
    stage, alias = ModelName("stage", "churn", "Production"), ModelName("alias", "churn", "champion")
    with ada.open() as repo:
        stages.promote(repo, "churn", 2, "Production")
        aliases.set_alias(repo, "churn", "champion", 2)
        create(repo, tmp_path / "all.bundle")
        for version in (1, 2):
            stages.promote(repo, "churn", version, "Production", override="why not")
        aliases.set_alias(repo, "churn", "champion", 1)
        assert [one.tag.ref[-1] for one in withdraw(repo, stage)] == ["3"]
        assert get_state(repo, "churn").holder("production") == 1
        stages.promote(repo, "churn", 2, "Production")
        assert [one.tag.ref[-1] for one in withdraw(repo, stage, every=True)] == ["3", "2"]
        assert [one.model for one in withdraw(repo, alias)] == ["churn"]
        for name in (stage, alias):
            with pytest.raises(CannotWithdrawError, match="was shared"):
                withdraw(repo, name, every=True)
        assert get_state(repo, "churn").alias("champion") == 2
        stages.demote(repo, "churn", 2)
        git(ada.folder, "config", "user.email", "eve@example.org")
    with ada.open() as repo, pytest.raises(CannotWithdrawError, match="not yours"):
        withdraw(repo, stage)


def test_a_version_is_taken_back_when_it_is_the_last_and_nothing_leads_to_it(
    ada: Clone, hooked: Path, git, gitml
):
    def stays(why: str, *words: str) -> None:
        refused = gitml(ada.folder, "models", "withdraw", *words, code=4)
        assert why in refused.stderr

    stays("v2 comes after it", "churn@v1")
    rule = hooked / "hooks/update"
    rule.write_text('#!/bin/sh\ncase "$1" in */churn/v2) echo "no v2 here"; exit 1;; esac\n')
    rule.chmod(0o755)
    with ada.open() as repo:
        stages.promote(repo, "churn", 2, "Staging")
    # What leads to it comes first.
    assert _said_to_type(gitml(ada.folder, "push", code=4).stderr) == ["gitml models withdraw churn Staging"]
    stays("an event of Staging leads to it", "churn", "v2")
    gitml(ada.folder, "models", "withdraw", "churn", "staging")
    assert _said_to_type(gitml(ada.folder, "push", code=4).stderr) == ["gitml models withdraw churn@v2"]
    with ada.open() as repo:
        versions.copy(repo, versions.list_versions(repo, "churn")[-1], "other")
    stays("v1 of model 'other' is a copy of it", "churn@v2")
    gitml(ada.folder, "models", "withdraw", "other@v1")
    said = gitml(ada.folder, "models", "withdraw", "churn@v2").stderr
    assert "v2 registered; it is kept: git cat-file tag refs/gitml/lost/models/churn/v2-" in said
    assert _tags(git, ada.folder, "refs/tags/gitml/") == ["refs/tags/gitml/models/churn/v1"]
    stays("was shared, and stays", "churn@v1")
    _versions(ada, 0.3)
    with ada.open() as repo:
        models.comment(repo, "churn", "looks odd", 2)
    stays("something was said about it", "churn@v2")
    for words, code in (
        (["churn@v2", "--all"], 2),
        (["churn"], 2),
        (["churn@v1", "production"], 2),
        (["churn", "v9"], 3),
        (["churn", "@x"], 3),
    ):
        gitml(ada.folder, "models", "withdraw", *words, code=code)
