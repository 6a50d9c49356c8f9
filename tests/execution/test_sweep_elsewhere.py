"""`gitml sweep --backend`: trials as jobs in the background of this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gitml.entities.run import Run, RunStatus
from tests.conftest import Gitml
from tests.execution.backends.harness import environment, jobs_of
from tests.execution.test_sweep_cli import parent_of, runs_of, trials, wait_until

# Fails at 3 until `fixed` is there, and waits for `go` where `wait` is there.
SCRIPT = """\
import os, sys, time
x = float(sys.argv[2])
while os.path.exists("wait") and not os.path.exists("go"):
    time.sleep(0.02)
print("loss:", x)
print("trial:", os.environ["GITML_SWEEP_TRIAL"])
sys.exit(x == 3 and not os.path.exists("fixed"))
"""
OPTIONS = ("--minimize", "loss", "--scalars", "auto", "--name", "hunt", sys.executable, "train.py")


@pytest.fixture
def folder(git_repo: Path) -> Path:
    (git_repo / "train.py").write_text(SCRIPT)
    return git_repo


def is_over(gitml: Gitml, folder: Path) -> bool:
    return all(job["state"] not in ("pending", "running") for job in jobs_of(gitml, folder).values())


def children_of(folder: Path, parent: Run) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs_of(folder):
        if run.parent_id == parent.id:
            found.setdefault(run.tags["sweep.trial"], []).append(run)
    return found


def test_a_sweep_is_submitted_gone_on_with_and_closed(folder: Path, gitml: Gitml) -> None:
    done = gitml(folder, "sweep", "--detach", "-P", "x=4,3,2", *OPTIONS, env=environment())
    parent = parent_of(runs_of(folder))
    assert done.stdout == f"{parent.id}\n"
    assert (parent.status, parent.live, parent.tags["sweep.backend"]) == (RunStatus.SCHEDULED, False, "local")
    wait_until(lambda: is_over(gitml, folder), "the jobs end")
    first = gitml(folder, "sweep", "--resume", "hunt", "--json", code=1, env=environment())
    assert [(trial["value"], trial["status"]) for trial in trials(first)] == [
        (4, "finished"), (3, "failed"), (2, "finished"),
    ]  # fmt: skip
    parent, begun_ms = parent_of(runs_of(folder)), parent.start_ms
    best = children_of(folder, parent)["3"][0]
    assert best.metrics["trial"].last == 3
    assert (parent.status, parent.exit_code, parent.error) == (RunStatus.FAILED, 1, "1 of 3 trials failed")
    assert (parent.start_ms, parent.tags["sweep.best_run"], parent.tags["sweep.failed"]) == (
        begun_ms,
        best.id,
        "1",
    )
    assert parent.metrics["best/loss"].last == 2
    assert "trial 2 failed  x=3  3.0  (exit 1)\n" in gitml(folder, "show", "hunt", "--log").stdout
    same = gitml(folder, "sweep", "--resume", "hunt", "--json", code=1, env=environment())
    assert trials(same) == trials(first)
    assert parent_of(runs_of(folder)) == parent  # nothing was left to say
    (folder / "fixed").touch()
    retried = gitml(folder, "sweep", "--resume", "hunt", "--retry-failed", "--json", env=environment())
    assert "1 trial submitted to local" in retried.stderr
    assert [one["run"] == two["run"] for one, two in zip(trials(first), trials(retried), strict=True)] == [
        True, False, True,
    ]  # fmt: skip
    parent = parent_of(runs_of(folder))
    assert (parent.status, parent.error, parent.tags["sweep.failed"]) == (RunStatus.FINISHED, None, "0")
    assert parent.metrics["best/loss"].count == 2  # 4, then 2: nothing is told twice


@pytest.mark.heavy
def test_ctrl_c_leaves_the_jobs_alone_and_cancelling_the_sweep_ends_them(folder: Path, gitml: Gitml) -> None:
    (folder / "wait").touch()
    gitml(folder, "sweep", "--detach", "-P", "x=1,2", *OPTIONS, env=environment())
    command = [sys.executable, "-m", "gitml", "sweep", "--resume", "hunt"]
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith(b"going on with sweep")
    wait_until(
        lambda: all(len(runs) == 1 for runs in [children_of(folder, parent_of(runs_of(folder)))["1"]]), ""
    )
    wait_until(
        lambda: {job["run_status"] for job in jobs_of(gitml, folder).values()} == {"running"}, "both run"
    )
    process.send_signal(signal.SIGINT)
    assert b"the jobs of sweep" in process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert {job["state"] for job in jobs_of(gitml, folder).values()} == {"running"}
    detached = json.loads(
        gitml(folder, "sweep", "--resume", "hunt", "--detach", "--json", env=environment()).stdout
    )
    assert (detached["sweep"]["status"], len(jobs_of(gitml, folder))) == (
        "scheduled",
        2,
    )  # none was submitted twice
    assert gitml(folder, "jobs", "cancel", "hunt").stderr.count("was asked to end") == 2
    wait_until(lambda: is_over(gitml, folder), "the jobs end")
    parent = parent_of(runs_of(folder))
    assert (parent.status, parent.error) == (RunStatus.KILLED, "cancelled")
    (folder / "go").touch()
    gitml(folder, "sweep", "--resume", "hunt", env=environment())
    assert parent_of(runs_of(folder)).status is RunStatus.FINISHED
    assert {number: sorted(run.status.value for run in runs) for number, runs in children_of(folder, parent).items()} == {
        "1": ["finished", "killed"], "2": ["finished", "killed"],
    }  # fmt: skip


def test_what_can_not_be_had_is_refused_before_anything_is_recorded(folder: Path, gitml: Gitml) -> None:
    cases = [
        (("--optimizer", "random", "--trials", "2", "-j", "2"), 2, "can't be told how many jobs"),
        (("--fail-fast",), 2, "--fail-fast is not for backend"),
        (("-c", "speed=1"), 2, "has no option"),
        (("--remote", "origin"), 2, "needs no remote"),
        (("-P", "y=range(40)"), 4, "would begin all 40 trials at once"),
    ]
    for options, code, message in cases:
        done = gitml(folder, "sweep", "--detach", "-P", "x=1", *options, "true", code=code, env=environment())
        assert message in done.stderr
    assert "no remote" in gitml(folder, "sweep", "-b", "slurm", "-P", "x=1", "true", code=2).stderr.replace(
        "has none", "no remote"
    )
    assert runs_of(folder) == []
    gitml(folder, "sweep", "-P", "x=1", "true")
    assert "run here" in gitml(folder, "sweep", "--resume", "@~1", "--detach", code=2).stderr


@pytest.mark.heavy
def test_jobs_that_never_tell_are_given_up_and_submitted_again(folder: Path, gitml: Gitml) -> None:
    (folder / "wait").touch()
    gitml(folder, "sweep", "--detach", "-P", "x=1,2", *OPTIONS, env=environment())
    wait_until(
        lambda: {job["run_status"] for job in jobs_of(gitml, folder).values()} == {"running"}, "both run"
    )
    first, second = jobs_of(gitml, folder).values()
    for job in (first, second):
        os.kill(int(job["id"].partition("-")[0]), signal.SIGKILL)
    wait_until(lambda: is_over(gitml, folder), "the jobs are gone")
    # As it is where we are killed before a submission is written down.
    (folder / ".git" / "gitml" / "jobs" / f"{first['run_id']}.json").unlink()
    (folder / "go").touch()
    gitml(folder, "sweep", "--resume", "hunt", env=environment())
    parent = parent_of(runs_of(folder))
    assert parent.status is RunStatus.FINISHED
    assert {number: len(runs) for number, runs in children_of(folder, parent).items()} == {"1": 2, "2": 2}
