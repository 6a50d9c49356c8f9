"""What a job does on a node: from a remote, and back to it."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from gitml.entities.run import RunStatus
from gitml.execution.backends import work, workplace
from gitml.execution.backends.contract import BackendError, JobHandle, JobRequest, JobState, JobStatus
from gitml.execution.backends.jobs import cancel_jobs
from gitml.execution.backends.registry import BUILT_IN
from gitml.launching.launch import launch
from gitml.tracking.edit import write_record
from tests.execution.backends.harness import Lab, environment, prepared_project


class Shelf:
    """A scheduler of a backend that keeps jobs: the test runs them, as a node would."""

    name = "shelf"
    options: ClassVar = {}
    own_clone = True
    program = (sys.executable, "-m", "gitml")
    jobs: ClassVar[list[JobRequest]] = []
    refuses: ClassVar[str | None] = None

    def check(self, config) -> None:
        pass

    def submit(self, job: JobRequest) -> str:
        if self.refuses:
            raise BackendError("shelf", self.refuses)
        self.jobs.append(job)
        return str(len(self.jobs))

    def status(self, job: JobHandle) -> JobStatus:
        return JobStatus(JobState.PENDING)

    def logs(self, job: JobHandle, *, follow: bool):
        yield b""

    def cancel(self, job: JobHandle) -> None:
        self.jobs.clear()


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(BUILT_IN, "shelf", f"{__name__}:Shelf")
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or sys.modules[Shelf.__module__])
    monkeypatch.setattr(Shelf, "jobs", [])
    monkeypatch.setattr(Shelf, "refuses", None)
    return Shelf


def start(job: JobRequest, scratch: Path, **more: str) -> subprocess.Popen[str]:
    scratch.mkdir(exist_ok=True)
    return subprocess.Popen(
        [*job.command, "--folder", str(scratch)], cwd=scratch, env=environment(**job.environment, **more),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def test_a_job_needs_the_remote_alone_and_leaves_nothing_behind(
    shared_lab: Lab, shelf, gitml, tmp_path: Path
) -> None:
    (shared_lab.folder / "helper.py").write_text("not committed, but part of the run")
    (job,) = shared_lab.submit(shared_lab.train(code=3), backend="shelf", config={"env": {"LC_ALL": "C"}})
    working = start(shelf.jobs[0], tmp_path / "node")
    out, err = working.communicate(timeout=60)
    assert (working.returncode, out) == (3, "step 0\nstep 1\nstep 2\nready\n"), err
    assert list((tmp_path / "node").iterdir()) == []
    assert shared_lab.run_of(job).status is RunStatus.SCHEDULED
    run = shared_lab.run_of(job, remote=True)
    assert (run.status, run.exit_code, run.metrics["loss"].count) == (RunStatus.FAILED, 3, 3)
    assert run.user == "Ada Example <ada@example.org>"
    assert run.start_ms >= job.run.start_ms
    gitml(shared_lab.folder, "artifacts", "get", job.run.id, "-o", tmp_path / "got")
    assert (tmp_path / "got" / "model.bin").read_bytes() == b"model" * 40_000
    gitml(shared_lab.folder, "fsck")


@pytest.mark.heavy
def test_a_stopped_job_goes_on_with_its_run_when_it_is_started_again(
    shared_lab: Lab, shelf, tmp_path: Path
) -> None:
    (job,) = shared_lab.submit(shared_lab.train(wait="once"), backend="shelf")
    first = start(shelf.jobs[0], tmp_path / "node")
    assert first.stdout is not None
    assert [first.stdout.readline() for _ in range(4)][-1] == "ready\n"
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)
    assert first.returncode == 128 + signal.SIGTERM
    run = shared_lab.run_of(job, remote=True)
    assert (run.status, run.metrics["loss"].count) == (RunStatus.KILLED, 3)
    again = start(shelf.jobs[0], tmp_path / "other-node")
    _, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    run = shared_lab.run_of(job, remote=True)
    assert (run.status, run.error, run.exit_code) == (RunStatus.FINISHED, None, 0)
    assert shared_lab.steps_of(job) == 6  # of both tries
    once_more = start(shelf.jobs[0], tmp_path / "node")
    assert "has finished already" in once_more.communicate(timeout=60)[1]
    assert once_more.returncode == 0


@pytest.mark.heavy
def test_two_nodes_with_one_run_make_one_run_of_what_both_logged(
    shared_lab: Lab, shelf, gitml, tmp_path: Path
) -> None:
    (job,) = shared_lab.submit(shared_lab.train(wait="both"), backend="shelf")
    both = [start(shelf.jobs[0], tmp_path / name) for name in ("node", "other-node")]
    said = [one.communicate(timeout=60) for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    run = shared_lab.run_of(job, remote=True)
    assert run.status is RunStatus.FINISHED
    assert shared_lab.steps_of(job) == 6
    gitml(shared_lab.folder, "pull", "--artifacts")
    gitml(shared_lab.folder, "fsck")


def test_a_record_that_was_changed_at_the_remote_is_not_run(
    shared_lab: Lab, shelf, gitml, tmp_path: Path
) -> None:
    (job,) = shared_lab.submit(shared_lab.train(), backend="shelf")
    with shared_lab.opened() as repo:
        write_record(repo, replace(job.run, command=("touch", str(tmp_path / "harm"))), "changed")
    gitml(shared_lab.folder, "push")
    working = start(shelf.jobs[0], tmp_path / "node")
    assert "something else" in working.communicate(timeout=60)[1]
    assert working.returncode == 4
    assert not (tmp_path / "harm").exists()


def test_a_project_is_made_ready_where_it_runs(shared_lab: Lab, shelf, gitml, tmp_path: Path) -> None:
    (shared_lab.folder / "models").mkdir()
    (shared_lab.folder / "models" / "MLproject").write_text(
        "entry_points:\n"
        "  main:\n"
        "    parameters: {words: {type: string}, data: path, own: {type: path, default: MLproject}}\n"
        "    command: 'wc -l {data} {own} && echo {words}'\n"
    )
    with prepared_project(shared_lab, "models", {"words": "it's; $HOME", "data": "models/MLproject"}) as (
        request,
        asked,
    ):
        (job,) = shared_lab.submit(request, backend="shelf", project=asked)
    working = start(shelf.jobs[0], tmp_path / "node")
    out, err = working.communicate(timeout=60)
    assert working.returncode == 0, err
    given, default, _, words = out.splitlines()
    assert words == "it's; $HOME"
    assert given == default
    assert str(tmp_path / "node") in given
    run = shared_lab.run_of(job, remote=True)
    assert (run.directory, run.params["words"]) == ("models", "it's; $HOME")
    assert run.project is not None
    assert (run.project.backend, run.project.entry_point) == ("shelf", "main")


def test_a_submission_that_fails_marks_the_run_and_says_so_at_the_remote(
    shared_lab: Lab, shelf, gitml, git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "refuses", "the queue is closed")
    with pytest.raises(BackendError):
        shared_lab.submit(shared_lab.train(), backend="shelf")
    git(tmp_path, "clone", "--quiet", str(tmp_path / "server.git"), "elsewhere")
    gitml(tmp_path / "elsewhere", "pull")
    shown = gitml(tmp_path / "elsewhere", "log", "--json").stdout
    assert '"failed"' in shown
    assert "not submitted: shelf: the queue is closed" in shown


def test_cancelling_a_job_that_waits_ends_its_run(shared_lab: Lab, shelf, gitml, monkeypatch) -> None:
    (job,) = shared_lab.submit(shared_lab.train(), backend="shelf")
    with shared_lab.opened() as repo:
        cancel_jobs(repo, [job.record])
    run = shared_lab.run_of(job, remote=True)
    assert (run.status, run.error) == (RunStatus.KILLED, "cancelled before it began")


def test_a_remote_that_is_gone_at_the_end_loses_nothing(
    shared_lab: Lab, shelf, gitml, git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = shared_lab.submit(shared_lab.train(), backend="shelf")
    server, away = tmp_path / "server.git", tmp_path / "away.git"
    monkeypatch.setattr(workplace, "_PAUSES_S", ())
    monkeypatch.setattr(work, "launch", lambda *a, **k: (launch(*a, **k), server.rename(away))[0])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(work.NotPushedError) as caught:
        work.work_from_remote(job.run.id, str(server), scratch=tmp_path / "node", environ=environment())
    away.rename(server)
    gitml(caught.value.folder, "push", "origin")
    run = shared_lab.run_of(job, remote=True)
    assert (run.status, run.metrics["loss"].count) == (RunStatus.FINISHED, 3)
