"""`gitml runs …`, `rm` and `restore-run`: keeping runs in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import gitml
from gitml.entities.run import RunStatus
from gitml.tracking.history import get_run, read_metric

WRITER = """
import sys, time
from gitml.repo import Repo
from gitml.tracking.start import start_run
live = start_run(Repo.open(), name="other-process")
live.log_metric("loss", 0.5)
print(live.run_id, flush=True)
while True:
    time.sleep(0.05)
"""


@pytest.fixture
def writer(in_repo):
    """A process that has a live run open: gives the process and the run's id."""
    started = []

    def start():
        environ = {**os.environ, "PYTHONPATH": str(Path(gitml.__file__).parents[1])}
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER], cwd=in_repo, stdout=subprocess.PIPE, text=True, env=environ
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_runs_are_listed_with_mlflows_options(cli, recorded):
    recorded("one", experiment="churn")
    recorded("two")

    def names(*words):
        return [run["name"] for run in json.loads(cli("runs", "list", "--json", *words).out)["runs"]]

    assert names() == ["two", "one"]
    assert names("--experiment-name", "churn") == ["one"]
    assert names("--experiment-id", "0") == ["two"]
    assert names("-e", "churn", "-e", "Default") == names("--experiment-id", "0", "--experiment-id", "churn")
    assert names("-e", "churn", "-e", "Default") == ["two", "one"]
    cli("runs", "delete", "--run-id", "one")
    assert names() == ["two"]
    assert names("--view", "deleted_only") == ["one"]
    assert names("--view", "ALL") == ["two", "one"]
    assert names("-n", "1", "--view", "all") == ["two"]
    assert "can't be combined" in cli("runs", "list", "--experiment-id", "0", "-e", "churn", code=2).err


def test_the_list_is_that_of_gitml_log(cli, recorded):
    recorded("one")
    assert cli("runs", "list", "--porcelain").out == cli("log", "--porcelain").out
    assert cli("runs", "list", "--csv").out == cli("log", "--csv").out


def test_a_run_is_described_as_json(cli, recorded):
    run_id = recorded()
    document = json.loads(cli("runs", "describe", "--run-id", run_id).out)
    assert document["schema"] == 1
    assert document["run"]["id"] == run_id
    assert document == json.loads(cli("runs", "describe", "@").out)
    assert "gitml runs describe needs RUN" in cli("runs", "describe", code=2).err


def test_hidden_runs_come_back(cli, recorded, repo):
    one, two = recorded("one"), recorded("two")
    done = cli("rm", "one", two[:8])
    assert f"gitml restore-run {one[:8]}" in done.err
    assert done.out == ""
    assert get_run(repo, one).deleted_ms
    assert get_run(repo, two).deleted_ms
    cli("restore-run", "one", two[:8])
    assert not get_run(repo, one).deleted_ms
    assert not get_run(repo, two).deleted_ms


def test_nothing_is_hidden_when_one_name_is_wrong(cli, recorded, repo):
    one = recorded("one")
    assert "there is no run 'none-such'" in cli("rm", "one", "none-such", code=3).err
    assert not get_run(repo, one).deleted_ms


def test_many_are_hidden_and_brought_back_by_the_noun_or_none(cli, recorded, live_run, repo):
    ids = [recorded("one"), recorded("two")]
    live_run()

    def hidden():
        return [bool(get_run(repo, run_id).deleted_ms) for run_id in ids]

    assert "none-such" in cli("runs", "delete", "one", "two", "none-such", code=3).err
    assert "still live" in cli("runs", "delete", "one", "two", "brisk-heron", code=4).err
    assert hidden() == [False, False]
    cli("runs", "delete", "one", "two")
    assert hidden() == [True, True]
    assert "none-such" in cli("runs", "restore", "one", "none-such", code=3).err
    assert hidden() == [True, True]
    cli("runs", "restore", *ids)
    assert hidden() == [False, False]


def test_a_live_run_is_not_hidden(cli, live_run):
    live = live_run()
    assert f"gitml runs finish {live.run_id[:8]}" in cli("rm", "brisk-heron", code=4).err


def test_a_run_is_given_once(cli, recorded):
    recorded()
    assert "can't be combined" in cli("runs", "delete", "@", "--run-id", "@", code=2).err


def test_a_tag_by_the_noun(cli, recorded, repo):
    run_id = recorded()
    cli("runs", "set-tag", "@", "team=vision")
    assert get_run(repo, run_id).tags == {"team": "vision"}


def test_runs_are_compared_by_the_noun(cli, recorded):
    recorded("one", params={"lr": 0.1})
    recorded("two", params={"lr": 0.2})
    assert cli("runs", "compare", "one", "two", "--json").out == cli("diff", "one", "two", "--json").out


def test_a_run_whose_process_died_is_finished_as_asked(cli, writer, repo):
    process, run_id = writer()
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = cli("runs", "finish", "other-process")
    assert "is finished" in done.err
    run = get_run(repo, run_id)
    assert (run.status, run.live, run.metrics["loss"].last) == (RunStatus.FINISHED, False, 0.5)
    assert [point.value for point in read_metric(repo, run, "loss")] == [0.5]


def test_a_run_that_is_being_written_is_left_alone(cli, writer, repo):
    _, run_id = writer()
    done = cli("runs", "finish", run_id[:8], code=4)
    assert "is still being written" in done.err
    assert "--force" in done.err
    assert get_run(repo, run_id).live


def test_force_ends_a_run_under_its_process(cli, writer, repo):
    process, run_id = writer()
    cli("runs", "finish", "--run-id", run_id, "--status", "FAILED", "--force")
    run = get_run(repo, run_id)
    assert (run.status, run.live) == (RunStatus.FAILED, False)
    assert process.poll() is None
    assert repo.journal.ids() == []


def test_the_status_of_a_run_that_ended_is_corrected(cli, recorded, repo):
    run_id = recorded()
    before = get_run(repo, run_id)
    time.sleep(0.01)
    cli("runs", "finish", "@", "--status", "failed")
    after = get_run(repo, run_id)
    assert after.status is RunStatus.FAILED
    assert (after.end_ms, after.metrics) == (before.end_ms, before.metrics)
    tip = after.commit
    cli("runs", "finish", "@", "--status", "failed")
    assert get_run(repo, run_id).commit == tip
