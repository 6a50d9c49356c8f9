"""Bundles and care: what a killed process leaves goes, and what was purged does not come back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from gitml.index import Query
from gitml.maintenance.checking import FsckOptions, check
from gitml.maintenance.collecting import GcOptions, collect
from gitml.maintenance.purging import plan_for_run, purge
from gitml.sync import bundle
from gitml.sync.bundle_making import create, known_of
from gitml.tracking import history
from gitml.tracking.purges import ArtifactPurgedError
from tests.maintenance.conftest import content, oid_of, put, stored
from tests.sync.conftest import Clone
from tests.sync.tampering import entry, rewrite

# Stops where some of the bundle is written or read, and waits to be killed.
_STOPPING = """
import sys, time
from pathlib import Path
from gitml.repo import Repo
from gitml.sync import bundle, bundle_making
seen = 0
def stop(count):
    global seen
    seen += count
    if seen > 150_000:
        print("stopped", flush=True)
        time.sleep(600)
repo, path = Repo.open(sys.argv[1]), Path(sys.argv[3])
if sys.argv[2] == "create":
    bundle_making.create(repo, path, progress=stop)
else:
    bundle.apply(repo, path, progress=stop)
"""


@pytest.fixture
def site(tmp_path: Path, git):
    """A repository that has no remote."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "site")
    for key, value in {"user.name": "Site", "user.email": "site@example.org"}.items():
        git(tmp_path / "site", "config", key, value)
    return Clone(tmp_path / "site")


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick"


@contextmanager
def stopped(where: Clone, verb: str, file: Path):
    """Have a process in the middle of a bundle."""
    command = [sys.executable, "-c", _STOPPING, str(where.folder), verb, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "stopped\n"
            yield process
        finally:
            process.kill()


def write(where: Clone, path: Path, since: Path | None = None):
    with where.open() as repo:
        return create(repo, path, known=known_of(repo, str(since) if since else None))


def take(where: Clone, path: Path) -> bundle.Applied:
    with where.open() as repo:
        return bundle.apply(repo, path)


def drop(where: Clone, *paths: str) -> None:
    with where.open() as repo:
        (run,) = history.search(repo, Query())
        purge(repo, plan_for_run(repo, run, paths), reason="consent withdrawn")


def remains(where: Clone) -> list[Path]:
    folder = where.folder / ".git/gitml/bundles"
    return [path for path in folder.iterdir() if path.name != ".lock"]


@pytest.mark.parametrize("verb", ["create", "apply"])
def test_what_a_killed_process_left_goes_but_not_a_live_ones(ada, site, stick, verb):
    ada.record("first", {"model.bin": content(1), "data.bin": content(2)})
    write(ada, stick / "whole")
    where, file = (ada, stick / "made") if verb == "create" else (site, stick / "whole")
    with where.open() as repo, stopped(where, verb, file) as process:
        assert collect(repo, GcOptions()).leftovers == ()
        assert len(remains(where)) == 1
        process.kill()
        assert process.wait() == -signal.SIGKILL
        expected = 2 if verb == "create" else 1  # besides its folder, the file that was to be
        assert len(list(stick.glob(".gitml-*"))) == expected - 1
        assert len([one for one in check(repo).problems if "killed" in one.what]) == expected
        assert len(collect(repo, GcOptions(dry_run=True)).leftovers) == expected
        assert len(remains(where)) == 1
        assert len(collect(repo, GcOptions()).leftovers) == expected
        assert collect(repo, GcOptions()).leftovers == ()
    assert (remains(where), [path.name for path in stick.iterdir()]) == ([], ["whole"])
    take(site, stick / "whole")
    assert site.states() == ada.states()


def test_what_an_earlier_version_left_goes_too(ada, git, gitml):
    ada.record("first")
    root = ada.folder / ".git/gitml"
    (root / ".incoming-0123").write_bytes(b"x" * 10)
    git(ada.folder, "update-ref", "refs/gitml/incoming/0123/heads/runs", "gitml/runs")
    told = json.loads(gitml(ada.folder, "gc", "--dry-run", "--json").stdout)["gc"]
    assert [Path(one["path"]).name for one in told["leftovers"]] == [".incoming-0123"]
    assert told["stray_refs"] == ["refs/gitml/incoming/0123/heads/runs"]
    with ada.open() as repo:
        assert len([one for one in check(repo).problems if "killed" in one.what]) == 2
        done = check(repo, FsckOptions(repair=True))
        assert all(one.repaired for one in done.problems)
    assert not (root / ".incoming-0123").exists()
    assert git(ada.folder, "for-each-ref", "refs/gitml") == ""


def test_what_was_purged_here_does_not_come_back(ada, site, stick, gitml):
    ada.record("first", {"faces.npz": content(1), "model.bin": content(2)})
    write(ada, stick / "all")
    take(site, stick / "all")
    drop(site, "faces.npz")
    said = gitml(site.folder, "bundle", "apply", "--dry-run", "--json", str(stick / "all")).stdout
    assert json.loads(said)["bundle"]["purged"] == [oid_of(content(1))]
    done = take(site, stick / "all")
    assert ([one.oid for one in done.purged], len(done.objects.present)) == ([oid_of(content(1))], 1)
    assert not stored(site.folder / ".git", content(1)).exists()
    said = gitml(site.folder, "bundle", "apply", str(stick / "all")).stderr
    assert "left out 1 artifact (120 kB) that their runs purged" in said
    # Where another run has the same content, it is needed after all.
    ada.record("second", {"copy.npz": content(1)})
    write(ada, stick / "more")
    assert take(site, stick / "more").purged == ()
    assert stored(site.folder / ".git", content(1)).exists()


def test_tombstones_in_a_bundle_are_honoured(ada, bob, site, stick):
    ada.record("first", {"faces.npz": content(1), "model.bin": content(2)})
    whole = write(ada, stick / "all")
    take(site, stick / "all")
    drop(ada, "faces.npz")
    put(ada.folder / ".git", content(1))  # somebody brought it back
    made = write(ada, stick / "later")
    assert {one.oid for one in whole.objects} - {one.oid for one in made.objects} == {oid_of(content(1))}
    for where, known in ((site, stick / "all"), (bob, None)):
        write(ada, stick / "news", known)
        take(where, stick / "news")
        with where.open() as repo:
            collect(repo, GcOptions())
            (run,) = history.search(repo, Query())
            with pytest.raises(ArtifactPurgedError, match="consent withdrawn"):
                history.open_artifact(repo, run, "faces.npz")
        assert not stored(where.folder / ".git", content(1)).exists()
        (stick / "news").unlink()


def test_a_bundle_with_an_object_that_it_says_was_purged(ada, bob, stick):
    """As a gitml that knows no tombstones would make it."""
    ada.record("first", {"faces.npz": content(1)})
    drop(ada)
    write(ada, stick / "later")
    data = content(1)
    rewrite(
        stick / "later",
        stick / "both",
        lambda manifest: manifest.update(objects=[{"sha256": oid_of(data), "size": len(data)}]),
        lambda found: [*found, entry(f"objects/{oid_of(data)}", data)],
    )
    done = take(bob, stick / "both")
    assert [one.oid for one in done.purged] == [oid_of(data)]
    assert not stored(bob.folder / ".git", data).exists()
