"""Jobs in the background of this machine."""

from __future__ import annotations

import stat

import psutil
import pytest

from gitml.entities.run import RunStatus
from gitml.execution.backends.records import JobRecords
from gitml.execution.backends.scheduling import SecretInJobError
from gitml.index import Query
from gitml.tracking.history import search
from tests.execution.backends.harness import Lab, jobs_of, wait_until


def test_a_detached_run_is_followed_to_its_end(lab: Lab, gitml) -> None:
    (lab.folder / "data.csv").write_text("only here")
    (job,) = lab.submit(lab.train(code=7, tags={"team": "vision"}, name="nightly"))
    assert job.run.status is RunStatus.SCHEDULED
    printed = gitml(lab.folder, "jobs", "logs", "-f", job.run.id[:7]).stdout
    assert "step 0\nstep 1\nstep 2\n" in printed
    run = lab.run_of(job)
    assert (run.status, run.exit_code, run.name, run.tags["team"]) == (
        RunStatus.FAILED,
        7,
        "nightly",
        "vision",
    )
    assert run.metrics["loss"].count == 3
    assert gitml(lab.folder, "artifacts", "list", job.run.id, "--json").stdout.count("model.bin") >= 1
    listed = jobs_of(gitml, lab.folder)[job.run.id]
    assert (listed["state"], listed["exit_code"], listed["run_status"]) == ("failed", 7, "failed")


def test_cancelling_lets_the_program_end_and_keeps_what_it_logged(lab: Lab, gitml) -> None:
    (job,) = lab.submit(lab.train(wait="once"))
    wait_until((lab.folder / "model.bin").exists, "the program began")
    assert jobs_of(gitml, lab.folder)[job.run.id]["state"] == "running"
    gitml(lab.folder, "jobs", "cancel", job.run.id)
    wait_until(lambda: jobs_of(gitml, lab.folder)[job.run.id]["state"] == "cancelled", "the job ended")
    run = lab.run_of(job)
    assert (run.status, run.metrics["loss"].count) == (RunStatus.KILLED, 3)
    gitml(lab.folder, "jobs", "cancel", job.run.id)  # once more is no harm


def test_a_job_that_is_killed_is_told_of_and_its_run_is_rescued(lab: Lab, gitml) -> None:
    (job,) = lab.submit(lab.train(wait="once"))
    wait_until((lab.folder / "model.bin").exists, "the program began")
    worker = psutil.Process(int(job.record.id.partition("-")[0]))
    for process in (worker, *worker.children(recursive=True)):
        process.kill()
    wait_until(lambda: jobs_of(gitml, lab.folder)[job.run.id]["state"] == "failed", "its end was seen")
    gitml(lab.folder, "log")
    assert lab.run_of(job).status is RunStatus.KILLED


def test_what_was_submitted_is_written_down_for_its_user_alone(lab: Lab) -> None:
    secret = "not-for-others"
    (job,) = lab.submit(lab.train(), config={"env": {"WORD": secret}})
    with lab.opened() as repo:
        records = JobRecords(repo.root)
    path = records.folder / f"{job.run.id}.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(records.folder.stat().st_mode) == 0o700
    assert records.get(job.run.id) == job.record
    assert secret not in path.read_text()


def test_a_secret_on_the_command_line_is_refused_before_anything_is_recorded(lab: Lab) -> None:
    with pytest.raises(SecretInJobError):
        lab.submit(lab.train("--password", "correct-horse-battery-9"))
    with lab.opened() as repo:
        assert search(repo, Query()) == []


def test_names_of_jobs_that_lead_nowhere(lab: Lab, gitml) -> None:
    assert "there is no run" in gitml(lab.folder, "jobs", "logs", "nothing", code=3).stderr
    gitml(lab.folder, "run", "true")
    assert "no job of run" in gitml(lab.folder, "jobs", "cancel", "@", code=3).stderr
    assert gitml(lab.folder, "jobs", "list").stdout == ""
