"""Many clones at once through nginx, fcgiwrap and `git http-backend`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gitml.repo import RUNS_REF
from tests.launching.harness import child_environment
from tests.servers.nginx_git import nginx_git_server

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]
_CLONES = 20


@pytest.fixture
def host(server, git):
    git(server, "config", "http.receivepack", "true")
    with nginx_git_server(server.parent) as running:
        yield running


def _all_at_once(clones, *words: str) -> list[subprocess.CompletedProcess[str]]:
    """Run a command in all clones at the same moment."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "gitml", *words],
            cwd=one.folder, env=child_environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for one in clones
    ]  # fmt: skip
    return [
        subprocess.CompletedProcess(one.args, one.wait(), *output)
        for one, output in [(one, one.communicate(timeout=300)) for one in started]
    ]


def test_twenty_clones_push_and_pull_at_once(clone, host, server, git):
    clones = [clone(f"writer{number}", host.url(server.name)) for number in range(_CLONES)]
    for number, one in enumerate(clones):
        # Above 1 MB git sends in chunks, and nginx puts a request aside on its disk.
        large = {f"part-{at}.bin": os.urandom(90_000) for at in range(12)} if number % 5 == 0 else {}
        one.record(f"run-{number}", large)
    for done in _all_at_once(clones, "push", "--json"):
        assert done.returncode == 0, done.stderr
    for done in _all_at_once(clones, "sync"):
        assert done.returncode == 0, done.stderr
    for done in _all_at_once(clones, "pull"):
        assert done.returncode == 0, done.stderr
    expected = {f"run-{number}" for number in range(_CLONES)}
    states = [one.states() for one in clones]
    assert {run.name for run in clones[0].runs().values()} == expected
    assert all(state == states[0] for state in states)
    clones[0].push()  # folds what is still in the inbox
    records = git(server, "log", "--no-merges", "--format=%H", RUNS_REF).split()
    assert len(records) == len(set(records)) == _CLONES  # none lost, none twice
    assert git(server, "for-each-ref", "refs/gitml") == ""
    git(server, "fsck", "--strict", "--no-dangling")
    assert "[crit]" not in host.errors
    assert "[alert]" not in host.errors
