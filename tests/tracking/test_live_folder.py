"""The folder of a live run: few files, and still nothing lost, torn or mixed up."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import warnings

import pytest
from hypothesis import given

from gitml.entities.run import RunStatus
from gitml.formats import history as histories
from gitml.formats import run_tree
from gitml.index import Query
from gitml.tracking import history
from gitml.tracking.commit import finish_run, rescue_orphans
from gitml.tracking.start import attach_run, resume_run, start_run
from gitml.tracking.troubles import IncompleteRunWarning
from tests.strategies import metric_names

RUN = run_tree.RUN_FILE


def values(repo, run_id: str, metric: str) -> list[tuple[int, float]]:
    run = history.get_run(repo, run_id)
    return [(point.step, point.value) for point in history.read_metric(repo, run, metric)]


def test_a_run_of_single_points_needs_few_files_and_its_record_is_the_same(repo, git, git_repo):
    live = start_run(repo)
    live.log_params({"lr": 0.1})
    live.log_metrics({f"metric/{number}": float(number) for number in range(10)})
    live.log_bytes(b"x" * 100, "model.bin")
    alone = [path for path in live.folder.rglob("*") if path.is_file() and path.stat().st_nlink == 1]
    assert sorted(path.name for path in alone) == [
        ".lock",
        ".metrics",
        "model.bin",
        "params.yaml",
        "run.yaml",
    ]
    commit = finish_run(repo, live, RunStatus.FINISHED)
    listed = git(git_repo, "ls-tree", "-r", "--name-only", commit, "history/").split()
    assert listed == [f"history/metric/{number}.tsv" for number in range(10)]
    assert list(history.get_run(repo, live.run_id).metrics) == [f"metric/{number}" for number in range(10)]


def test_points_are_in_order_while_the_run_lives_and_after(repo):
    live = start_run(repo)
    live.log_metric("once", 5.0)
    for value in (0.3, 0.2, 0.1):
        live.log_metric("loss", value)
    expected = [(0, 0.3), (1, 0.2), (2, 0.1)]
    assert (values(repo, live.run_id, "once"), values(repo, live.run_id, "loss")) == ([(0, 5.0)], expected)
    assert live.to_run().metrics["loss"].count == 3
    finish_run(repo, live, RunStatus.FINISHED)
    assert (values(repo, live.run_id, "once"), values(repo, live.run_id, "loss")) == ([(0, 5.0)], expected)


def test_a_first_point_shows_in_a_search_at_once(repo):
    live = start_run(repo)
    found = []
    for value in (1.0, 2.0):
        live.log_metric(f"m{value:g}", value)
        found.append(len(history.search(repo, Query(filter=f"metrics.m{value:g} = {value}"))))
    assert found == [1, 1]
    live.close()


def test_another_process_goes_on_with_the_steps_of_a_metric_that_has_one_point(repo):
    live = start_run(repo)
    live.log_metric("loss", 0.5, step=7)
    other = attach_run(repo, live.run_id)
    other.log_metric("loss", 0.4)
    other.log_metric("new", 1.0)
    live.log_metric("new", 2.0)
    live.log_metric("loss", 0.3)
    other.close()
    finish_run(repo, live, RunStatus.FINISHED)
    assert values(repo, live.run_id, "loss") == [(7, 0.5), (8, 0.4), (8, 0.3)]
    assert values(repo, live.run_id, "new") == [(0, 1.0), (1, 2.0)]


CHILD = """
import sys
from gitml.repo import Repo
from gitml.tracking.start import attach_run
live = attach_run(Repo.open(), sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(40):
    live.log_metric(f"m{number}", float(sys.argv[2]))
"""


def test_processes_that_log_the_same_metrics_first_lose_no_point(repo, git_repo):
    live = start_run(repo)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, live.run_id, str(number)],
            cwd=git_repo, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(4)
    ]  # fmt: skip
    assert [child.stdout.readline() for child in children] == ["ready\n"] * 4
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    assert [child.wait() for child in children] == [0] * 4
    for child in children:
        child.communicate()
    finish_run(repo, live, RunStatus.FINISHED)
    for number in range(40):
        assert sorted(value for _, value in values(repo, live.run_id, f"m{number}")) == [0.0, 1.0, 2.0, 3.0]


def test_threads_that_log_the_same_metric_first_lose_no_point(repo):
    from concurrent.futures import ThreadPoolExecutor

    live = start_run(repo)
    with ThreadPoolExecutor(8) as pool:
        for number in range(50):
            list(pool.map(lambda value, key=f"m{number}": live.log_metric(key, value), range(8)))
    finish_run(repo, live, RunStatus.FINISHED)
    for number in range(50):
        points = values(repo, live.run_id, f"m{number}")
        assert sorted(value for _, value in points) == list(range(8))
        assert [step for step, _ in sorted(points)] == list(range(8))


def test_kill_9_loses_no_first_point(repo, python):
    done = python(
        "import os, signal\nfrom gitml.repo import Repo\nfrom gitml.tracking.start import start_run\n"
        "live = start_run(Repo.open())\n"
        "live.log_metrics({f'm{n}': n / 3 for n in range(20)})\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    (run_id,) = rescue_orphans(repo)
    run = history.get_run(repo, run_id)
    assert {key: metric.last for key, metric in run.metrics.items()} == {f"m{n}": n / 3 for n in range(20)}
    assert (run.status, run.incomplete) == (RunStatus.KILLED, False)


def test_a_torn_first_point_is_dropped_and_nothing_else(repo):
    live = start_run(repo)
    live.log_metrics({"loss": 0.5, "acc": 0.9})
    live.close()
    with (live.folder / ".metrics").open("a") as file:
        file.write("0\t17000000")
    rescue_orphans(repo)
    run = history.get_run(repo, live.run_id)
    assert {key: metric.last for key, metric in run.metrics.items()} == {"loss": 0.5, "acc": 0.9}
    assert not run.incomplete


@pytest.mark.parametrize(
    "line",
    ["0\t17\t1", "x\t0\t17\t0.5\tacc", "\t17\t0.5\tacc", "no\tpoint\tacc", "0\t1\t0.5\t../../../HEAD", "0\t1\t2\t\x1b[2J"],
)  # fmt: skip
def test_lines_that_a_full_disk_tore_lose_themselves_and_never_become_paths(repo, git, git_repo, line):
    live = start_run(repo)
    live.log_metric("loss", 0.5)
    with (live.folder / ".metrics").open("a") as file:
        file.write(line + "\n")
    live.log_metric("acc", 0.9)
    live.close()
    rescue_orphans(repo)
    run = history.get_run(repo, live.run_id)
    assert {key: metric.last for key, metric in run.metrics.items()} == {"loss": 0.5, "acc": 0.9}
    assert git(git_repo, "ls-tree", "-r", "--name-only", run.commit, "history/").split() == [
        "history/acc.tsv",
        "history/loss.tsv",
    ]
    git(git_repo, "fsck", "--strict")


@pytest.mark.parametrize("file", [".metrics", "history/loss.tsv"])
def test_a_live_run_with_a_torn_line_can_still_be_read(repo, file):
    live = start_run(repo)
    for value in (0.5, 0.4):
        live.log_metric("loss", value)
    live.log_metric("acc", 0.9)
    with (live.folder / file).open("a") as stream:
        stream.write("0\t170\t1760\t0.5\tloss\n")
    run = history.get_run(repo, live.run_id)
    assert ({key: metric.last for key, metric in run.metrics.items()}, run.incomplete) == (
        {"loss": 0.4, "acc": 0.9},
        True,
    )
    assert [run.id for run in history.search(repo, Query())] == [live.run_id]
    assert values(repo, live.run_id, "loss") == [(0, 0.5), (1, 0.4)]
    live.log_metric("loss", 0.3)
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert (run.metrics["loss"].last, run.incomplete) == (0.3, True)


def test_a_torn_end_takes_no_later_metric_with_it(repo):
    live = start_run(repo)
    live.log_metric("loss", 0.5)
    live.close()
    with (live.folder / ".metrics").open("a") as file:
        file.write("0\t17000")
    again = resume_run(repo, live.run_id)
    again.log_metric("acc", 0.9)
    finish_run(repo, again, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert ({key: metric.last for key, metric in run.metrics.items()}, run.incomplete) == (
        {"loss": 0.5, "acc": 0.9},
        False,
    )


def test_what_is_read_while_others_write_has_no_hole(repo):
    live = start_run(repo)
    stop = threading.Event()

    def log():
        for number in itertools.count():
            if stop.is_set():
                return
            for step in range(3):
                live.log_metric(f"m{number}", float(step), step=step)

    writer = threading.Thread(target=log)
    writer.start()
    try:
        for _ in range(30):
            for metric, summary in live.to_run().metrics.items():
                assert summary.min == 0.0, f"{metric} lacks its first point"
    finally:
        stop.set()
        writer.join()
    live.close()


def test_many_metrics_with_many_points_keep_few_files_open(repo, python):
    done = python("""
import os, resource, sys
from gitml.entities.run import RunStatus
from gitml.repo import Repo
from gitml.tracking.commit import finish_run
from gitml.tracking.start import start_run
resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))
repo = Repo.open()
live = start_run(repo)
for step in range(3):
    for number in range(600):
        live.log_metric(f"m{number}", float(step))
print(len(os.listdir("/proc/self/fd")))
finish_run(repo, live, RunStatus.FINISHED)
""")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 300
    (run,) = history.search(repo, Query())
    assert {summary.count for summary in run.metrics.values()} == {3}
    assert len(run.metrics) == 600


FORKER = """
import os, signal, sys, threading, time
from gitml.repo import Repo
from gitml.tracking.start import start_run
repo = Repo.open()
live = start_run(repo)
what, stop, done = sys.argv[1], threading.Event(), [0]
def write():
    while not stop.is_set():
        done[0] += 1
        if what == "facts":
            live.update(name=f"n{done[0]}")
        elif what == "params":
            live.log_param(f"p{done[0]}", 1)
        elif what == "metrics":
            live.log_metric(f"m{done[0]}", 1.0)
        else:
            with repo.journal.branch_lock():
                pass
thread = threading.Thread(target=write)
thread.start()
children = []
for _ in range(60):
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    children.append(pid)
    time.sleep(0.005)
before = done[0]
time.sleep(0.3)
print(done[0] - before)
sys.stdout.flush()
for pid in children:
    os.kill(pid, signal.SIGKILL)
stop.set()
thread.join()
os._exit(0)
"""


@pytest.mark.parametrize("what", ["facts", "params", "metrics", "branch"])
def test_children_forked_while_a_thread_logs_hold_no_lock(python, what):
    done = python(FORKER, what, timeout=60)
    assert int(done.stdout) > 0, done.stderr


def test_processes_that_change_different_facts_both_do(repo, git_repo):
    live = start_run(repo, name="one")
    code = (
        "from gitml.repo import Repo\nfrom gitml.tracking.start import attach_run\n"
        f"live = attach_run(Repo.open(), {live.run_id!r})\nprint('ready', flush=True)\ninput()\n"
        "for number in range(300):\n    live.update(entry_point=f'e{number}')\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=git_repo, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"
    child.stdin.write("\n")
    child.stdin.flush()
    for number in range(300):
        live.update(name=f"n{number}")
        assert live.facts().name == f"n{number}"
    child.communicate()
    assert live.facts().entry_point == "e299"
    live.close()


def test_a_live_run_that_is_moved_away_makes_no_ghost_of_itself(repo):
    live = start_run(repo)
    live.log_metric("loss", 0.5)
    elsewhere = live.folder.with_name("elsewhere")
    live.folder.rename(elsewhere)
    with pytest.warns(IncompleteRunWarning, match="No such file"):
        live.log_metric("loss", 0.4)
        live.set_tag("a", "b")
    assert not live.folder.exists()
    elsewhere.rename(live.folder)
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert (run.metrics["loss"].count, run.tags, run.incomplete) == (2, {"a": "b"}, False)


def test_files_of_an_earlier_version_stay_out_of_the_record(repo, git, git_repo):
    live = start_run(repo)
    (live.folder / ".reserve").write_bytes(bytes(100))
    live.close()
    rescue_orphans(repo)
    listed = git(git_repo, "ls-tree", "--name-only", history.get_run(repo, live.run_id).commit).split()
    assert not [name for name in listed if name.startswith(".")]


def test_a_resumed_run_goes_on_with_what_it_had(repo):
    live = start_run(repo)
    live.log_metrics({"b": 1.0, "a": 2.0})
    finish_run(repo, live, RunStatus.FINISHED)
    again = resume_run(repo, live.run_id)
    again.log_metrics({"a": 3.0, "c": 4.0})
    finish_run(repo, again, RunStatus.FINISHED)
    assert list(history.get_run(repo, live.run_id).metrics) == ["b", "a", "c"]
    assert values(repo, live.run_id, "a") == [(0, 2.0), (1, 3.0)]


# run.yaml


def test_each_change_of_run_yaml_is_added_and_a_torn_one_is_dropped(repo):
    live = start_run(repo, name="one")
    before = (live.folder / RUN).read_bytes()
    live.update(name="two")
    assert (live.folder / RUN).read_bytes().startswith(before)
    assert history.get_run(repo, live.run_id).name == "two"
    with (live.folder / RUN).open("a") as file:
        file.write("id: torn\nname: three\n")  # as a power cut can leave it
    assert history.get_run(repo, live.run_id).name == "two"
    live.update(entry_point="main")
    run = history.get_run(repo, live.run_id)
    assert (run.name, run.entry_point) == ("two", "main")
    live.close()


def test_a_run_yaml_without_a_mark_is_read_and_goes_on(repo):
    live = start_run(repo, name="one")
    (live.folder / RUN).write_bytes((live.folder / RUN).read_bytes().removesuffix(b"...\n"))
    assert history.get_run(repo, live.run_id).name == "one"
    live.update(name="two")
    assert history.get_run(repo, live.run_id).name == "two"
    live.close()
    assert rescue_orphans(repo) == [live.run_id]


@pytest.mark.parametrize("left", [b"", b"id: 12", b"\0" * 300])
def test_a_run_yaml_that_a_power_cut_took_is_made_anew(repo, left):
    live = start_run(repo)
    live.log_metric("loss", 0.5)
    live.close()
    (live.folder / RUN).write_bytes(left)
    assert rescue_orphans(repo) == [live.run_id]
    run = history.get_run(repo, live.run_id)
    assert (run.metrics["loss"].last, run.incomplete, run.status) == (0.5, True, RunStatus.KILLED)


@pytest.mark.parametrize("text", ["...", "a\n...\nid: x\n", "--- x", "...\n"])
def test_no_text_in_run_yaml_ends_it(repo, text):
    live = start_run(repo, command=["python", "-c", text])
    live.update(error=text, status=RunStatus.FAILED)
    run = history.get_run(repo, live.run_id)
    assert run.command == ("python", "-c", text)
    assert run.error == text
    live.close()


# Files that many runs share


def test_runs_share_what_describes_one_environment(repo):
    first, second = start_run(repo), start_run(repo)
    files = sorted(path.name for path in (first.folder / "environment").iterdir())
    assert files == ["python-version", "requirements.txt", "system.yaml"]
    for name in files:
        path = second.folder / "environment" / name
        assert path.stat().st_ino == (first.folder / "environment" / name).stat().st_ino
        assert not path.stat().st_mode & 0o222, "nobody writes to what others have too"
    finish_run(repo, first, RunStatus.FINISHED)
    assert all((second.folder / "environment" / name).read_bytes() for name in files)
    finish_run(repo, second, RunStatus.FINISHED)
    environments = [
        history.read_environment(repo, history.get_run(repo, live.run_id)) for live in (first, second)
    ]
    assert environments[0] == environments[1]


def test_a_shared_file_from_the_future_ends_no_run_there(repo):
    finish_run(repo, start_run(repo), RunStatus.FINISHED)
    for path in (repo.root / "cache").iterdir():
        os.utime(path, (4_000_000_000, 4_000_000_000))
    live = start_run(repo)
    live.log_metric("loss", 0.5)
    live.close()
    rescue_orphans(repo)
    assert history.get_run(repo, live.run_id).duration_s < 60


def test_environments_that_all_differ_do_not_fill_the_cache(repo):
    for number in range(80):
        live = start_run(repo, environment={"requirements.txt": f"a=={number}\n".encode()})
        finish_run(repo, live, RunStatus.FINISHED)
    assert len(list((repo.root / "cache").iterdir())) <= 64


def test_a_shared_file_that_somebody_changed_is_not_used(repo):
    first = start_run(repo)
    expected = history.read_environment(repo, history.get_run(repo, first.run_id))
    finish_run(repo, first, RunStatus.FINISHED)
    for path in (repo.root / "cache").glob("content-*"):
        path.chmod(0o644)
        path.write_bytes(b"something else")
    second = start_run(repo)
    assert history.read_environment(repo, history.get_run(repo, second.run_id)) == expected
    second.close()


@pytest.mark.parametrize("number", [1, 18, 31])  # EPERM, EXDEV, EMLINK
def test_a_file_system_without_links_is_no_trouble(repo, monkeypatch, number):
    def refuse(*_args, **_options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        live = start_run(repo)
    assert (live.folder / "environment" / "requirements.txt").stat().st_nlink == 1
    finish_run(repo, live, RunStatus.FINISHED)
    assert "requirements.txt" in history.read_environment(repo, history.get_run(repo, live.run_id))


# The form of first points


@given(metric_names, metric_names)
def test_first_points_read_back(one: str, other: str):
    lines = [(one, b"0\t1\t0.5\n"), (other, b"-1\t2\tnan\n"), (one, b"3\t4\t5\n")]
    expected: dict[str, bytes] = {}
    for name, line in lines:
        expected[name] = expected.get(name, b"") + line
    assert histories.decode_first(b"".join(histories.encode_first(*pair) for pair in lines)) == expected
