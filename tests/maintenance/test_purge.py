"""`gitml purge`: bytes go, names and hashes stay, and nobody else is harmed."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from gitml.entities.run import RunStatus
from gitml.errors import NotFoundError, RefusedError, RemoteError, UsageError
from gitml.index import Query
from gitml.maintenance.checking import check
from gitml.maintenance.collecting import GcOptions, collect
from gitml.maintenance.purging import Purged, SharedContentError, plan_for_object, plan_for_run, purge
from gitml.repo import RUNS_REF
from gitml.sync.inspect import inspect
from gitml.sync.objects import pointers_in
from gitml.tracking import history
from gitml.tracking.commit import finish_run
from gitml.tracking.edit import set_tags
from gitml.tracking.purges import ArtifactPurgedError, HistoryPurgedError
from gitml.tracking.redaction import SecretRedactedWarning
from gitml.tracking.start import start_run
from tests.maintenance.conftest import content, oid_of, pointer_to, put, stored


def drop(where, name: str, *paths: str, **options) -> Purged:
    with where.open() as repo:
        run = next(run for run in history.search(repo, Query(view="all")) if run.name == name)
        return purge(repo, plan_for_run(repo, run, paths), **options)


def common(where) -> Path:
    return where.folder / ".git"


def read(where, name: str, path: str) -> bytes:
    with where.open() as repo:
        run = next(run for run in history.search(repo, Query(view="all")) if run.name == name)
        with history.open_artifact(repo, run, path) as stream:
            return stream.read()


@pytest.fixture
def pushed(ada):
    """A run with two artifacts, which are at the remote too."""
    ada.record("first", {"data/faces.npz": content(1), "model.bin": content(2), "small.txt": b"x"})
    ada.push()
    return ada


def test_the_bytes_go_everywhere_and_the_history_stays(pushed, bob, server, git):
    before = git(pushed.folder, "rev-parse", RUNS_REF).strip()
    done = drop(pushed, "first", "data", reason="consent withdrawn")
    assert (done.here, done.there) == ((oid_of(content(1)),), {"origin": 1})
    assert not stored(common(pushed), content(1)).exists()
    assert not stored(server, content(1)).exists()
    assert read(pushed, "first", "model.bin") == content(2)
    with pytest.raises(
        ArtifactPurgedError, match="'data/faces.npz' was purged on .* by Ada .*: consent withdrawn"
    ):
        read(pushed, "first", "data/faces.npz")
    assert git(pushed.folder, "rev-parse", f"{RUNS_REF}~1").strip() == before
    assert git(pushed.folder, "show", f"{RUNS_REF}:artifacts/data/faces.npz").encode() == pointer_to(
        content(1)
    )
    assert git(pushed.folder, "fsck", "--strict", "--no-dangling") == ""
    with pushed.open() as repo:
        assert list(inspect(repo.git, repo.git.rev_list(repo.git.tip(RUNS_REF)))) == []
        assert check(repo).problems == ()
    assert pushed.push().records == 1  # what is gone for good is not missed
    bob.pull()
    with pytest.raises(ArtifactPurgedError, match="consent withdrawn"):
        read(bob, "first", "data/faces.npz")


def test_twice_is_once(pushed):
    assert drop(pushed, "first").recorded
    again = drop(pushed, "first")
    assert (again.recorded, again.here, again.there) == ((), (), {"origin": 0})


def test_a_purge_that_broke_off_is_finished_by_the_next(pushed, server, git):
    server.rename(server.with_name("away.git"))
    done = drop(pushed, "first")
    assert list(done.troubles) == ["origin"]
    assert isinstance(done.troubles["origin"], RemoteError)
    server.with_name("away.git").rename(server)
    assert stored(server, content(1)).exists()
    assert drop(pushed, "first").there == {"origin": 2}
    assert not stored(server, content(1)).exists()


def test_local_leaves_remotes_alone(pushed, server):
    assert drop(pushed, "first", local=True).there == {}
    assert stored(server, content(1)).exists()


def test_another_clone_drops_its_bytes_with_its_next_gc(pushed, bob, server):
    bob.pull()
    put(common(bob), content(1), old=False)
    drop(pushed, "first", "data")
    pushed.push()
    bob.pull()
    with bob.open() as repo:
        assert [
            one.severity.value
            for one in check(
                repo,
            ).problems
            if one.oid == oid_of(content(1))
        ] == ["untidy"]
        run = next(iter(history.search(repo, Query())))
        set_tags(repo, run.id, {"seen": "yes"})
    bob.push()
    assert not stored(server, content(1)).exists()  # a push does not bring it back
    with bob.open() as repo:
        done = collect(repo, GcOptions())
    assert [one.oid for one in done.purged] == [oid_of(content(1))]
    assert not stored(common(bob), content(1)).exists()


def _edit(where, **tags) -> None:
    with where.open() as repo:
        (run,) = history.search(repo, Query())
        set_tags(repo, run.id, tags)


@pytest.mark.parametrize("way", ["push", "sync"])
def test_who_edits_a_purged_run_unawares_does_not_send_it_again(pushed, bob, server, way):
    """The run is changed, and its bytes are here, before anybody says that they were purged."""
    bob.pull()
    put(common(bob), content(1), old=False)
    put(common(bob), content(2), old=False)
    drop(pushed, "first", "data", reason="consent withdrawn")
    pushed.push()
    _edit(bob, seen="yes")
    if way == "sync":
        bob.pull()
    done = bob.push()
    assert not stored(server, content(1)).exists()
    assert oid_of(content(1)) not in {one.oid for one in (*done.objects.moved, *done.objects.present)}
    assert stored(server, content(2)).exists()
    assert stored(common(bob), content(1)).exists()  # goes with the next gc, not before
    pushed.pull()
    for where in (pushed, bob):
        with where.open() as repo:
            collect(repo, GcOptions())
        assert not stored(common(where), content(1)).exists()
        with pytest.raises(ArtifactPurgedError, match="consent withdrawn"):
            read(where, "first", "data/faces.npz")


def test_a_plain_git_push_does_not_send_it_again_either(pushed, bob, server, git, gitml):
    bob.pull()
    put(common(bob), content(1), old=False)
    drop(pushed, "first", "data")
    pushed.push()
    _edit(bob, seen="yes")
    tip = git(bob.folder, "rev-parse", RUNS_REF).strip()
    there = git(server, "rev-parse", RUNS_REF).strip()
    line = f"{RUNS_REF} {tip} {RUNS_REF} {there}\n"
    gitml(bob.folder, "hook", "pre-push", "origin", str(server), input=line)
    assert not stored(server, content(1)).exists()


def test_a_push_of_new_runs_asks_for_no_tombstones(pushed, server, git):
    """Nobody can have purged what is new: no fetch for it, which would slow every push down."""
    git(server, "update-ref", "refs/gitml/inbox/unseen", RUNS_REF)
    pushed.record("second", {"new.bin": content(3)})
    assert pushed.push().objects.moved_bytes == len(content(3))
    assert "unseen" not in git(pushed.folder, "for-each-ref", "refs/gitml")


def test_purges_in_two_places_unite(pushed, bob):
    bob.pull()
    drop(pushed, "first", "data", reason="one")
    drop(bob, "first", "model.bin", reason="two", local=True)
    pushed.push()
    bob.push()
    pushed.pull()
    for where in (pushed, bob):
        with where.open() as repo:
            (run,) = history.search(repo, Query())
            found = {a.path: a.purged.reason for a in history.list_artifacts(repo, run) if a.purged}
        assert found == {"data/faces.npz": "one", "model.bin": "two"}


def test_content_that_others_have_stays_unless_forced(pushed):
    other = pushed.record("second", {"copy.npz": content(1)})
    with pytest.raises(SharedContentError, match=f"run {other[:8]}") as caught:
        drop(pushed, "first", "data")
    assert caught.value.plan.sharers == (other,)
    assert read(pushed, "second", "copy.npz") == content(1)
    drop(pushed, "first", "data", force=True)
    for name, path in (("first", "data/faces.npz"), ("second", "copy.npz")):
        with pytest.raises(ArtifactPurgedError):
            read(pushed, name, path)


def test_content_of_the_users_own_files_stays_unless_forced(pushed, git):
    (pushed.folder / "data.bin").write_bytes(pointer_to(content(1)))
    git(pushed.folder, "add", "data.bin")
    with pytest.raises(SharedContentError, match="files of your own"):
        drop(pushed, "first", "data")
    assert stored(common(pushed), content(1)).exists()


def test_content_of_a_live_run_is_refused(pushed):
    with pushed.open() as repo:
        live = start_run(repo, name="live")
        live.log_bytes(content(1), "x.bin")
        run = next(run for run in history.search(repo, Query()) if run.name == "first")
        with pytest.raises(RefusedError, match="still live"):
            plan_for_run(repo, run, ["data"])
        live.close()


def test_small_files_are_in_git_and_refused(pushed):
    with pytest.raises(RefusedError, match="kept in git itself"):
        drop(pushed, "first", "small.txt")
    assert drop(pushed, "first").plan.inline == ("small.txt",)
    assert read(pushed, "first", "small.txt") == b"x"


def test_by_object(pushed):
    pushed.record("second", {"copy.npz": content(1)})
    with pushed.open() as repo:
        plan = plan_for_object(repo, oid_of(content(1))[:12])
        assert plan.sharers == ()
        assert len(purge(repo, plan).recorded) == 2
        for wrong, error in (("abc", UsageError), ("-" * 10, UsageError), ("0" * 10, NotFoundError)):
            with pytest.raises(error):
                plan_for_object(repo, wrong)


def test_a_long_history_that_was_purged_says_so(ada, bob, git, gitml, tmp_path):
    git(ada.folder, "config", "gitml.historyLimit", "100")
    with ada.open() as repo:
        live = start_run(repo, name="first")
        for step in range(50):
            live.log_metric("loss", 0.1 * step, step=step)
        finish_run(repo, live, RunStatus.FINISHED)
        (run,) = history.search(repo, Query())
        (pointer,) = pointers_in(repo.git, [run.commit])
        purge(repo, plan_for_object(repo, pointer.oid), reason="names in the steps")
    ada.push()
    bob.pull()
    said = "the history of metric 'loss' was purged on .* by Ada .*: names in the steps"
    for where in (ada, bob):
        _edit(where, seen="yes")
        with where.open() as repo:
            (run,) = history.search(repo, Query())
            with pytest.raises(HistoryPurgedError, match=said):
                history.read_metric(repo, run, "loss")
    bob.push()
    ada.pull()  # now the run has two newest records
    with ada.open() as repo, pytest.raises(HistoryPurgedError, match=said):
        history.read_metric(repo, next(iter(history.search(repo, Query()))), "loss")
    assert "was purged on" in gitml(ada.folder, "plot", "loss", code=3).stderr
    assert "loss" in gitml(ada.folder, "show", "first").stdout


def test_what_is_not_there(pushed):
    for path, error in (("nothing.bin", NotFoundError), ("../x", UsageError)):
        with pytest.raises(error):
            drop(pushed, "first", path)


def test_a_reason_with_a_secret_is_redacted(pushed):
    with pytest.warns(SecretRedactedWarning):
        drop(pushed, "first", "data", reason="leaked token ghp_" + "a1B2c3D4e5" * 4)
    with pytest.raises(ArtifactPurgedError) as caught:
        read(pushed, "first", "data/faces.npz")
    assert "a1B2c3D4e5" not in str(caught.value)


def test_a_store_of_its_own(ada, tmp_path, git):
    folder = tmp_path / "bucket"
    folder.mkdir()
    git(ada.folder, "config", "gitml.artifacts.url", folder.as_uri())
    ada.record("first", {"model.bin": content(1)})
    ada.push()
    held = [path for path in folder.rglob("*") if path.is_file()]
    assert [path.name for path in held] == [oid_of(content(1))]
    done = drop(ada, "first")
    assert list(done.there.values()) == [1]
    assert not held[0].exists()


def test_the_command(pushed, gitml):
    folder = pushed.folder
    asked = gitml(folder, "purge", "first", "data", "--dry-run")
    assert "data/faces.npz" in asked.stdout
    assert stored(common(pushed), content(1)).exists()
    refused = gitml(folder, "purge", "first", "data", code=2)
    assert "--yes" in refused.stderr
    done = gitml(folder, "purge", "first", "data", "--yes", "--json", "-m", "gone")
    assert json.loads(done.stdout)["purge"]["there"] == {"origin": 1}
    listed = gitml(folder, "artifacts", "list", "first").stdout
    assert "data/faces.npz  purged on " in listed
    found = json.loads(gitml(folder, "artifacts", "list", "first", "--json").stdout)["artifacts"]
    assert {one["path"]: bool(one["purged"]) for one in found} == {
        "data/faces.npz": True, "model.bin": False, "small.txt": False,
    }  # fmt: skip
    assert "faces.npz 120 kB (purged)" in gitml(folder, "show", "first").stdout
    assert "was purged on" in gitml(folder, "artifacts", "get", "first", "data", code=3).stderr


def test_a_terminal_is_asked(pushed):
    for answer, status in ((b"n\n", 4), (b"y\n", 0)):
        main, terminal = pty.openpty()
        os.write(main, answer)
        done = subprocess.run(
            [sys.executable, "-m", "gitml", "purge", "first", "data", "--local"],
            cwd=pushed.folder, stdin=terminal, capture_output=True, text=True, check=False,
        )  # fmt: skip
        os.close(terminal)
        os.close(main)
        assert done.returncode == status, done.stderr
        assert "can't be undone" in done.stderr
    assert not stored(common(pushed), content(1)).exists()
