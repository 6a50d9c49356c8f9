"""Jobs in containers of real engines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from gitml.entities.run import RunStatus
from gitml.execution.backends.contract import JobState
from gitml.execution.backends.jobs import job_status
from gitml.execution.backends.options import BackendConfigError
from gitml.execution.backends.submission import Job
from tests.execution.backends.harness import ROOT, Lab, jobs_of, wait_until
from tests.servers.containers import RealEngine, volumes, with_engine

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module", params=["docker", "podman"])
def _engine(request: pytest.FixtureRequest) -> Iterator[RealEngine]:
    with with_engine(request.param) as engine:
        yield engine


@pytest.fixture
def engine(_engine: RealEngine, monkeypatch: pytest.MonkeyPatch) -> RealEngine:
    for name, value in _engine.environ.items():
        monkeypatch.setenv(name, value)
    return _engine


@pytest.fixture
def config(engine: RealEngine, shared_lab: Lab) -> dict[str, object]:
    # The script counts its tries in a file beside the repository.
    seen = [*volumes(), f"{shared_lab.folder.parent}:{shared_lab.folder.parent}"]
    return {
        "image": engine.image,
        "python": sys.executable,
        "volumes": seen,
        "env": {"PYTHONPATH": str(ROOT)},
    }


def state(lab: Lab, job: Job) -> JobState:
    with lab.opened() as repo:
        return job_status(repo, job.record).state


def test_a_job_comes_back_with_its_log_exit_code_and_run(engine, shared_lab: Lab, config, gitml) -> None:
    config["env"] |= {"WORD": "it's $HOME"}
    config |= {"cpus": 1, "memory": "512M"}
    request = shared_lab.train(code=3, recorded_variables=("WORD",))
    (job,) = shared_lab.submit(request, backend=engine.name, config=config)
    printed = gitml(shared_lab.folder, "jobs", "logs", "-f", env=os.environ).stdout
    assert "step 2\nready\n" in printed
    listed = jobs_of(gitml, shared_lab.folder, env=os.environ)[job.run.id]
    assert (listed["state"], listed["exit_code"], listed["id"]) == ("failed", 3, job.record.id)
    run = shared_lab.run_of(job, remote=True)
    assert (run.status, run.exit_code, run.metrics["loss"].count) == (RunStatus.FAILED, 3, 3)
    assert "it's $HOME" in gitml(shared_lab.folder, "show", "--env", job.run.id).stdout
    assert engine.call("inspect", "--format={{.HostConfig.Memory}}", job.record.id) == str(512 << 20)
    engine.call("rm", job.record.id)
    assert state(shared_lab, job) is JobState.UNKNOWN


def test_cancelling_keeps_what_was_logged(engine, shared_lab: Lab, config, gitml) -> None:
    (job,) = shared_lab.submit(shared_lab.train(wait="once"), backend=engine.name, config=config)
    assert state(shared_lab, job) is JobState.RUNNING
    wait_until(lambda: "ready" in gitml(shared_lab.folder, "jobs", "logs", env=os.environ).stdout, "the log")
    gitml(shared_lab.folder, "jobs", "cancel", job.run.id, env=os.environ)
    assert state(shared_lab, job) is JobState.CANCELLED
    assert shared_lab.run_of(job, remote=True).status is RunStatus.KILLED
    assert shared_lab.steps_of(job) == 3


def test_what_a_container_can_not_have_is_told_before_it_is_started(engine, shared_lab: Lab, config) -> None:
    for wrong, words in (({"time": "1h"}, "no limit of time"), ({"image": None}, "needs an image")):
        with pytest.raises(BackendConfigError, match=words):
            shared_lab.submit(shared_lab.train(), backend=engine.name, config={**config, **wrong})
    assert engine.call("ps", "--quiet") == ""
