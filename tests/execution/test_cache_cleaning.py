"""`gitml gc --user-cache`: what of a user's cache goes, and what does not."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gitml.execution.environments.store import EnvironmentStore, Made
from gitml.execution.sources import open_source
from gitml.execution.target import parse_target
from gitml.progress import no_progress
from gitml.repo import Repo

LONG_AGO = time.time() - 40 * 86_400


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Environments a to d and two repositories; what is not said to be used was used long ago.

    b is used by another key, c is being made by a process, d is new, and e was left by a killed process.
    """
    cache = tmp_path / "cache"
    store = EnvironmentStore(cache)
    for key in "abcd":

        def make(prefix: Path, _shop: object) -> Made:
            prefix.mkdir()
            (prefix / "lib").write_text("x" * 10)
            return Made(prefix, "uv", "", {})

        made, _ = store.make(key, make, tmp_path, os.environ, no_progress)
        if key == "b":
            store.describe("other", replace(made, notes=("by another key",)))
    root = cache / "environments"
    (root / "e.work").mkdir()
    for path in (*root.glob("[abc]"), *root.glob("[abc].json"), root / "e.work"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return cache


@contextlib.contextmanager
def opened(recording: Path, served: Path, cache: Path):
    with (
        contextlib.closing(Repo.open(recording)) as repo,
        open_source(repo, parse_target(served.as_uri()), "main", cache=cache),
    ):
        yield


def test_what_nobody_used_goes(git_repo: Path, cache: Path, tmp_path: Path, git, gitml):
    environ = {**os.environ, "GITML_CACHE_DIR": str(cache)}
    for name in ("old", "used"):
        git(tmp_path, "clone", "--quiet", "--bare", str(git_repo), name)
        with opened(git_repo, tmp_path / name, cache):
            pass
    for folder in cache.glob("repositories/*.git"):
        os.utime(folder, (LONG_AGO, LONG_AGO))
    with opened(git_repo, tmp_path / "used", cache):  # nothing is fetched: it is there
        pass
    root = cache / "environments"
    with (root / "c.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = {path.name for path in root.iterdir()}
        dry = gitml(git_repo, "gc", "--user-cache", "--older-than", "30d", "--dry-run", "--json", env=environ)
        assert before <= {path.name for path in root.iterdir()}
        done = gitml(git_repo, "gc", "--user-cache", "--older-than", "30d", "--json", env=environ)
    assert json.loads(dry.stdout)["gc"]["caches"] == json.loads(done.stdout)["gc"]["caches"]
    gone = [Path(one["path"]).name for one in json.loads(done.stdout)["gc"]["caches"]]
    assert gone[:2] == ["a", "e.work"]
    assert len(gone) == 3
    assert sorted(path.name for path in root.iterdir() if path.is_dir()) == ["b", "c", "d"]
    store = EnvironmentStore(cache)
    assert [store.find(key) is not None for key in ("a", "b", "c", "d", "other")] == [
        False, False, True, True, True,
    ]  # fmt: skip
    assert len(list(cache.glob("repositories/*.git"))) == 1
