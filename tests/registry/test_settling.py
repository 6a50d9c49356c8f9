"""People who register and promote at the same time: one is first, nothing of the others is lost or twice there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest

from gitml.git import remote as remotes
from gitml.git.remote import Remote
from gitml.maintenance.checking import check
from gitml.registry import aliases, models, stages, versions
from gitml.registry.names import find_version
from gitml.registry.reading import read_registry
from gitml.registry.settling import settle
from gitml.sync import pulling, pushing
from gitml.sync.pushing import Pushed, PushOptions
from gitml.tracking.resolve import resolve_run
from tests.registry.keys import SshKeys
from tests.sync.conftest import Clone

SMALL = {"model/weights.bin": b"w"}
Make = Callable[[str], Clone]


def _push(one: Clone, **options) -> Pushed:
    with one.open() as repo:
        return pushing.push(repo, "origin", PushOptions(**options), settle=settle)


def _pull(one: Clone) -> pulling.Pulled:
    with one.open() as repo:
        return pulling.pull(repo, "origin", settle=settle)


def _tags(folder: Path) -> dict[str, str]:
    out = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname) %(objectname)", "refs/tags/gitml/"],
        cwd=folder, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return dict(line.split(" ") for line in out.splitlines())


@pytest.fixture
def people(clone: Make) -> Callable[..., list[Clone]]:
    """Clones that share a model `churn` with two versions."""

    def make(*names: str) -> list[Clone]:
        clones = [clone(name) for name in names]
        clones[0].record("one", SMALL)
        with clones[0].open() as repo:
            for _ in range(2):
                versions.register(repo, resolve_run(repo, "one"), "churn", "model")
        _push(clones[0])
        for other in clones[1:]:
            _pull(other)
        return clones

    return make


def _register(one: Clone, description: str, **facts) -> int:
    with one.open() as repo:
        run = resolve_run(repo, "one")
        return versions.register(repo, run, "churn", "model", description=description, **facts).version


def _descriptions(folder: Path) -> dict[int, str | None]:
    with Clone(folder).open() as repo:
        assert read_registry(repo).findings == ()
        return {one.version: one.description for one in versions.list_versions(repo, "churn")}


_ORDERS = [
    pytest.param(order, marks=() if order == (2, 0, 1) else pytest.mark.heavy, id=str(order))
    for order in permutations(range(3))
]


@pytest.mark.parametrize("order", _ORDERS)
def test_three_who_register_at_once_get_numbers_of_their_own(
    people: Callable[..., list[Clone]], server: Path, order: tuple[int, ...]
):
    clones = people("ada", "bob", "eve")
    for one in clones:
        for n in range(2):
            _register(one, f"{one.folder.name} {n}")
    pushed = [_push(clones[index]) for index in order]
    assert [len(one.settled.renumbered) for one in pushed] == [0, 2, 2]
    assert [(one.old, one.new) for one in pushed[2].settled.renumbered] == [(3, 7), (4, 8)]
    assert not any(one.tags.clashes or one.tags.refused for one in pushed)
    for one in clones:
        _pull(one)
        assert _tags(one.folder) == _tags(server)
    names = [clones[index].folder.name for index in order]
    wanted = {3 + n: f"{names[n // 2]} {n % 2}" for n in range(6)}
    assert _descriptions(clones[0].folder) == {1: None, 2: None, **wanted}


def test_what_leads_to_a_renumbered_version_is_made_anew_and_what_was_said_follows(
    people: Callable[..., list[Clone]], server: Path, git
):
    ada, bob = people("ada", "bob")
    _register(ada, "ada's")
    assert _push(ada).tags.made == ("refs/tags/gitml/models/churn/v3",)
    _register(bob, "bob's")
    with bob.open() as repo:
        versions.tag_version(repo, "churn", 3, {"by": "bob"})
        models.comment(repo, "churn", "bob says", 3)
        versions.copy(repo, find_version(repo, "churn@v3"), "other")
        stages.promote(repo, "churn", 1, "Staging")
        stages.promote(repo, "churn", 3, "Staging", archive_existing=True)
        stages.promote(repo, "churn", 2, "Staging", archive_existing=True)
        aliases.set_alias(repo, "churn", "champion", 3)
    shared = _tags(server)
    foretold = _push(bob, dry_run=True)
    assert [(one.old, one.new, one.first.who) for one in foretold.settled.renumbered if one.first] == [
        (3, 4, "Ada <ada@example.org>")
    ]
    assert foretold.tags.clashes == ()
    assert _tags(bob.folder)["refs/tags/gitml/models/churn/v3"] != shared["refs/tags/gitml/models/churn/v3"]
    with ada.open() as repo:
        versions.tag_version(repo, "churn", 3, {"by": "ada"})
    _push(ada)
    done = _push(bob)
    assert done.settled.renumbered == foretold.settled.renumbered
    assert len(done.tags.made) == 6
    assert _tags(server).items() >= shared.items()
    _pull(ada)
    assert _tags(ada.folder) == _tags(bob.folder) == _tags(server)
    with ada.open() as repo:
        mine, his = find_version(repo, "churn@v3"), find_version(repo, "churn@champion")
        assert (mine.description, mine.tags, mine.stage) == ("ada's", {"by": "ada"}, None)
        assert (his.version, his.description, his.tags, his.stage) == (4, "bob's", {"by": "bob"}, "Archived")
        assert [one.text for one in models.list_comments(repo, "churn", 4)] == ["bob says"]
        assert models.list_comments(repo, "churn", 3) == []
        assert find_version(repo, "other@v1").source == "models:/churn/4"
        story = stages.history(repo, "churn", "Staging")
        assert [(one.version, one.previous, one.archived) for one in story] == [
            (1, None, ()), (4, 1, (1,)), (2, 4, (4,)),
        ]  # fmt: skip
        assert read_registry(repo).findings == ()
        assert check(repo).problems == ()
    subjects = git(
        server, "for-each-ref", "--format=%(refname:lstrip=3) %(contents:subject)", "refs/tags/gitml/"
    )
    assert "models/churn/v4 churn v4: model of one\n" in subjects
    assert "stages/churn/staging/2 churn: v4 to Staging\n" in subjects
    assert "aliases/churn/champion/1 churn: @champion is v4\n" in subjects


def test_of_two_promotions_one_wins_and_the_other_is_told(
    people: Callable[..., list[Clone]], server: Path, git, gitml
):
    ada, bob = people("ada", "bob")
    gitml(ada.folder, "models", "promote", "churn", "1", "Production", "-m", "first")
    gitml(ada.folder, "push")
    gitml(bob.folder, "models", "promote", "churn", "2", "Production", "-m", "second")
    gitml(bob.folder, "models", "rollback", "churn", "Production", code=3)
    gitml(bob.folder, "models", "promote", "churn", "1", "Production", "-m", "no, the other")
    gitml(bob.folder, "models", "alias", "churn", "champion", "2")
    before = _tags(bob.folder)
    foretold = json.loads(gitml(bob.folder, "push", "--dry-run", "--json", code=4).stdout)["push"]["tags"]
    assert [one["ref"] for one in foretold["put_aside"]] == [
        "refs/tags/gitml/stages/churn/production/1", "refs/tags/gitml/stages/churn/production/2",
    ]  # fmt: skip
    assert _tags(bob.folder) == before
    told = gitml(bob.folder, "push", code=4).stderr
    first, second, *_ = told.splitlines()[-4:]
    assert "your promotion of v2 to Production was not made: Ada <ada@example.org> at 20" in first, told
    assert "changed Production first, to v1 ('first')" in first
    assert "gitml models promote churn 2 Production" in first
    assert "your promotion of v1 to Production was not made" in second
    kept = git(bob.folder, "for-each-ref", "--format=%(refname) %(objectname)", "refs/gitml/lost/").split()
    assert kept[1::2] == [before[one["ref"]] for one in foretold["put_aside"]]
    assert f"git cat-file tag {kept[0]};" in first
    assert "comment: second" in git(bob.folder, "cat-file", "tag", kept[0])
    _pull(ada)
    assert _tags(bob.folder) == _tags(server) == _tags(ada.folder)
    assert "refs/tags/gitml/aliases/churn/champion/1" in _tags(server)
    with bob.open() as repo:
        assert find_version(repo, "churn#production").version == 1
        assert check(repo).problems == ()
    assert "has everything" in gitml(bob.folder, "push").stderr
    gitml(bob.folder, "models", "promote", "churn", "2", "Production")
    gitml(bob.folder, "push")
    assert _pull(ada).clashes == ()
    with ada.open() as repo:
        assert find_version(repo, "churn#production").version == 2


def test_who_lost_with_plain_git_is_told_by_the_next_pull(
    people: Callable[..., list[Clone]], server: Path, git, gitml
):
    ada, bob = people("ada", "bob")
    for one, version in ((ada, 1), (bob, 2)):
        _register(one, one.folder.name)
        with one.open() as repo:
            aliases.set_alias(repo, "churn", "champion", version)
            aliases.set_alias(repo, "churn", "best", version=1)
    git(ada.folder, "push", "--quiet", "origin", "gitml/runs", "refs/tags/gitml/*:refs/tags/gitml/*")
    done = subprocess.run(
        ["git", "push", "origin", "refs/tags/gitml/*:refs/tags/gitml/*"],
        cwd=bob.folder, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert "already exists" in done.stderr
    document = json.loads(gitml(bob.folder, "pull", "--json").stdout)["pull"]
    assert [(one["from"], one["to"]) for one in document["renumbered"]] == [(3, 4)]
    assert {one["alias"]: one["again"] for one in document["put_aside"]} == {
        "best": "gitml models alias churn best 1",
        "champion": "gitml models alias churn champion 2",
    }
    assert document["clashes"] == []
    assert "champion" in gitml(bob.folder, "models", "list", "--json").stdout
    assert len(_push(bob).tags.made) == 1
    assert _descriptions(bob.folder) == {1: None, 2: None, 3: "ada", 4: "bob"}
    assert _tags(bob.folder) == _tags(server)


def test_a_race_that_is_lost_between_the_look_and_the_push(
    people: Callable[..., list[Clone]], server: Path, monkeypatch: pytest.MonkeyPatch
):
    """Others push just when ours goes: at the versions, and again at the events."""
    ada, bob = people("ada", "bob")
    for one, version in ((ada, 1), (bob, 2)):
        _register(one, one.folder.name)
        with one.open() as repo:
            stages.promote(repo, "churn", version, "Production")
            stages.promote(repo, "churn", 3, "Staging")
    real = Remote.push
    waiting = [True]

    def push(self, updates, **options):
        if waiting and updates and "/models/" in updates[0].ref and self._process._cwd == bob.folder:
            waiting.clear()
            _push(ada)
        return real(self, updates, **options)

    monkeypatch.setattr(remotes.Remote, "push", push)
    done = _push(bob)
    assert [(one.old, one.new) for one in done.settled.renumbered] == [(3, 4)]
    assert [one.event.name for one in done.settled.aside] == ["Production", "Staging"]
    assert [one.version for one in done.settled.aside] == [2, 4]
    assert _tags(bob.folder) == _tags(server)
    assert _descriptions(bob.folder) == {1: None, 2: None, 3: "ada", 4: "bob"}


def test_tags_that_others_have_are_never_touched(people: Callable[..., list[Clone]], tmp_path: Path, git):
    """What went to another remote, or out in a bundle, keeps its number; the clash is told."""
    ada, bob = people("ada", "bob")
    git(tmp_path, "init", "--quiet", "--bare", "backup.git")
    git(bob.folder, "remote", "add", "backup", str(tmp_path / "backup.git"))
    _register(bob, "bob")
    with bob.open() as repo:
        pushing.push(repo, "backup", settle=settle)
    _register(ada, "ada")
    _push(ada)
    before = _tags(bob.folder)
    done = _push(bob)
    assert [one.ref for one in done.tags.clashes] == ["refs/tags/gitml/models/churn/v3"]
    assert not done.settled
    assert _tags(bob.folder) == before


def test_what_went_out_in_a_bundle_keeps_its_number(
    people: Callable[..., list[Clone]], tmp_path: Path, gitml
):
    ada, bob = people("ada", "bob")
    _register(bob, "bob")
    gitml(bob.folder, "bundle", "create", str(tmp_path / "runs.bundle"))
    _register(ada, "ada")
    _push(ada)
    assert [one.ref for one in _push(bob).tags.clashes] == ["refs/tags/gitml/models/churn/v3"]


def test_a_version_that_was_signed_is_signed_anew_or_stays_as_it_is(
    people: Callable[..., list[Clone]], ssh: SshKeys, git
):
    ada, bob = people("ada", "bob")
    git(bob.folder, "config", "gpg.format", "ssh")
    git(bob.folder, "config", "user.signingKey", str(ssh["bob"]))
    _register(bob, "bob", sign=True)
    _register(ada, "ada")
    _push(ada)
    git(bob.folder, "config", "user.signingKey", "/nowhere/key")
    stuck = _push(bob)
    assert [one.ref for one in stuck.tags.clashes] == ["refs/tags/gitml/models/churn/v3"]
    assert "could not be signed" in stuck.settled.stuck[0].error.message
    git(bob.folder, "config", "user.signingKey", str(ssh["bob"]))
    done = _push(bob)
    assert [(one.old, one.new) for one in done.settled.renumbered] == [(3, 4)]
    assert "BEGIN SSH SIGNATURE" in git(bob.folder, "cat-file", "tag", "gitml/models/churn/v4")


@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "one by one"])
def test_promotions_travel_three_at_a_time(
    people: Callable[..., list[Clone]],
    server: Path,
    tmp_path: Path,
    git,
    monkeypatch: pytest.MonkeyPatch,
    atomic: bool,
):
    """GitHub starts nothing for a push of more than three tags."""
    (ada,) = people("ada")
    log = tmp_path / "pushes"
    hook = server / "hooks/post-receive"
    hook.write_text(f"#!/bin/sh\ncat >> '{log}'\necho . >> '{log}'\n")
    hook.chmod(0o755)
    if not atomic:
        git(server, "config", "receive.advertiseAtomic", "false")
    with ada.open() as repo:
        for n in range(7):
            stages.promote(repo, "churn", 1 + n % 2, "Production")
        assert len(_push(ada).tags.made) == 7
    sizes = [push.count("refs/tags/") for push in log.read_text().split(".\n")[:-1]]
    assert sizes == ([3, 3, 1] if atomic else [1] * 7)
