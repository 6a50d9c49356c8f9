"""Nothing that was logged is lost: not by kill -9, a full disk, a race or a damaged index."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

from gitml.entities.run import RunStatus
from gitml.errors import DamagedError, RefusedError
from gitml.git.runs_branch import ForeignBranchError
from gitml.index import Query
from gitml.repo import RUNS_REF, Repo
from gitml.tracking import history
from gitml.tracking.capture.code import CodeNotCapturedWarning
from gitml.tracking.commit import OrphanedRunWarning, finish_run, rescue_orphans
from gitml.tracking.damage import DamagedRecordWarning
from gitml.tracking.start import NotWritableError, attach_run, start_run
from gitml.tracking.troubles import IncompleteRunWarning

LOGGER = """
import sys
from gitml.repo import Repo
from gitml.tracking.start import start_run
live = start_run(Repo.open(), name="doomed", params={"lr": 0.1})
print(live.run_id, flush=True)
i = 0
while True:
    live.log_metric("loss", i / 3)
    i += 1
    if i % 100 == 0:
        print(i, flush=True)
"""


def test_kill_9_loses_no_point_that_was_logged(repo, git_repo):
    child = subprocess.Popen([sys.executable, "-c", LOGGER], cwd=git_repo, stdout=subprocess.PIPE, text=True)
    run_id = child.stdout.readline().strip()
    logged = 0
    while logged < 5000:
        logged = int(child.stdout.readline())
    assert rescue_orphans(repo) == [], "a living owner keeps its run"
    child.kill()
    rest = child.communicate()[0]
    logged = int(rest.split()[-1]) if rest.endswith("\n") and rest.split() else logged
    assert rescue_orphans(repo) == [run_id]
    run = history.get_run(repo, run_id)
    points = history.read_metric(repo, run, "loss")
    assert len(points) >= logged
    assert points == [(i, point.timestamp_ms, i / 3) for i, point in enumerate(points)]
    assert run.status is RunStatus.KILLED
    assert "died" in run.error
    assert run.params == {"lr": 0.1}
    assert run.duration_s > 0
    assert repo.journal.ids() == []


# Kill the process just before or just after each step of ending a run.
STEPS = [
    ("gitml.tracking.live:LiveRun.flush", 1),
    ("gitml.tracking.live:LiveRun.update", 1),
    ("gitml.tracking.live:LiveRun.facts", 1),
    ("gitml.git.repo:GitRepo.write_blob", 1),
    ("gitml.git.repo:GitRepo.write_blob", 4),
    ("gitml.git.repo:GitRepo.write_tree", 1),
    ("gitml.git.loose:_write_new", 2),
    ("gitml.git.repo:GitRepo.write_commit", 1),
    ("gitml.git.repo:GitRepo.move_ref", 1),
    ("gitml.journal.journal:Journal.discard", 1),
    ("gitml.journal.journal:remove_folder", 1),
]
ENDER = """
import importlib, os, signal, sys
from gitml.entities.run import RunStatus
from gitml.repo import Repo
from gitml.tracking.commit import finish_run
from gitml.tracking.start import start_run
target, nth, when = sys.argv[1], int(sys.argv[2]), sys.argv[3]
live = start_run(Repo.open(), params={"lr": 0.1})
for i in range(100):
    live.log_metric("loss", i / 3)
live.log_bytes(b"x" * 200_000, "model.bin")
print(live.run_id, flush=True)
module, _, path = target.partition(":")
owner = importlib.import_module(module)
*folders, name = path.split(".")
for folder in folders:
    owner = getattr(owner, folder)
real = getattr(owner, name)
calls = 0
def step(*args, **kwargs):
    global calls
    calls += 1
    mine = calls == nth
    if mine and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*args, **kwargs)
    if mine:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(owner, name, step)
finish_run(live_repo := Repo.open(), live, RunStatus.FINISHED)
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("target", "nth"), STEPS)
def test_kill_9_at_each_step_of_ending_a_run(repo, python, git, git_repo, target, nth, when):
    done = python(ENDER, target, str(nth), when)
    assert done.returncode == -signal.SIGKILL, done.stderr
    run_id = done.stdout.strip()
    history.refresh(repo)
    runs = repo.index.search(Query())
    assert [run.id for run in runs] == [run_id]
    run = runs[0]
    assert run.status in (RunStatus.KILLED, RunStatus.FINISHED)
    assert run.metrics["loss"].count == 100
    with history.open_artifact(repo, run, "model.bin") as stream:
        assert stream.read() == b"x" * 200_000
    assert len(repo.index.records(run_id)) == 1, "committed once, however often it was tried"
    assert repo.journal.ids() == []
    assert history.refresh(repo) == []
    git(git_repo, "fsck", "--strict")


def test_a_torn_last_line_is_dropped_and_nothing_else(repo):
    live = start_run(repo)
    for value in range(10):
        live.log_metric("loss", value + 0.5)
    live.log_param("a", 1)
    live.set_tag("t", "x")
    live.close()
    folder = repo.journal.folder(live.run_id)
    for file, torn in (
        ("history/loss.tsv", "10\t17900"),
        ("params.yaml", "b: 0."),
        ("tags.yaml", 'u: "never'),
        ("inputs.yaml", "- {na"),
    ):
        with (folder / file).open("a") as stream:
            stream.write(torn)
    assert rescue_orphans(repo) == [live.run_id]
    run = history.get_run(repo, live.run_id)
    assert [p.value for p in history.read_metric(repo, run, "loss")] == [value + 0.5 for value in range(10)]
    assert (run.params, run.tags, run.inputs) == ({"a": 1}, {"t": "x"}, ())


def test_a_run_lives_as_long_as_any_of_its_processes(repo, git_repo):
    live = start_run(repo)
    code = (
        "import sys\nfrom gitml.repo import Repo\nfrom gitml.tracking.start import attach_run\n"
        f"live = attach_run(Repo.open(), {live.run_id!r})\nlive.log_metric('child', 1.0)\nprint('ready', flush=True)\n"
        "sys.stdin.readline()\nlive.log_metric('child', 2.0)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=git_repo, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"
    live.close()  # as if this process had died
    assert rescue_orphans(repo) == []
    child.communicate("go\n")
    assert rescue_orphans(repo) == [live.run_id]
    assert history.get_run(repo, live.run_id).metrics["child"].count == 2


def test_forked_children_log_to_the_same_run(repo):
    live = start_run(repo)
    children = []
    for number in range(4):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            for _ in range(200):
                live.log_metric("shared", float(number))
            live.log_param(f"p{number}", number)
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert run.metrics["shared"].count == 800
    assert run.params == {f"p{number}": number for number in run.params.values()}
    assert len(run.params) == 4


WRITER = """
import sys
from gitml.entities.run import RunStatus
from gitml.repo import Repo
from gitml.tracking.commit import finish_run
from gitml.tracking.start import start_run
repo = Repo.open()
for i in range(int(sys.argv[2])):
    live = start_run(repo, name=f"w{sys.argv[1]}-{i}", code="commit")
    live.log_metric("i", i)
    finish_run(repo, live, RunStatus.FINISHED)
"""


@pytest.mark.parametrize(("writers", "each"), [(6, 10), pytest.param(16, 50, marks=pytest.mark.heavy)])
def test_many_processes_record_many_runs_each_at_once(repo, git, git_repo, writers, each):
    children = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(n), str(each)], cwd=git_repo, stderr=subprocess.PIPE, text=True
        )
        for n in range(writers)
    ]
    errors = [child.communicate()[1] for child in children]
    assert [child.returncode for child in children] == [0] * writers, errors
    runs = history.search(repo, Query())
    assert {run.name for run in runs} == {f"w{n}-{i}" for n in range(writers) for i in range(each)}
    assert len(runs) == writers * each
    assert len(git(git_repo, "rev-list", RUNS_REF).split()) == writers * each
    git(git_repo, "fsck", "--strict")


def test_a_lost_race_for_the_branch_is_retried(repo, monkeypatch):
    others = Repo.open(repo.git.work_tree)
    real, lost = repo.git.move_ref, []

    def race(ref, old, new, message="gitml"):
        if ref == RUNS_REF and len(lost) < 3:
            tree = repo.git.commit_info(new).tree
            parents = [old] if old else []
            rival = others.git.write_commit(
                tree, parents, f"x\n\nRun-Id: rival{len(lost)}\n", author="B <b@c>", time_s=5
            )
            assert others.git.move_ref(ref, old, rival)
            lost.append(rival)
        return real(ref, old, new, message)

    monkeypatch.setattr(repo.git, "move_ref", race)
    live = start_run(repo)
    commit = finish_run(repo, live, RunStatus.FINISHED)
    assert len(lost) == 3
    assert repo.git.commit_info(commit).parents == (lost[-1],), "on top of the others, none overwritten"
    others.close()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of two megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], check=False).returncode:
        pytest.skip("this machine does not allow mounting a small disk")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill_disk(file: Path) -> None:
    """Write until not a byte is left."""
    fd = os.open(file, os.O_WRONLY | os.O_CREAT)
    for size in (65536, 4096, 1):
        try:
            while os.write(fd, b"x" * size):
                pass
        except OSError:
            continue
    os.close(fd)


def make_repository(place: Path, git) -> Path:
    git(place, "init", "-q", "-b", "main", "repo")
    git(place / "repo", "config", "user.name", "Ada")
    git(place / "repo", "config", "user.email", "ada@example.org")
    git(place / "repo", "commit", "-q", "--allow-empty", "-m", "first")
    return place / "repo"


@needs_root
def test_a_full_disk_warns_once_keeps_what_it_can_and_never_stops_the_program(small_disk, git, tmp_path):
    repo = Repo.open(make_repository(small_disk, git))
    live = start_run(repo, code="commit")
    live.log_metric("loss", 0.0)
    large = tmp_path / "large.bin"
    large.write_bytes(b"x" * 1_000_000)
    filler = small_disk / "filler"
    fill_disk(filler)
    with pytest.warns(IncompleteRunWarning, match="could not write") as told:
        for value in range(1, 2000):
            live.log_metric("loss", float(value))
        live.log_artifact(large)
    assert len(told) == 1, "once, not at every point"
    filler.unlink()
    live.log_metric("loss", 2000.0)
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert [p.value for p in history.read_metric(repo, run, "loss")] == [float(v) for v in range(2001)]
    assert run.incomplete, "an artifact is missing"
    repo.close()


@needs_root
def test_metrics_that_begin_on_a_full_disk_are_kept_in_order(small_disk, git):
    repo = Repo.open(make_repository(small_disk, git))
    live = start_run(repo, code="commit")
    live.log_metric("before", 1.0)
    filler = small_disk / "filler"
    fill_disk(filler)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IncompleteRunWarning)
        for number in range(300):  # more than fits into what is left of a page
            live.log_metric(f"metric{number}", 0.0)
    filler.unlink()
    for value in range(1, 10):
        live.log_metric("metric299", float(value))
    now = history.read_metric(repo, history.get_run(repo, live.run_id), "metric299")
    assert [(point.step, point.value) for point in now] == [(step, float(step)) for step in range(10)]
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert {f"metric{number}" for number in range(300)} <= run.metrics.keys()
    assert not run.incomplete
    repo.close()


@needs_root
def test_processes_that_fill_a_disk_do_not_tear_each_others_first_points(small_disk, git):
    folder = make_repository(small_disk, git)
    repo = Repo.open(folder)
    live = start_run(repo, code="commit")
    code = (
        "import sys, warnings\nwarnings.simplefilter('ignore')\nfrom gitml.repo import Repo\n"
        f"from gitml.tracking.start import attach_run\nlive = attach_run(Repo.open(), {live.run_id!r})\n"
        "print('ready', flush=True)\n"
        "for line in sys.stdin:\n    live.log_metric('b/' + line.strip(), 1.0)\n    print('done', flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"
    filler = small_disk / "filler"
    fill_disk(filler)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IncompleteRunWarning)
        for number in range(150):
            live.log_metric(f"a/{number}", 1.0)
            child.stdin.write(f"{number}\n")
            child.stdin.flush()
            assert child.stdout.readline() == "done\n"
        assert history.get_run(repo, live.run_id).live, "it can be read while the disk is full"
    filler.unlink()
    for number in (150, 151):
        live.log_metric(f"a/{number}", 1.0)
        child.stdin.write(f"{number}\n")
        child.stdin.flush()
        assert child.stdout.readline() == "done\n"
    child.communicate()
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert {f"a/{number}" for number in range(152)} <= run.metrics.keys()
    assert not any(name.count("/") > 1 or "\t" in name for name in run.metrics)
    repo.close()


@needs_root
def test_a_disk_full_at_the_end_keeps_the_live_run_for_later(small_disk, git):
    repo = Repo.open(make_repository(small_disk, git))
    live = start_run(repo, code="commit")
    live.log_metric("loss", 1.0)
    filler = small_disk / "filler"
    fill_disk(filler)
    with warnings.catch_warnings(), pytest.raises(OSError):
        warnings.simplefilter("ignore")
        finish_run(repo, live, RunStatus.FINISHED)
    filler.unlink()
    assert rescue_orphans(repo) == [live.run_id]
    run = history.get_run(repo, live.run_id)
    assert run.metrics["loss"].last == 1.0
    assert run.status is RunStatus.FINISHED, "how it ended is known: room was kept for that"
    repo.close()


@needs_root
def test_strict_mode_raises_instead(small_disk, git):
    repo = Repo.open(make_repository(small_disk, git))
    live = start_run(repo, code="commit", strict=True)
    fill_disk(small_disk / "filler")
    with pytest.raises(OSError):
        for value in range(2000):
            live.log_metric("loss", float(value))
    (small_disk / "filler").unlink()
    live.log_metric("loss", 0.5, step=5000)
    finish_run(repo, live, RunStatus.FINISHED)
    points = history.read_metric(repo, history.get_run(repo, live.run_id), "loss")
    assert len({point.step for point in points}) == len(points), "what raised was not kept as well"
    assert points[-1].step == 5000
    repo.close()


@needs_root
def test_a_read_only_repository_can_be_read_and_says_so_when_written(small_disk, git):
    folder = make_repository(small_disk, git)
    writable = Repo.open(folder)
    live = start_run(writable, code="commit")
    live.log_metric("loss", 0.25)
    finish_run(writable, live, RunStatus.FINISHED)
    left = start_run(writable, code="commit")
    left.close()
    writable.close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    repo = Repo.open(folder)
    found = history.search(repo, Query(filter="metrics.loss < 0.5"))
    assert [run.id for run in found] == [live.run_id]
    with pytest.raises(NotWritableError, match="read-only"):
        start_run(repo)
    repo.close()
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)


@pytest.mark.parametrize("damage", [b"", b"not a database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_or_missing_index_is_rebuilt_silently(repo, git_repo, damage):
    live = start_run(repo)
    finish_run(repo, live, RunStatus.FINISHED)
    assert len(history.search(repo, Query())) == 1
    repo.close()
    index = repo.root / "index.sqlite"
    for file in repo.root.glob("index.sqlite-*"):
        file.unlink()
    index.write_bytes(damage)
    fresh = Repo.open(git_repo)
    assert len(history.search(fresh, Query())) == 1
    fresh.close()


def test_an_index_damaged_in_the_middle_is_rebuilt_too(repo, git_repo):
    for _ in range(30):
        finish_run(repo, start_run(repo, code="commit"), RunStatus.FINISHED)
    history.search(repo, Query())
    repo.close()
    index = repo.root / "index.sqlite"
    with sqlite3.connect(index) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = bytearray(index.read_bytes())
    data[4096 : len(data) - 100] = os.urandom(len(data) - 4196)
    index.write_bytes(data)
    fresh = Repo.open(git_repo)
    assert len(history.search(fresh, Query())) == 30
    fresh.close()


def test_a_branch_made_by_something_else_is_left_alone(repo, git, git_repo):
    live = start_run(repo)
    live.log_metric("loss", 1.0)
    git(git_repo, "branch", "gitml/runs", "main")
    before = repo.git.tip(RUNS_REF)
    with pytest.raises(ForeignBranchError, match="gitml did not make") as caught:
        finish_run(repo, live, RunStatus.FINISHED)
    assert "git branch -m" in caught.value.hint
    with pytest.raises(ForeignBranchError):
        start_run(repo)
    with pytest.warns(OrphanedRunWarning, match="gitml did not make"):
        assert rescue_orphans(repo) == []
    assert repo.git.tip(RUNS_REF) == before
    with (
        pytest.raises((RefusedError, DamagedError), match="gitml did not make"),
        pytest.warns(OrphanedRunWarning),
    ):
        history.search(repo, Query())
    git(git_repo, "branch", "-m", "gitml/runs", "theirs")
    assert rescue_orphans(repo) == [live.run_id], "nothing was lost"
    assert [run.id for run in history.search(repo, Query())] == [live.run_id]


def test_a_branch_named_gitml_is_in_the_way_and_told_before_anything_runs(repo, git, git_repo):
    live = start_run(repo)
    git(git_repo, "branch", "gitml")
    with pytest.raises(RefusedError, match="in its way"):
        finish_run(repo, live, RunStatus.FINISHED)
    with pytest.raises(RefusedError, match="in its way"):
        start_run(repo)
    git(git_repo, "branch", "-m", "gitml", "other")
    assert rescue_orphans(repo) == [live.run_id]


@pytest.mark.parametrize("damage", [b"", b"id: [", b"\xff\xfe\x00"])
def test_a_damaged_live_folder_stops_nobody(repo, damage):
    live = start_run(repo, params={"lr": 0.1})
    live.log_metric("loss", 0.5)
    live.close()
    folder = repo.journal.folder(live.run_id)
    (folder / "run.yaml").write_bytes(damage)
    with (folder / "params.yaml").open("ab") as stream:
        stream.write(b": : [\nseed: 7\n")
    other = start_run(repo)
    finish_run(repo, other, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert run.metrics["loss"].last == 0.5
    assert run.params == {"lr": 0.1, "seed": 7}
    assert run.incomplete
    assert run.status is RunStatus.KILLED


def test_an_orphan_that_can_not_be_committed_is_told_and_stops_nobody(repo, monkeypatch):
    live = start_run(repo)
    live.log_metrics({"loss": 0.5})
    live.log_metrics({"loss": 0.4})
    live.close()
    path = repo.journal.history_path(live.run_id, "loss")
    path.unlink()
    path.mkdir()  # stands for whatever can be wrong with a disk
    (path / "x.tsv").symlink_to("/nowhere")
    real = repo.git.write_tree
    monkeypatch.setattr(
        repo.git, "write_tree", lambda files: (_ for _ in ()).throw(OSError(5, "Input/output error"))
    )
    with pytest.warns(OrphanedRunWarning, match="Input/output error"):
        assert rescue_orphans(repo) == []
    monkeypatch.setattr(repo.git, "write_tree", real)
    assert rescue_orphans(repo) == [live.run_id]


def test_a_lock_left_by_a_killed_process_is_waited_for_then_removed(repo, monkeypatch):
    monkeypatch.setattr("gitml.git.repo._LOCK_PATIENCE_S", 0.2)
    lock = repo.git.common_dir / "refs/heads/gitml/runs.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    live = start_run(repo)
    finish_run(repo, live, RunStatus.FINISHED)
    assert not lock.exists()
    assert history.get_run(repo, live.run_id).status is RunStatus.FINISHED


def test_a_lock_that_somebody_uses_is_waited_for(repo):
    lock = repo.git.common_dir / "refs/heads/gitml/runs.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    threading.Timer(0.3, lock.unlink).start()
    live = start_run(repo)
    finish_run(repo, live, RunStatus.FINISHED)
    assert history.get_run(repo, live.run_id).status is RunStatus.FINISHED


def test_an_object_that_a_killed_writer_left_half_is_in_nobodys_way(repo):
    oid = repo.git.write_blob(b"content")
    path = repo.git.common_dir / "objects" / oid[:2] / oid[2:]
    path.unlink()
    path.with_name(f"{oid[2:]}.lock").write_bytes(b"half")
    path.with_name("tmp_obj_dead").write_bytes(b"half")
    assert repo.git.write_blob(b"content") == oid
    assert repo.git.read_blob(oid) == b"content"


def test_the_id_of_a_dead_handle_can_be_joined_no_more(repo):
    live = start_run(repo)
    finish_run(repo, live, RunStatus.FINISHED)
    with pytest.raises(Exception, match="not live"):
        attach_run(repo, live.run_id)


def edited(git, git_repo: Path, path: str, text: str) -> str:
    """Commit another version of one file of the newest record, as a person with plain git would."""
    index = {**os.environ, "GIT_INDEX_FILE": str(git_repo / ".git" / "edit.index")}
    blob = git(git_repo, "hash-object", "-w", "--stdin", input=text).strip()
    git(git_repo, "read-tree", "gitml/runs", env=index)
    git(git_repo, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=index)
    tree = git(git_repo, "write-tree", env=index).strip()
    message = git(git_repo, "log", "-1", "--format=%B", "gitml/runs")
    commit = git(git_repo, "commit-tree", tree, "-p", "gitml/runs", input=message).strip()
    git(git_repo, "update-ref", "refs/heads/gitml/runs", commit)
    return commit


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("params.yaml", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "params.yaml"),
        ("params.yaml", "- a\n- list\n", "params.yaml"),
        ("run.yaml", "id: 0\nstatus: evil\n", "run.yaml"),
    ],
)
def test_a_record_that_cannot_be_read_is_told_until_a_later_one_stands_over_it(
    repo, git, git_repo, path, text, why
):
    finish_run(repo, start_run(repo, name="only"), RunStatus.FINISHED)
    sound = git(git_repo, "show", f"gitml/runs:{path}") if path == "run.yaml" else "lr: 0.5\n"
    commit = edited(git, git_repo, path, text)
    with pytest.warns(DamagedRecordWarning, match=commit[:12]) as told:
        found = history.search(repo, Query())
    assert why in str(told[0].message)
    assert "gitml fsck" in str(told[0].message)
    assert [run.name for run in found] == ["only"], "the record before it counts"
    edited(git, git_repo, path, sound)
    if path == "params.yaml":
        (run,) = history.search(repo, Query())
        assert run.params == {"lr": 0.5}


def test_a_commit_of_somebody_else_on_top_can_be_taken_back(repo, git, git_repo):
    finish_run(repo, start_run(repo, name="ours"), RunStatus.FINISHED)
    tip = repo.git.tip(RUNS_REF)
    tree = git(git_repo, "rev-parse", "main^{tree}").strip()
    theirs = git(git_repo, "commit-tree", tree, "-p", "gitml/runs", "-m", "notes").strip()
    git(git_repo, "update-ref", "refs/heads/gitml/runs", theirs)
    with pytest.raises(ForeignBranchError, match=theirs[:12]) as caught:
        history.search(repo, Query())
    assert caught.value.exit_code == 2
    command = caught.value.hint.rpartition(": ")[2]
    assert command == f"git update-ref refs/heads/gitml/runs {tip[:12]}"
    git(git_repo, *command.split()[1:])
    assert [run.name for run in history.search(repo, Query())] == ["ours"]


def test_a_damaged_staging_area_stops_no_training(repo, git_repo):
    index = git_repo / ".git" / "index"
    index.write_bytes(b"junk")
    with pytest.warns(CodeNotCapturedWarning, match="git reset"):
        live = start_run(repo)
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert (run.code.commit, run.code.branch, run.code.tree) == (
        repo.git.tip("refs/heads/main"),
        "main",
        None,
    )
    assert "uncommitted" in run.code.left_out[0]
    assert index.read_bytes() == b"junk"


@needs_root
def test_what_waited_for_room_comes_not_over_what_was_logged_later(small_disk, git):
    repo = Repo.open(make_repository(small_disk, git))
    live = start_run(repo, code="commit")
    filler = small_disk / "filler"
    fill_disk(filler)
    with pytest.warns(IncompleteRunWarning, match="kept in memory"):
        live.log_bytes(b"old" * 5000, "text.txt")
        live.log_bytes(b"waits" * 3000, "waits.txt")
        live.log_bytes(b"a file" * 3000, "both")
    filler.unlink()
    live.log_bytes(b"new", "text.txt")
    live.log_bytes(b"in a folder", "both/inner.txt")
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    kept = {}
    for artifact in history.list_artifacts(repo, run):
        with history.open_artifact(repo, run, artifact.path) as stream:
            kept[artifact.path] = stream.read()
    assert kept == {"text.txt": b"new", "waits.txt": b"waits" * 3000, "both/inner.txt": b"in a folder"}
    assert run.incomplete, "of 'both' the file is lost"
    assert live.lost == ["artifact 'both': artifact 'both' would be both a file and a folder"]
    repo.close()
