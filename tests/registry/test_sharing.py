"""Models in two clones: what is said apart is all there after a pull, and the same everywhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import gitml
from gitml.maintenance.checking import check
from gitml.registry import aliases, models, stages, versions
from gitml.registry.names import find_version
from gitml.registry.reading import read_registry
from gitml.tracking.hooks import PRE_RECEIVE, install_hook
from gitml.tracking.resolve import resolve_run
from tests.sync.conftest import Clone

SMALL = {"model/weights.bin": b"w"}
Make = Callable[[str], Clone]


def _share(*clones: Clone) -> None:
    for _ in range(2):
        for one in clones:
            one.pull()
            one.push()


def _seen(one: Clone) -> str:
    """All that a clone knows of models."""
    with one.open() as repo:
        said = [models.list_models(repo, deleted=True), versions.list_versions(repo, deleted=True)]
        said += [models.list_comments(repo, model.name) for model in models.list_models(repo)]
        assert read_registry(repo).findings == ()
        return repr(said)


def test_what_two_people_say_apart_is_all_there(clone: Make, server: Path, git):
    ada, bob = clone("ada"), clone("bob")
    ada.record("one", SMALL)
    with ada.open() as repo:
        versions.register(repo, resolve_run(repo, "one"), "churn", "model", tags={"a": "1"})
        models.describe_model(repo, "churn", "first")
    _share(ada, bob)
    with ada.open() as repo:
        models.comment(repo, "churn", "ada says")
        versions.tag_version(repo, "churn", 1, {"a": "2", "ada": "yes"})
        models.rename_model(repo, "churn", "leavers")
        stages.promote(repo, "leavers", 1, "Staging")
    with bob.open() as repo:
        models.comment(repo, "churn", "bob says", 1)
        versions.tag_version(repo, "churn", 1, {"bob": "yes"})
        models.tag_model(repo, "churn", {"team": "growth"})
        aliases.set_alias(repo, "churn", "champion", 1)
    _share(ada, bob)
    with bob.open() as repo:
        found = find_version(repo, "churn@champion")
        assert (found.name, found.stage) == ("leavers", "Staging")
        assert found.tags == {"a": "2", "ada": "yes", "bob": "yes"}
        model = models.get_model(repo, "leavers")
        assert (model.description, model.tags, model.former) == ("first", {"team": "growth"}, ("churn",))
        said = {comment.text: comment.author for comment in models.list_comments(repo, "leavers")}
        assert said == {"ada says": "Ada <ada@example.org>", "bob says": "Bob <bob@example.org>"}
        models.comment(repo, "leavers", "settled")  # one newest record again, with all comments
        assert len(models.list_comments(repo, "leavers")) == 3
        assert check(repo).problems == ()
    _share(ada, bob)
    assert _seen(ada) == _seen(bob)
    git(server, "fsck", "--strict")


def test_a_server_takes_models_and_refuses_a_second_holder_of_a_number(
    clone: Make, server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program = tmp_path / "bin/gitml"
    program.parent.mkdir()
    home = Path(gitml.__file__).parents[1]
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{home}" exec "{sys.executable}" -m gitml "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    ada, bob = clone("ada"), clone("bob")
    with Clone(server).open() as repo:
        install_hook(repo, PRE_RECEIVE)
    ada.record("one", SMALL)
    with ada.open() as repo:
        run = resolve_run(repo, "one")
        for _ in range(2):
            versions.register(repo, run, "my model", "model")
        models.comment(repo, "my model", "good", 2)
    ada.push()
    bob.pull()
    with ada.open() as repo:
        stages.promote(repo, "my model", 1, "Production")
    with bob.open() as repo:
        stages.promote(repo, "my model", 2, "Production")
    assert len(ada.push().tags.made) == 1
    bob.pull()
    clash = bob.push().tags.clashes
    assert [one.ref for one in clash] == ["refs/tags/gitml/stages/my%20model/production/1"]
