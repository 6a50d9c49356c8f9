"""What `gitml gc` removes, and above all what it does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitml.entities.run import RunStatus
from gitml.errors import DamagedError, RemoteError
from gitml.maintenance.collecting import Collected, GcOptions, collect
from gitml.repo import RUNS_REF, Repo
from gitml.sync.inspect_objects import GitStoppedError
from gitml.tracking.commit import finish_run
from gitml.tracking.start import start_run
from tests.maintenance.conftest import age, content, oid_of, pointer_to, put, stored


def gc(where, **options) -> Collected:
    with where.open() as repo:
        return collect(repo, GcOptions(**options))


def common(where) -> Path:
    return where.folder / ".git"


def oids(group) -> set[str]:
    return {one.oid for one in group}


def test_nothing_that_a_run_needs_goes(ada, git):
    ada.record("first", {"model.bin": content(1)})
    age(stored(common(ada), content(1)))
    done = gc(ada, older_than_s=0)
    assert (done.unreferenced, done.purged, done.offloaded) == ((), (), ())
    assert stored(common(ada), content(1)).read_bytes() == content(1)


def test_old_objects_that_nothing_points_at_go(ada):
    ada.record("first", {"model.bin": content(1)})
    old, young = put(common(ada), content(2)), put(common(ada), content(3), old=False)
    dry = gc(ada, dry_run=True)
    assert oids(dry.unreferenced) == {oid_of(content(2))}
    assert old.exists()
    done = gc(ada)
    assert oids(done.unreferenced) == {oid_of(content(2))}
    assert done.kept_young == 1
    assert done.freed == len(content(2))
    assert not old.exists()
    assert young.exists()
    assert oids(gc(ada, older_than_s=0).unreferenced) == {oid_of(content(3))}


@pytest.mark.parametrize("place", ["branch", "staged", "stashed", "reflog", "unreachable", "worktree"])
def test_objects_of_the_users_own_lfs_files_stay(ada, git, tmp_path, place):
    folder = ada.folder
    path = put(common(ada), content(4))
    data = pointer_to(content(4))
    target = folder
    if place == "worktree":
        target = tmp_path / "linked"
        git(folder, "worktree", "add", "--quiet", "--detach", str(target))
    (target / "data.bin").write_bytes(data)
    if place == "unreachable":
        git(folder, "hash-object", "-w", "data.bin")
    else:
        git(target, "add", "data.bin")
    if place in ("branch", "reflog"):
        git(folder, "commit", "--quiet", "--message", "data")
    if place == "reflog":
        git(folder, "reset", "--quiet", "--hard", "HEAD~1")
    if place == "stashed":
        git(folder, "stash", "--quiet")
    assert gc(ada, older_than_s=0).unreferenced == ()
    assert path.exists()


def test_with_a_real_git_lfs(ada, git):
    if subprocess.run(["git", "lfs", "version"], capture_output=True, check=False).returncode:
        assert not os.environ.get("CI"), "git-lfs must be there in CI"
        pytest.skip("git-lfs is not installed")
    folder = ada.folder
    git(folder, "lfs", "install", "--local")
    git(folder, "lfs", "track", "*.bin")
    (folder / "data.bin").write_bytes(content(5))
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "data")
    ada.record("first", {"model.dat": content(1)})
    age(stored(common(ada), content(5)))
    before = git(folder, "lfs", "ls-files", "--long", "--all")
    assert gc(ada, older_than_s=0).unreferenced == ()
    assert git(folder, "lfs", "ls-files", "--long", "--all") == before
    assert git(folder, "lfs", "fsck", "HEAD")
    assert git(folder, "status", "--porcelain") == ""


def test_objects_of_live_runs_stay(ada):
    with ada.open() as repo:
        live = start_run(repo, name="live")
        live.log_bytes(content(6), "model.bin")
        age(stored(common(ada), content(6)))
        assert collect(repo, GcOptions(older_than_s=0)).unreferenced == ()
        live.close()


def test_an_object_that_is_logged_again_is_fresh(ada):
    path = put(common(ada), content(7))
    with ada.open() as repo:
        repo.objects.put_bytes(content(7))
    assert gc(ada).unreferenced == ()
    assert path.exists()


def test_runs_that_were_only_fetched_count(ada, bob):
    bob.record("his", {"model.bin": content(8)})
    bob.push(inbox=True)
    ada.record("hers")
    ada.pull()
    put(common(ada), content(8))
    with ada.open() as repo:  # the branch forgets it: only the inbox ref of the remote knows it
        first = repo.git.commit_info(repo.git.tip(RUNS_REF)).parents
        assert first
    assert gc(ada, older_than_s=0).unreferenced == ()


def test_where_the_store_is_shared_or_git_is_partial_nothing_is_guessed(ada, bob, git, tmp_path):
    git(ada.folder, "config", "lfs.storage", str(tmp_path / "shared"))
    with ada.open() as repo:
        repo.objects.put_bytes(content(9))
        done = collect(repo, GcOptions(older_than_s=-1))
        assert done.unreferenced == ()
        assert "lfs.storage" in done.notes[0]
    git(bob.folder, "config", "remote.origin.promisor", "true")
    put(common(bob), content(9))
    done = gc(bob, older_than_s=0)
    assert done.unreferenced == ()
    assert "partial clone" in done.notes[0]


def test_a_damaged_repository_is_left_alone(ada, git):
    ada.record("first", {"model.bin": content(1)})
    path = put(common(ada), content(2))
    blob = git(ada.folder, "rev-parse", "HEAD:train.py").strip()
    loose = common(ada) / "objects" / blob[:2] / blob[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"junk")
    with pytest.raises(GitStoppedError):
        gc(ada, older_than_s=0)
    assert path.exists()
    git(ada.folder, "update-ref", "refs/gitml/remotes/x/inbox/a", RUNS_REF)
    (common(ada) / "refs/gitml/remotes/x/inbox/a").write_text("1" * 40 + "\n")
    with pytest.raises(DamagedError, match="points at"):
        gc(ada)


def test_objects_go_where_a_remote_has_them(ada, server):
    ada.record("first", {"model.bin": content(1)})
    ada.push()
    ada.record("second", {"model.bin": content(2)})
    age(stored(common(ada), content(1)), stored(common(ada), content(2)))
    done = gc(ada, pushed_to="origin")
    assert oids(done.offloaded) == {oid_of(content(1))}
    assert done.not_there == 1
    assert not stored(common(ada), content(1)).exists()
    assert stored(common(ada), content(2)).exists()
    assert stored(server, content(1)).exists()


def test_young_and_shared_objects_are_not_offloaded(ada, git):
    ada.record("first", {"model.bin": content(1), "other.bin": content(2)})
    ada.push()
    assert gc(ada, pushed_to="origin").offloaded == ()
    (ada.folder / "data.bin").write_bytes(pointer_to(content(1)))
    git(ada.folder, "add", "data.bin")
    done = gc(ada, pushed_to="origin", older_than_s=0)
    assert oids(done.offloaded) == {oid_of(content(2))}
    assert "files of your own" in done.notes[0]


def test_a_remote_that_does_not_answer_removes_nothing(ada, server, git):
    ada.record("first", {"model.bin": content(1)})
    ada.push()
    server.rename(server.with_name("gone.git"))
    path = put(common(ada), content(2))
    with pytest.raises(RemoteError):
        gc(ada, pushed_to="origin", older_than_s=0)
    assert stored(common(ada), content(1)).exists()
    assert path.exists()


def test_orphans_are_committed_and_not_removed(ada):
    code = "import gitml, os; gitml.start_run(run_name='lost'); gitml.log_metric('a', 1); os._exit(9)"
    subprocess.run([sys.executable, "-c", code], cwd=ada.folder, check=False)
    assert len(gc(ada, dry_run=True).rescued) == 1
    assert len(list((common(ada) / "gitml/live").iterdir())) == 1
    assert len(gc(ada).rescued) == 1
    (run,) = ada.runs().values()
    assert (run.name, run.status.value, run.metrics["a"].last) == ("lost", "killed", 1)


def test_leftovers_of_killed_processes_go(ada):
    ada.record("first")
    store, root = common(ada) / "lfs", common(ada) / "gitml"
    old = [
        store / "tmp/gitml-0123", store / f"tmp/gitml-part-{'a' * 64}", store / "objects/ab/cd/.gitml-1",
        root / "trash/x-1/run.yaml", root / "live/.x-1/run.yaml",
    ]  # fmt: skip
    others = [store / "tmp/somebody-elses", store / f"tmp/gitml-part-{'b' * 64}"]
    for path in (*old, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 10)
    age(*old, *(path.parent for path in old if path.name == "run.yaml"), others[0])
    done = gc(ada)
    assert len(done.leftovers) == 5
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in others)


def test_studies_of_finished_sweeps_go(ada):
    finished = ada.record("finished")
    with ada.open() as repo, closing(start_run(repo, name="live")) as live:
        failed = start_run(repo, name="failed")
        finish_run(repo, failed, RunStatus.FAILED)
        names = [finished, failed.run_id, live.run_id, "a" * 32, "b" * 32]
        studies = [common(ada) / "gitml/sweeps" / name for name in names]
        for study in studies:
            study.mkdir(parents=True)
            (study / "optuna.log").write_text("{}")
        age(studies[3])  # its run is gone; the other's is about to begin
        done = gc(ada)
    assert {one.path for one in done.studies} == {studies[0], studies[3]}
    assert [study.exists() for study in studies] == [False, True, True, False, True]


def test_caches_go_only_when_asked(ada):
    ada.record("first")
    ada.runs()
    index = common(ada) / "gitml/index.sqlite"
    assert gc(ada).caches == ()
    assert index.exists()
    assert gc(ada, caches=True).caches
    assert not index.exists()
    assert len(ada.runs()) == 1


def test_repacking_keeps_what_only_the_user_may_prune(ada, git):
    folder = ada.folder
    for number in range(3):
        ada.record(f"run-{number}")
    lost = git(folder, "hash-object", "-w", "--stdin", input="unreachable").strip()
    config = (common(ada) / "config").read_bytes()
    assert gc(ada).packed == 0
    assert gc(ada, repack=True, dry_run=True).packed > 20
    assert gc(ada, repack=True).packed > 20
    assert git(folder, "cat-file", "-p", lost) == "unreachable"
    assert git(folder, "count-objects").startswith("1 ")
    assert (common(ada) / "config").read_bytes() == config
    assert git(folder, "fsck", "--strict", "--no-dangling") == ""
    assert len(ada.runs()) == 3


def test_many_refs_become_one_file(ada, git):
    ada.record("first")
    tip = git(ada.folder, "rev-parse", RUNS_REF).strip()
    lines = "".join(f"create refs/gitml/remotes/o/inbox/n{i} {tip}\n" for i in range(1200))
    git(ada.folder, "update-ref", "--stdin", input=lines)
    before = git(ada.folder, "for-each-ref")
    assert gc(ada).refs_packed
    assert git(ada.folder, "for-each-ref") == before
    assert not gc(ada).refs_packed


def test_in_a_bare_repository_and_a_linked_worktree(ada, server, git, tmp_path, gitml):
    ada.record("first", {"model.bin": content(1)})
    ada.push()
    put(server, content(2))
    with closing(Repo.open(server)) as repo:
        assert oids(collect(repo).unreferenced) == {oid_of(content(2))}
    assert stored(server, content(1)).exists()
    git(ada.folder, "worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    put(common(ada), content(3))
    assert "1 object" in gitml(tmp_path / "linked", "gc").stderr
    assert stored(common(ada), content(1)).exists()


def test_killed_in_the_middle_it_leaves_a_sound_repository(ada, git):
    ada.record("first", {"model.bin": content(1)})
    in_the_middle = 0
    for gone in (1, 400, 1, 200, 1, 1, 1):  # a busy machine may look too late: then once more
        garbage = [put(common(ada), b"garbage %d" % number) for number in range(2000)]
        process = subprocess.Popen([sys.executable, "-m", "gitml", "gc"], cwd=ada.folder)
        while process.poll() is None and sum(not path.exists() for path in garbage) < gone:
            time.sleep(0.001)
        process.kill()
        killed = process.wait() == -signal.SIGKILL
        in_the_middle += killed and any(path.exists() for path in garbage)
        assert stored(common(ada), content(1)).read_bytes() == content(1)
        assert git(ada.folder, "fsck", "--strict", "--no-dangling") == ""
        if in_the_middle == 2:
            break
    assert in_the_middle
    gc(ada)
    assert not any(path.exists() for path in garbage)
    assert len(ada.runs()) == 1


@settings(max_examples=8)
@given(data=st.data())
def test_whatever_is_recorded_stays_readable(clone, data, tmp_path_factory):
    """Objects of runs, garbage, and files of the user in any mix: only garbage goes."""
    numbers = st.sets(st.integers(20, 40), max_size=4)
    runs, files, garbage = data.draw(numbers), data.draw(numbers), data.draw(numbers)
    ada = clone(tmp_path_factory.mktemp("x").name)
    for number in sorted(runs):
        ada.record(f"run-{number}", {"model.bin": content(number)})
    for number in sorted(files):
        put(common(ada), content(number))
        (ada.folder / "data.bin").write_bytes(pointer_to(content(number)))
        subprocess.run(["git", "add", "data.bin"], cwd=ada.folder, check=True)
    for number in garbage - runs - files:
        put(common(ada), content(number))
    done = gc(ada, older_than_s=-1)
    assert oids(done.unreferenced) == {oid_of(content(n)) for n in garbage - runs - files}
    assert all(stored(common(ada), content(n)).exists() for n in runs | files)
