"""Sweeps as arrays of a real Slurm of one node."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from gitml.entities.run import RunStatus
from gitml.tracking.history import get_run
from tests.conftest import Git, Gitml
from tests.execution.backends.harness import Lab, jobs_of, wait_until
from tests.execution.test_sweep_cli import parent_of, runs_of, trials
from tests.servers.slurm import Cluster, is_installed

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not is_installed(), reason="Slurm is not installed, or this is not root"),
]

# Waits from 9 on until `go` is there; fails at 3 until `fixed` is there.
SCRIPT = """\
import os, pathlib, sys, time
state, x = pathlib.Path(sys.argv[1]), float(sys.argv[3])
while x >= 9 and not (state / "go").exists():
    time.sleep(0.05)
print("loss:", x)
print("trial:", os.environ["GITML_SWEEP_TRIAL"])
sys.exit(x == 3 and not (state / "fixed").exists())
"""


@pytest.fixture
def sweep(shared_lab: Lab, cluster: Cluster, tmp_path: Path) -> tuple[str, ...]:
    """The words of a sweep, up to its own options; what it runs has been written."""
    (shared_lab.folder / "tune.py").write_text(SCRIPT)
    return (
        "sweep", "--backend", "slurm", "-c", f"output={tmp_path}/job-%j.log", "-c", "time=10m", "-c", "cpus=1",
        "-c", "partition=main", "--minimize", "loss", "--scalars", "auto", "--name", "hunt",
    )  # fmt: skip


def program(tmp_path: Path) -> tuple[str, ...]:
    return (sys.executable, "tune.py", str(tmp_path))


def test_an_array_is_waited_for_and_failed_trials_are_run_again(
    shared_lab: Lab,
    cluster: Cluster,
    sweep: tuple[str, ...],
    gitml: Gitml,
    git: Git,
    tmp_path: Path,
) -> None:
    folder = shared_lab.folder
    done = gitml(
        folder,
        *sweep,
        "-j",
        "2",
        "--json",
        "-P",
        "x=4,3,2,5",
        *program(tmp_path),
        code=1,
        env=os.environ,
        timeout=120,
    )
    assert "4 trials submitted to slurm" in done.stderr
    assert done.stderr.count(" in ") >= 4
    assert [(trial["value"], trial["status"]) for trial in trials(done)] == [
        (4, "finished"), (3, "failed"), (2, "finished"), (5, "finished"),
    ]  # fmt: skip
    jobs = jobs_of(gitml, folder, env=os.environ)
    array = {job["id"].partition("_")[0] for job in jobs.values()}
    assert len(array) == 1
    assert cluster.run("scontrol", "-o", "show", "job", array.pop()).count("ArrayTaskThrottle=2") > 0
    parent = parent_of(runs_of(folder))
    best = json.loads(done.stdout)["sweep"]["best"]
    assert (best["value"], parent.tags["sweep.best_run"]) == (2, best["run"])
    assert (parent.status, parent.error) == (RunStatus.FAILED, "1 of 4 trials failed")
    runs = {run.id: run for run in runs_of(folder)}
    assert runs[best["run"]].metrics["trial"].last == 3
    assert {runs[trial["run"]].code for trial in trials(done)} == {parent.code}
    # Another clone sees the same, with the sweep's end.
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "server.git", "clone")
    gitml(clone, "pull")
    assert parent_of(runs_of(clone)).tags == parent.tags
    (tmp_path / "fixed").touch()
    again = gitml(
        folder, "sweep", "--resume", "hunt", "--retry-failed", "--json", env=os.environ, timeout=120
    )
    assert "1 trial submitted" in again.stderr
    assert [one["run"] == two["run"] for one, two in zip(trials(done), trials(again), strict=True)] == [
        True, False, True, True,
    ]  # fmt: skip
    assert parent_of(runs_of(folder)).status is RunStatus.FINISHED


def test_a_detached_array_is_gone_on_with_and_cancelled(
    shared_lab: Lab,
    cluster: Cluster,
    sweep: tuple[str, ...],
    gitml: Gitml,
    git: Git,
    tmp_path: Path,
) -> None:
    folder = shared_lab.folder
    sweep_id = gitml(
        folder,
        *sweep,
        "--detach",
        "-j",
        "2",
        "-c",
        "env.WORD=a",
        "-P",
        "x=9,1,2,10",
        *program(tmp_path),
        env=os.environ,
    ).stdout.strip()
    wait_until(lambda: _states(gitml, folder) == ["finished", "finished", "running", "running"], "two wait")
    assert (
        "0 pending, 2 running, 2 done"
        in gitml(folder, "sweep", "--resume", "hunt", "--detach", env=os.environ).stderr
    )
    assert len(jobs_of(gitml, folder, env=os.environ)) == 4
    # Another clone has the runs and not the jobs: it waits for those, and submits none.
    git(tmp_path, "clone", "--quiet", "server.git", "clone")
    gitml(tmp_path / "clone", "pull")
    elsewhere = ("sweep", "--resume", "hunt", "--detach", "--trust")
    assert "2 pending, 0 running, 2 done" in gitml(tmp_path / "clone", *elsewhere, env=os.environ).stderr
    gitml(folder, "jobs", "cancel", "hunt", env=os.environ)
    wait_until(lambda: _states(gitml, folder).count("cancelled") == 2, "they end")
    (tmp_path / "go").touch()
    resume = ("sweep", "--resume", "hunt", "--json")
    assert "variables of their own" in gitml(folder, *resume, code=2, env=os.environ).stderr
    done = gitml(folder, *resume, "-c", "env.WORD=b", env=os.environ, timeout=120)
    assert [trial["value"] for trial in trials(done)] == [9, 1, 2, 10]
    with shared_lab.opened() as repo:
        assert get_run(repo, sweep_id).status is RunStatus.FINISHED


def test_more_trials_than_an_array_may_have(
    cluster: Cluster, shared_lab: Lab, sweep: tuple[str, ...], gitml: Gitml
) -> None:
    many = (*sweep, "-P", "x=range(6)")
    refused = gitml(shared_lab.folder, *many, "-j", "2", "true", code=5, env=os.environ)
    assert "an array has at most 5 jobs" in refused.stderr
    assert {run.status for run in runs_of(shared_lab.folder)} == {RunStatus.FAILED}
    done = trials(gitml(shared_lab.folder, *many, "--json", "true", env=os.environ, timeout=120))
    assert [trial["status"] for trial in done] == ["finished"] * 6


def _states(gitml: Gitml, folder: Path) -> list[str]:
    return sorted(job["state"] for job in jobs_of(gitml, folder, env=os.environ).values())
