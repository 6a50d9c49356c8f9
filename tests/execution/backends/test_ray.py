"""Jobs on Ray: what it is given, and the way of a job through a real cluster of one node."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.entities.run import RunStatus
from gitml.errors import MissingExtraError
from gitml.execution.backends.contract import (
    BackendError,
    JobHandle,
    JobRequest,
    JobState,
    JobStatus,
    Resources,
)
from gitml.execution.backends.jobs import job_status
from gitml.execution.backends.options import BackendConfigError, check_config, read_config
from gitml.execution.backends.ray import RayBackend
from gitml.execution.backends.ray_cluster import find_address
from gitml.execution.backends.ray_job import OPTIONS, entrypoint, job_words
from gitml.execution.backends.submission import Job
from gitml.formats import yaml
from tests.execution.backends.harness import ROOT, Lab, jobs_of, wait_until
from tests.servers.ray import is_installed, running_cluster

TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)


def request(*given_: str, **more: Any) -> JobRequest:
    config = check_config("ray", OPTIONS, read_config(given_))
    asked = JobRequest("ab" * 16, "/srv/a.git", ("gitml", "jobs", "work"), "brisk heron", Path())
    return replace(asked, config=config, **more)


@given(words=st.lists(TEXTS, min_size=1, max_size=4), time_s=st.sampled_from([None, 60]))
def test_a_job_gets_its_words_whatever_is_in_them(words: list[str], time_s: int | None) -> None:
    asked = request(command=("/usr/bin/printf", "%s\\0", *words), resources=Resources(time_s=time_s))
    printed = subprocess.run(entrypoint(asked), shell=True, check=True, stdout=subprocess.PIPE).stdout
    assert printed.decode().split("\0")[:-1] == words


def test_options_become_what_ray_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "env.yaml"
    path.write_text("pip: [numpy]\nenv_vars: {A: theirs, B: theirs}\nworking_dir: s3://a/b.zip\n")
    asked = request(
        f"runtime_env={path}", "pip=gitml==1.0", "resources=accelerator_type:A100=0.001", "grace=5m",
        resources=Resources(cpus=4, gpus=1, memory_mib=512, time_s=90),
        environment={"B": "ours", "WORD": "it's"},
    )  # fmt: skip
    assert job_words(asked) == {
        "entrypoint": "exec timeout --foreground --preserve-status --kill-after=300 90 gitml jobs work",
        "runtime_env": {
            "pip": ["gitml==1.0"],
            "working_dir": "s3://a/b.zip",
            "env_vars": {"A": "theirs", "B": "ours", "WORD": "it's", "RAY_JOB_STOP_WAIT_TIME_S": "300"},
        },
        "metadata": {"gitml_run": "ab" * 16, "job_name": "brisk heron"},
        "entrypoint_num_cpus": 4,
        "entrypoint_num_gpus": 1,
        "entrypoint_memory": 512 * 1024**2,
        "entrypoint_resources": {"accelerator_type:A100": 0.001},
    }
    assert set(job_words(request())) == {"entrypoint", "runtime_env", "metadata"}


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        (["adress=http://a:1"], "did you mean address"),
        (["address=ray://a:10001"], "not of the right form"),
        (["resources=TPU"], "not of the right form"),
        (["runtime-env=missing.yaml"], "can't be read"),
    ],
)
def test_a_wrong_option_is_told(given_: list[str], said: str) -> None:
    with pytest.raises(BackendConfigError) as caught:
        job_words(request(*given_))
    assert said in f"{caught.value} {caught.value.hint}"


def test_the_environment_names_the_cluster_unless_it_has_no_http_address() -> None:
    assert find_address({}) == "http://127.0.0.1:8265"
    assert find_address({"RAY_ADDRESS": "https://a:1"}) == "https://a:1"
    assert find_address({"RAY_ADDRESS": "auto", "RAY_API_SERVER_ADDRESS": "http://a:2"}) == "http://a:2"
    with pytest.raises(BackendConfigError, match="RAY_ADDRESS='auto' is no HTTP address"):
        find_address({"RAY_ADDRESS": "auto"})


def test_without_ray_it_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.job_submission", None)
    for step in (lambda: RayBackend().submit(request()), lambda: RayBackend().check({})):
        with pytest.raises(MissingExtraError) as caught:
            step()
        assert caught.value.hint == "pip install 'gitml[ray]'"


heavy = pytest.mark.heavy
on_a_cluster = pytest.mark.skipif(
    not is_installed(), reason="Ray is not installed, or has no wheel for this Python"
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running_cluster() as found:
        yield found


@pytest.fixture
def config(address: str) -> dict[str, object]:
    return {"address": address, "python": sys.executable, "env": {"PYTHONPATH": str(ROOT)}}


def status(lab: Lab, job: Job) -> JobStatus:
    with lab.opened() as repo:
        return job_status(repo, job.record)


@heavy
@on_a_cluster
def test_a_job_comes_back_with_its_log_exit_code_and_run(
    shared_lab: Lab, address, config, gitml, monkeypatch
) -> None:
    del config["address"]
    monkeypatch.setenv("RAY_ADDRESS", address)
    words = {"A": "it's $HOME", "WORD": "${HOME} ${NO_SUCH} $$ ${GITML_UNSET} $", "a": "\\$HOME 100%"}
    config["env"] |= words
    asked = shared_lab.train(code=3, recorded_variables=tuple(words))
    (job,) = shared_lab.submit(asked, backend="ray", config=config)
    assert job.record.id == f"gitml-{job.run.id}"
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:9")  # another cluster, by now
    printed = gitml(shared_lab.folder, "jobs", "logs", "-f", env=os.environ)
    assert printed.stdout.count("step 2\nready\n") == 1
    assert not printed.stderr
    assert gitml(shared_lab.folder, "jobs", "logs", env=os.environ).stdout == printed.stdout
    listed = jobs_of(gitml, shared_lab.folder, env=os.environ)[job.run.id]
    assert (listed["state"], listed["exit_code"], listed["id"]) == ("failed", 3, job.record.id)
    run = shared_lab.run_of(job, remote=True)
    assert (run.status, run.exit_code, run.metrics["loss"].count) == (RunStatus.FAILED, 3, 3)
    shown = gitml(shared_lab.folder, "show", "--env", job.run.id).stdout
    assert yaml.load_mapping(shown.rpartition("variables.yaml\n")[2].encode(), source="it") == words


@heavy
@on_a_cluster
def test_in_the_foreground_it_is_as_if_it_ran_here(shared_lab: Lab, address, gitml) -> None:
    options = [
        f"address={address}",
        f"python={sys.executable}",
        f"env.PYTHONPATH={ROOT}",
        "cpus=1",
        "memory=64M",
    ]
    words = [word for option in options for word in ("-c", option)]
    program = [sys.executable, "train.py", str(shared_lab.tries), "no"]
    for code in ("0", "5"):
        done = gitml(
            shared_lab.folder, "run", "--backend", "ray", *words, "--", *program, code, env=os.environ, code=int(code)
        )  # fmt: skip
        run_id, *printed = done.stdout.splitlines()
        assert "step 2" in printed
        shown = gitml(shared_lab.folder, "show", run_id).stdout  # it was brought here
        assert "loss" in shown


@heavy
@on_a_cluster
def test_cancelling_keeps_what_was_logged(shared_lab: Lab, config, gitml) -> None:
    (job,) = shared_lab.submit(shared_lab.train(wait="once"), backend="ray", config=config)
    wait_until(lambda: "ready" in gitml(shared_lab.folder, "jobs", "logs", env=os.environ).stdout, "the log")
    assert status(shared_lab, job).state is JobState.RUNNING
    gitml(shared_lab.folder, "jobs", "cancel", job.run.id, env=os.environ)
    wait_until(lambda: status(shared_lab, job).state is JobState.CANCELLED, "the job was cancelled")
    assert shared_lab.run_of(job, remote=True).status is RunStatus.KILLED
    assert shared_lab.steps_of(job) == 3


@heavy
@on_a_cluster
def test_a_limit_of_time_ends_a_job_as_a_signal_does(shared_lab: Lab, config) -> None:
    (job,) = shared_lab.submit(shared_lab.train(wait="once"), backend="ray", config={**config, "time": "15s"})
    wait_until(lambda: status(shared_lab, job).state.is_over, "the job's end")
    assert status(shared_lab, job) == JobStatus(JobState.FAILED, 143)
    assert shared_lab.run_of(job, remote=True).status is RunStatus.KILLED
    assert shared_lab.steps_of(job) == 3


@heavy
@on_a_cluster
def test_a_job_that_waits_says_why_and_is_cancelled_before_it_begins(shared_lab: Lab, config, gitml) -> None:
    (job,) = shared_lab.submit(shared_lab.train(), backend="ray", config={**config, "cpus": 100})
    found = status(shared_lab, job)
    assert found.state is JobState.PENDING
    assert "waiting for resources" in found.reason
    gitml(shared_lab.folder, "jobs", "cancel", job.run.id, env=os.environ)
    assert status(shared_lab, job).state is JobState.CANCELLED
    assert shared_lab.run_of(job).status is RunStatus.KILLED


@heavy
@on_a_cluster
def test_an_id_is_never_taken_twice_and_an_unknown_job_is_unknown(shared_lab: Lab, config) -> None:
    backend = RayBackend()
    asked = request(f"address={config['address']}", command=("true",), folder=shared_lab.folder)
    first, second = backend.submit(asked), backend.submit(asked)
    assert second.startswith(f"{first}-")
    handle = JobHandle(second, asked.run_id, asked.name, asked.config, asked.folder)
    wait_until(lambda: backend.status(handle) == JobStatus(JobState.FINISHED, 0), "the second one's end")
    missing = replace(handle, id="gitml-none")
    assert backend.status(missing).state is JobState.UNKNOWN
    backend.cancel(missing)
    with pytest.raises(BackendError, match="no such job"):
        list(backend.logs(missing, follow=True))


@heavy
@on_a_cluster
def test_what_the_cluster_refuses_is_told_in_its_words(shared_lab: Lab, config, monkeypatch) -> None:
    for more, words in (
        ({"address": "http://127.0.0.1:9"}, "http://127.0.0.1:9 can't be reached: Connection refused"),
        ({"working_dir": "/no/such"}, "/no/such must be an existing directory"),
    ):
        with pytest.raises(BackendError, match=words) as caught:
            shared_lab.submit(shared_lab.train(), backend="ray", config={**config, **more})
        assert caught.value.exit_code == 5
    monkeypatch.setenv("RAY_JOB_HEADERS", "secret")
    with pytest.raises(BackendConfigError, match="RAY_JOB_HEADERS is no JSON object of texts"):
        shared_lab.submit(shared_lab.train(), backend="ray", config=config)


@heavy
def test_jobs_of_others_do_not_load_ray(gitml_from_scratch, shared_lab: Lab) -> None:
    shared_lab.submit(shared_lab.train(), backend="local")
    done = gitml_from_scratch(
        shared_lab.folder, "jobs", "list", env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPROFILEIMPORTTIME": "1"}
    )  # fmt: skip
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "gitml.execution.backends.registry" in loaded
    assert not {name for name in loaded if name.partition(".")[0] in ("ray", "aiohttp", "requests")}
