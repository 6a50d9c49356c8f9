"""Jobs on a real Slurm of one node."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from gitml.entities.run import RunStatus
from gitml.execution.backends.contract import BackendError, JobState
from gitml.execution.backends.jobs import job_status
from gitml.execution.backends.submission import Job
from tests.execution.backends.harness import Lab, jobs_of, wait_until
from tests.servers.slurm import Cluster, is_installed

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not is_installed(), reason="Slurm is not installed, or this is not root"),
]


@pytest.fixture
def config(tmp_path: Path) -> dict[str, object]:
    return {"output": str(tmp_path / "job-%j.log"), "time": "10m", "cpus": 1, "partition": "main"}


def state(lab: Lab, job: Job) -> JobState:
    with lab.opened() as repo:
        return job_status(repo, job.record).state


def processes_of(job: Job) -> list[psutil.Process]:
    """The job's own process on the node, and the program."""
    found = [one for one in psutil.process_iter(["cmdline"]) if job.run.id in (one.info["cmdline"] or ())]
    return [*found, *(child for one in found for child in one.children(recursive=True))]


def wait_for_log(tmp_path: Path, job: Job, text: str) -> None:
    log = tmp_path / f"job-{job.record.id}.log"
    wait_until(lambda: log.exists() and text in log.read_text(), f"{text!r} in {log}")


def test_a_job_comes_back_with_its_log_exit_code_and_run(
    shared_lab: Lab, cluster: Cluster, config, gitml
) -> None:
    config |= {"setup": ["export LOADED=yes"], "env": {"WORD": "it's $HOME"}}
    request = shared_lab.train(code=3, recorded_variables=("WORD", "LOADED", "SLURM_JOB_ID"))
    (job,) = shared_lab.submit(request, backend="slurm", config=config)
    printed = gitml(shared_lab.folder, "jobs", "logs", "-f", env=os.environ).stdout
    assert "step 2\nready\n" in printed
    listed = jobs_of(gitml, shared_lab.folder, env=os.environ)[job.run.id]
    assert (listed["state"], listed["exit_code"], listed["id"]) == ("failed", 3, job.record.id)
    run = shared_lab.run_of(job, remote=True)
    assert (run.status, run.exit_code, run.metrics["loss"].count) == (RunStatus.FAILED, 3, 3)
    shown = gitml(shared_lab.folder, "show", "--env", job.run.id).stdout
    assert "it's $HOME" in shown
    assert job.record.id in shown


def test_a_preempted_job_goes_on_with_the_metrics_of_both_tries(
    shared_lab: Lab, cluster: Cluster, config, tmp_path: Path
) -> None:
    (job,) = shared_lab.submit(
        shared_lab.train(wait="once"), backend="slurm", config={**config, "requeue": True}
    )
    wait_for_log(tmp_path, job, "ready")
    cluster.run("sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=true")
    wait_until(lambda: cluster.facts(job.record.id)["Restarts"] == "1", "the job was preempted")
    assert shared_lab.run_of(job).status is RunStatus.SCHEDULED
    wait_until(
        lambda: shared_lab.run_of(job, remote=True).status is RunStatus.KILLED, "the first try was pushed"
    )
    assert shared_lab.steps_of(job) == 3
    cluster.start_again(job.record.id)
    cluster.wait_for(job.record.id, "COMPLETED")
    run = shared_lab.run_of(job, remote=True)
    assert (run.status, run.exit_code, run.error) == (RunStatus.FINISHED, 0, None)
    assert shared_lab.steps_of(job) == 6
    assert state(shared_lab, job) is JobState.FINISHED


def test_a_node_that_dies_starts_again_from_what_was_pushed(
    shared_lab: Lab, cluster: Cluster, config, tmp_path: Path
) -> None:
    (job,) = shared_lab.submit(shared_lab.train(wait="once"), backend="slurm", config=config)
    wait_for_log(tmp_path, job, "ready")
    for process in processes_of(job):
        process.kill()
    wait_until(lambda: state(shared_lab, job) is JobState.FAILED, "the job is gone")
    assert shared_lab.run_of(job, remote=True).status is RunStatus.SCHEDULED
    cluster.run("scontrol", "requeue", job.record.id)
    cluster.start_again(job.record.id)
    cluster.wait_for(job.record.id, "COMPLETED")
    assert shared_lab.run_of(job, remote=True).status is RunStatus.FINISHED
    assert shared_lab.steps_of(job) == 3


def test_cancelling_keeps_what_was_logged(
    shared_lab: Lab, cluster: Cluster, config, gitml, tmp_path: Path
) -> None:
    (job,) = shared_lab.submit(shared_lab.train(wait="once"), backend="slurm", config=config)
    wait_for_log(tmp_path, job, "ready")
    gitml(shared_lab.folder, "jobs", "cancel", job.run.id, env=os.environ)
    wait_until(lambda: state(shared_lab, job) is JobState.CANCELLED, "the job was cancelled")
    wait_until(lambda: shared_lab.run_of(job, remote=True).status is RunStatus.KILLED, "its run was pushed")
    assert shared_lab.steps_of(job) == 3


def test_many_runs_are_one_array(shared_lab: Lab, cluster: Cluster, config, gitml) -> None:
    requests = [shared_lab.train(code=code, name=f"run {code}") for code in (0, 5, 0)]
    jobs = shared_lab.submit(*requests, backend="slurm", config={**config, "array_limit": 2})
    array = jobs[0].record.id.partition("_")[0]
    assert [job.record.id for job in jobs] == [f"{array}_{number}" for number in range(3)]
    wait_until(lambda: all(state(shared_lab, job).is_over for job in jobs), "all are over")
    assert [state(shared_lab, job) for job in jobs] == [JobState.FINISHED, JobState.FAILED, JobState.FINISHED]
    assert [shared_lab.run_of(job, remote=True).exit_code for job in jobs] == [0, 5, 0]
    printed = gitml(shared_lab.folder, "jobs", "logs", jobs[1].run.id, env=os.environ).stdout
    assert "run 5 failed (exit 5)" in printed


def test_a_job_that_waits_says_why_and_a_refused_one_leaves_a_failed_run(
    shared_lab: Lab, cluster: Cluster, config
) -> None:
    (job,) = shared_lab.submit(shared_lab.train(), backend="slurm", config={**config, "begin": "now+1hour"})
    with shared_lab.opened() as repo:
        status = job_status(repo, job.record)
    assert (status.state, status.reason) == (JobState.PENDING, "BeginTime")
    with pytest.raises(BackendError, match="Invalid partition"):
        shared_lab.submit(
            shared_lab.train(name="lost"), backend="slurm", config={**config, "partition": "no"}
        )
    cluster.run("scancel", job.record.id)
