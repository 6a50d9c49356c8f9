"""Artifacts that a push left behind go with the next one, by whatever way they were left."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from gitml.errors import RemoteError
from gitml.repo import RUNS_REF
from gitml.sync.pushing import Way
from tests.cli.manage.lfs_server import lfs_server
from tests.sync.conftest import BIG

OID = hashlib.sha256(BIG).hexdigest()
STORED = f"lfs/objects/{OID[:2]}/{OID[2:4]}/{OID}"
OTHER = BIG[::-1]


@pytest.fixture
def ada(clone):
    """A person with a run whose artifact is nowhere else."""
    ada = clone("ada")
    ada.record("first", {"model.bin": BIG})
    return ada


@pytest.fixture
def lfs():
    with lfs_server() as running:
        yield running


def moved(done) -> list[str]:
    return [pointer.oid for pointer in done.objects.moved]


def test_after_a_push_of_runs_alone(ada, server):
    ada.push(artifacts=False)
    assert moved(ada.push(dry_run=True)) == [OID]
    done = ada.push()
    assert (done.way, done.records, moved(done)) == (Way.NOTHING, 0, [OID])
    assert (server / STORED).read_bytes() == BIG
    assert ada.push().objects.present == ()  # nobody is asked again


def test_after_a_plain_git_push(ada, server, git):
    ada.push()
    ada.record("second", {"other.bin": OTHER})
    git(ada.folder, "push", "--quiet", "origin", "gitml/runs")
    assert moved(ada.push()) == [hashlib.sha256(OTHER).hexdigest()]


def test_after_the_remote_has_moved(ada, server, git, tmp_path):
    """What was seen of another place by the same name says nothing of this one."""
    ada.push()
    elsewhere = tmp_path / "elsewhere.git"
    git(tmp_path, "init", "--quiet", "--bare", str(elsewhere))
    git(ada.folder, "remote", "set-url", "origin", str(elsewhere))
    done = ada.push()
    assert (done.way, done.records, moved(done)) == (Way.BRANCH, 1, [OID])
    assert (elsewhere / STORED).exists()
    (server / STORED).unlink()
    git(ada.folder, "remote", "set-url", "origin", str(server))
    assert moved(ada.push()) == [OID]  # nor is what was known before trusted again


def test_after_the_remote_was_made_anew_at_its_place(ada, server, git):
    ada.push()
    git(server, "update-ref", "-d", RUNS_REF)
    shutil.rmtree(server / "lfs")
    done = ada.push()
    assert (done.way, done.records, moved(done)) == (Way.BRANCH, 1, [OID])


def test_a_server_for_artifacts_that_comes_later(ada, lfs, git, gitml):
    lfs.refuses = True
    git(ada.folder, "config", "lfs.url", lfs.url)
    ada.push(artifacts=False)
    ada.record("plain")
    told = gitml(ada.folder, "push", code=5).stderr  # it goes: nothing of it waits for an artifact
    assert "sent 1 record to origin" in told
    assert "1 artifact of run" in told
    assert "'first', which 'origin' has, could not be sent" in told
    assert "the next gitml push tries again" in told
    lfs.refuses = False
    assert "sent 1 artifact (256 kB) to origin" in gitml(ada.folder, "push").stderr
    assert lfs.objects == {OID: BIG}
    assert gitml(ada.folder, "push").stderr == "origin has everything already\n"


def test_settings_of_a_store_that_change(ada, lfs, git):
    ada.push()
    git(ada.folder, "config", "lfs.url", lfs.url)
    assert moved(ada.push()) == [OID]
    assert lfs.objects == {OID: BIG}


def test_what_is_known_is_not_asked_again_unless_told_to(ada, server, gitml):
    ada.push()
    (server / STORED).unlink()
    ada.record("second", {"other.bin": OTHER})
    assert len(moved(ada.push())) == 1
    assert not (server / STORED).exists()
    assert moved(ada.push(all_artifacts=True)) == [OID]
    assert "exclude each other" in gitml(ada.folder, "push", "--artifacts", "--no-artifacts", code=2).stderr


def test_what_nobody_has_is_told_and_keeps_nothing_back(ada, clone, server, gitml):
    ada.push(artifacts=False)
    bob = clone("bob")
    bob.pull()
    bob.record("his", {"other.bin": OTHER})
    told = gitml(bob.folder, "push").stderr
    assert "sent 1 record and 1 artifact (256 kB) to origin" in told
    assert (
        "'first' is neither here nor at origin; push it from where the run was recorded: gitml push" in told
    )
    again = json.loads(gitml(bob.folder, "push", "--json").stdout)["push"]["artifacts"]
    assert (again["missing"], again["missing_before"]) == ([], 1)
    ada.push()
    assert (server / STORED).read_bytes() == BIG
    assert gitml(bob.folder, "push", "--artifacts").stderr == "origin has everything already\n"


def test_an_object_that_comes_here_later_is_sent(ada, clone, server):
    ada.push(artifacts=False)
    bob = clone("bob")
    bob.pull()
    assert len(bob.push().left.missing) == 1
    target = bob.folder / ".git" / STORED
    target.parent.mkdir(parents=True)
    target.write_bytes(BIG)
    assert moved(bob.push()) == [OID]
    assert bob.push().left.known == 0


def test_a_mark_that_makes_no_sense_costs_one_question(ada, server):
    ada.push()
    (mark,) = (ada.folder / ".git/gitml/delivered").iterdir()
    for text in ("", "[]", '{"place": 1, "tip": "--all", "lacking": [1]}'):
        mark.write_text(text)
        assert ada.push().objects.present


def test_a_push_by_the_hook_sends_what_was_left(ada, server, git, gitml):
    git(ada.folder, "push", "--quiet", "origin", "gitml/runs")
    tip = git(ada.folder, "rev-parse", RUNS_REF).strip()
    line = f"{RUNS_REF} {tip} {RUNS_REF} {tip}\n"
    assert (
        "sent 1 artifact" in gitml(ada.folder, "hook", "pre-push", "origin", str(server), input=line).stderr
    )
    assert (server / STORED).exists()


@pytest.mark.parametrize("remote", ["nowhere", "https://127.0.0.1:9/x.git"])
def test_a_remote_that_is_not_there_is_no_success(clone, remote):
    with pytest.raises(RemoteError):
        clone("ada").push(remote)
