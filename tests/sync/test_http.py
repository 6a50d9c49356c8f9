"""Sharing over smart HTTP: passwords, connections that break off, many writers."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitml.errors import RemoteError
from gitml.git.remote import RemoteUnreachableError
from gitml.repo import RUNS_REF
from tests.launching.harness import child_environment
from tests.servers.git_http import git_http_server

# What one writer does: a process of its own, as on a cluster.
_WRITER = """
import sys
from gitml.repo import Repo
from gitml.sync import pushing
repo = Repo.open(sys.argv[1])
print(pushing.push(repo, "origin").way.value)
repo.close()
"""


@pytest.fixture
def host(server: Path, git):
    git(server, "config", "http.receivepack", "true")
    with git_http_server(server.parent) as running:
        yield running


def test_a_round_trip(clone, host, server):
    ada, bob = (clone(name, host.url(server.name)) for name in ("ada", "bob"))
    ada.record("hers")
    ada.push()
    bob.record("his")
    bob.push()
    ada.pull()
    assert ada.states() == bob.states()


def test_a_wrong_password_and_the_right_one(clone, host, server, git):
    host.password = "hunter2"
    ada = clone("ada", host.url(server.name))
    ada.record("hers")
    helper = "!f() { echo username=ada; echo password=%s; }; f"
    git(ada.folder, "config", "credential.helper", helper % "wrong")
    with pytest.raises(RemoteUnreachableError, match="does not accept your name and password") as caught:
        ada.push()
    assert "wrong" not in f"{caught.value} {caught.value.hint}"
    git(ada.folder, "config", "credential.helper", helper % "hunter2")
    assert ada.push().records == 1


def test_a_connection_that_breaks_off_at_once(clone, host, server):
    ada = clone("ada", host.url(server.name))
    ada.record("hers")
    host.cut_after = 50
    with pytest.raises(RemoteUnreachableError, match="the connection broke off") as caught:
        ada.pull()
    assert caught.value.hint


def test_a_connection_that_breaks_off_leaves_nothing_half_done(clone, host, server, git):
    ada, bob = (clone(name, host.url(server.name)) for name in ("ada", "bob"))
    ada.record("hers", {"notes.txt": bytes(range(256)) * 300})
    ada.push()
    before = git(bob.folder, "for-each-ref")
    host.cut_after = 600
    with pytest.raises(RemoteError) as caught:
        bob.pull()
    assert caught.value.hint
    assert git(bob.folder, "for-each-ref") == before
    host.cut_after = None
    bob.pull()
    assert bob.states() == ada.states()


def test_a_host_that_takes_no_pushes(clone, host, server, git):
    git(server, "config", "http.receivepack", "false")
    ada = clone("ada", host.url(server.name))
    ada.record("hers")
    with pytest.raises(RemoteUnreachableError, match="no right to do that"):
        ada.push()


def _push_all(clones: list, seconds: float) -> list[str]:
    """Let all of them push at the same moment; give the way that each one's runs went."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(one.folder)],
            env=child_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for one in clones
    ]
    end = time.monotonic() + seconds
    ways = []
    for writer in writers:
        out, err = writer.communicate(timeout=max(1.0, end - time.monotonic()))
        assert writer.returncode == 0, err
        ways.append(out.strip())
    return ways


def _check_that_nothing_is_lost(clones: list, last, server: Path, git) -> None:
    expected = {run_id for one in clones for run_id in one.runs()}
    last.pull()
    last.push()
    assert set(last.runs()) == expected
    assert git(server, "for-each-ref", "refs/gitml") == ""  # the sync folded the inbox
    records = git(server, "log", "--no-merges", "--format=%H", RUNS_REF).split()
    assert len(records) == len(set(records)) == len(expected)  # none lost, none twice
    git(server, "fsck", "--strict", "--no-dangling")


def test_many_writers_at_once(clone, host, server, git):
    clones = [clone(f"writer{number}", host.url(server.name)) for number in range(8)]
    for number, one in enumerate(clones):
        one.record(f"run-{number}")
    assert set(_push_all(clones, 60)) <= {"branch", "inbox"}
    _check_that_nothing_is_lost(clones, clone("last", host.url(server.name)), server, git)


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_fifty_writers_at_once(clone, host, server, git):
    clones = [clone(f"writer{number}", host.url(server.name)) for number in range(50)]
    for number, one in enumerate(clones):
        one.record(f"run-{number}")
    started = time.monotonic()
    ways = _push_all(clones, 300)
    print(f"50 writers: {time.monotonic() - started:.1f} s, {ways.count('inbox')} by the inbox")
    _check_that_nothing_is_lost(clones, clone("last", host.url(server.name)), server, git)
