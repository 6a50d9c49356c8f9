"""Jobs for tests: what is submitted, and what came of it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from gitml.entities.run import Run
from gitml.execution.backends.submission import Job, submit_many
from gitml.execution.environments import Environment
from gitml.execution.opening import ProjectRequest, prepared
from gitml.execution.running import project_launch
from gitml.launching.request import LaunchRequest
from gitml.progress import no_progress
from gitml.repo import Repo
from gitml.sync.pulling import pull
from gitml.tracking.history import get_run, read_history

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 60.0
TRAIN = """\
import pathlib, sys, time, gitml

tries, wait, code = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with tries.open("a") as file:
    file.write("x")
for step in range(3):
    gitml.log_metric("loss", 1 / (step + 1))
    print("step", step, flush=True)
pathlib.Path("model.bin").write_bytes(b"model" * 40_000)
print("ready", flush=True)
if wait == "once" and tries.read_text() == "x":
    time.sleep(120)
while wait == "both" and tries.read_text() == "x":
    time.sleep(0.05)
sys.exit(code)
"""


def environment(**more: str) -> dict[str, str]:
    """The environment for programs that import gitml from this source tree."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


class Lab:
    """A repository with a script, and perhaps a remote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tries = folder.parent / "tries"
        (folder / "train.py").write_text(TRAIN)

    def opened(self) -> closing[Repo]:
        """The repository, for a `with`."""
        return closing(Repo.open(self.folder))

    def train(self, *arguments: str, wait: str = "no", code: int = 0, **options: Any) -> LaunchRequest:
        """Ask for the script: three points of a metric, a file, and an exit code.

        Args:
            arguments: More of them, which it ignores.
            wait: `once`: the first try ends only by a signal; `both`: there must be two tries.
            code: What it exits with.
            options: Of the request.
        """
        command = (sys.executable, "train.py", str(self.tries), wait, str(code), *arguments)
        return LaunchRequest(
            command=command, environment=environment(), artifacts=("model.bin",), auto_params=False, **options
        )

    def submit(
        self, *requests: LaunchRequest, backend: str = "local", config: Mapping[str, object] = {},
        project: ProjectRequest | None = None,
    ) -> list[Job]:  # fmt: skip
        """Submit jobs, standing in the folder."""
        with self.opened() as repo, chdir(self.folder):
            return submit_many(repo, requests, backend=backend, config=config, project=project)

    def run_of(self, job: Job, *, remote: bool = False) -> Run:
        """The run of a job as it is now, with what the remote has of it."""
        with self.opened() as repo:
            if remote:
                pull(repo, "origin")
            return get_run(repo, job.run.id)

    def steps_of(self, job: Job) -> int:
        """How many points of the metric its run has."""
        with self.opened() as repo:
            return len(read_history(repo, get_run(repo, job.run.id), "loss").splitlines())


@contextmanager
def prepared_project(
    lab: Lab, folder: str, values: Mapping[str, str]
) -> Iterator[tuple[LaunchRequest, ProjectRequest]]:
    """What `gitml run` makes of a project before it is submitted."""
    asked = ProjectRequest(str(lab.folder / folder), parameters=values)
    template = LaunchRequest(command=(), environment=environment())
    with (
        lab.opened() as repo,
        chdir(lab.folder),
        prepared(repo, asked, environ=environment(), progress=no_progress) as ready,
    ):
        yield project_launch(ready, Environment("local"), template), asked


@contextmanager
def chdir(folder: Path) -> Iterator[None]:
    """Stand in a folder for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def jobs_of(gitml: Callable, folder: Path, **options: Any) -> dict[str, dict[str, Any]]:
    """What `gitml jobs list` says, by run."""
    listed = json.loads(gitml(folder, "jobs", "list", "--json", **options).stdout)
    return {job["run_id"]: job for job in listed["jobs"]}


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait until `condition()` holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.05)
