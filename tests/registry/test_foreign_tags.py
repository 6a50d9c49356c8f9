"""Tags below `gitml/` that are none of the registry's: they stay where they are, and are in nobody's way."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import gitml as package
from gitml.maintenance.checking import check
from gitml.registry import stages, versions
from gitml.registry.versions import ForeignTagError
from gitml.sync.tags import note_handed_out
from gitml.tracking.hooks import PRE_RECEIVE, install_hook
from gitml.tracking.resolve import resolve_run
from tests.sync.conftest import Clone

Make = Callable[[str], Clone]
SMALL = {"model/weights.bin": b"w"}


@pytest.fixture
def ada(clone: Make) -> Clone:
    """A clone with `churn` v1 in Production, none of which was shared yet."""
    ada = clone("ada")
    ada.record("one", SMALL)
    register(ada)
    with ada.open() as repo:
        stages.promote(repo, "churn", 1, "Production")
    return ada


def register(one: Clone, name: str = "churn") -> int:
    with one.open() as repo:
        return versions.register(repo, resolve_run(repo, "one"), name, "model").version


def litter(one: Clone, git) -> list[str]:
    """Make tags that the registry never would; gives their names."""
    blob = git(one.folder, "rev-parse", "HEAD:train.py").strip()
    git(one.folder, "tag", "gitml/foo")
    git(one.folder, "tag", "gitml/models/churn/v5")
    git(one.folder, "tag", "-a", "-m", "by hand", "gitml/models/hand/v1")
    git(one.folder, "tag", "-a", "-m", "v2\n\nmodel: [churn", "gitml/models/yaml/v1", "gitml/runs")
    git(one.folder, "tag", "-a", "-m", "a blob", "gitml/models/blob/v1", blob)
    return ["gitml/foo", *(f"gitml/models/{name}" for name in ("blob/v1", "churn/v5", "hand/v1", "yaml/v1"))]


def test_a_push_leaves_them_here_says_so_once_and_takes_the_registrys_own(
    ada: Clone, server: Path, git, gitml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program = tmp_path / "bin/gitml"
    program.parent.mkdir()
    home = Path(package.__file__).parents[1]
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{home}" exec "{sys.executable}" -m gitml "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    with Clone(server).open() as repo:
        install_hook(repo, PRE_RECEIVE)
    names = litter(ada, git)
    said = gitml(ada.folder, "push").stderr
    assert said.count("left here") == 1, said
    assert "5 tags left here: 'gitml/" in said
    there = git(server, "tag", "--list", "gitml/*").split()
    assert there == ["gitml/models/churn/v1", "gitml/stages/churn/production/1"]
    assert sorted(ada.push().tags.odd) == [f"refs/tags/{name}" for name in names]


def test_fsck_names_them_and_calls_nothing_damaged(ada: Clone, git, gitml):
    names = litter(ada, git)
    with ada.open() as repo:
        done = check(repo)
    assert done.problems == ()
    assert [next(name for name in names if f"'{name}'" in note) for note in done.notes] == names
    assert "git tag -d gitml/models/churn/v5" in gitml(ada.folder, "fsck").stdout


def test_fsck_still_finds_a_tag_that_leads_nowhere(ada: Clone, git):
    (ada.folder / ".git/refs/tags/gitml/models/churn/v2").write_text("12" * 20 + "\n")
    with ada.open() as repo:
        assert ["v2' points at '1212" in one.what for one in check(repo).problems] == [True]


def test_register_refuses_a_number_that_a_foreign_tag_would_push_up(ada: Clone, git, gitml):
    git(ada.folder, "tag", "gitml/models/churn/v77")
    told = gitml(ada.folder, "models", "register", "one:model", "churn", code=4).stderr
    assert "'gitml/models/churn/v77'" in told
    assert "git tag -d gitml/models/churn/v77" in told
    assert git(ada.folder, "tag", "--list", "gitml/models/*").split() == [
        "gitml/models/churn/v1", "gitml/models/churn/v77",
    ]  # fmt: skip
    git(ada.folder, "tag", "-d", "gitml/models/churn/v77")
    assert register(ada) == 2
    gitml(ada.folder, "verify", "churn@v2")


def test_register_steps_over_the_next_number_only_if_others_know_it_as_taken(ada: Clone, git):
    git(ada.folder, "tag", "-a", "-m", "by hand", "gitml/models/churn/v2")
    git(ada.folder, "tag", "-a", "-m", "by hand", "gitml/models/new/v1")
    for name in ("churn", "new"):
        with pytest.raises(ForeignTagError, match=f"gitml/models/{name}/v"):
            register(ada, name)
    with ada.open() as repo:
        note_handed_out(repo, git(ada.folder, "rev-parse", "gitml/models/churn/v2").split())
    assert register(ada) == 3
