"""`projects.run`: a project as a run of its own process, with MLflow's signature."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml.api.fluent import active_run, session
from gitml.errors import ExecutionError, GitmlError, UsageError
from gitml.launching.own import own_command

if TYPE_CHECKING:
    from gitml.api.handles import Run


class ProjectFailedError(ExecutionError):
    """A project that was waited for did not end well."""

    def __init__(self, run_id: str, status: str, code: int) -> None:
        super().__init__(
            f"the project's run {run_id[:8]} is {status.lower()} (exit {code})",
            hint=f"gitml show {run_id[:8]}",
        )
        self.run_id = run_id
        self.status = status
        self.exit_code = code


class SubmittedRun:
    """A project that was started in a process of its own.

    Attributes:
        run_id: The id of its run.
    """

    def __init__(self, run_id: str, process: subprocess.Popen[bytes]) -> None:
        self.run_id = run_id
        self._process = process

    def wait(self) -> bool:
        """Wait for its end; says whether it ended well."""
        return self._process.wait() == 0

    def cancel(self) -> None:
        """Ask it to end, and wait until it has; one that has ended stays as it is."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()

    def get_status(self) -> str:
        """Give the run's status in MLflow's words: RUNNING, FINISHED, FAILED or KILLED.

        Raises:
            RunNotFoundError: It ended before there was a run, because of a wrong request.
        """
        if self._process.poll() is None:
            return "RUNNING"
        return str(self.run.info.status)

    @property
    def run(self) -> Run:
        """The run as it is recorded now.

        Raises:
            RunNotFoundError: There is none (yet).
        """
        return session.client.get_run(self.run_id)


def run(
    uri: str | os.PathLike[str],
    entry_point: str = "main",
    version: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    docker_args: Mapping[str, Any] | None = None,
    experiment_name: str | None = None,
    experiment_id: str | None = None,
    backend: str = "local",
    backend_config: Mapping[str, Any] | str | None = None,
    storage_dir: str | os.PathLike[str] | None = None,
    synchronous: bool = True,
    run_id: str | None = None,
    run_name: str | None = None,
    env_manager: str | None = None,
    build_image: bool = False,
    docker_auth: Mapping[str, str] | None = None,
    trust: bool = False,
) -> SubmittedRun:
    """Run a project; the same as `gitml run PROJECT`.

    Args:
        uri: A folder, or a git URL, perhaps with `#subfolder`.
        entry_point: Its name, or a `.py`, `.sh` or `.R` file of the project.
        version: Branch, tag or commit.
        parameters: Values by name; they are written as text.
        docker_args: Options for the container engine; a flag has the value True.
        experiment_name: Experiment of the run.
        experiment_id: The same by its id.
        backend: Where it runs.
        backend_config: Settings of the backend, or a file of them.
        storage_dir: Where data of `path` parameters is downloaded to.
        synchronous: Whether to wait for the end.
        run_id: A run that exists, to record into.
        run_name: Name of the run.
        env_manager: What makes the environment: local, uv, virtualenv or conda.
        build_image: Whether to build an image with the code in it.
        docker_auth: Not supported: log in with the engine's own command.
        trust: Whether a project from a URL may run; there is nobody to ask.

    Returns:
        The submitted run, ended if it was waited for.

    Raises:
        UsageError: `docker_auth` was given.
        ProjectFailedError: It was waited for and did not end well.
    """
    if docker_auth is not None:
        raise UsageError(
            "docker_auth is not supported: passwords are the engine's own matter", hint="docker login"
        )
    options: dict[str, str | None] = {
        "--entry-point": entry_point,
        "--version": version,
        "--experiment-name": experiment_name,
        "--experiment-id": experiment_id,
        "--backend": None if backend == "local" else backend,
        "--storage-dir": None if storage_dir is None else os.fspath(storage_dir),
        "--run-id": run_id,
        "--run-name": run_name,
        "--env-manager": env_manager,
        "--parent": _parent(),
    }
    words = [f"{name}={value}" for name, value in options.items() if value is not None]
    for key, value in (parameters or {}).items():
        words += ["-P", f"{key}={value}"]
    words += _container_options(docker_args or {})
    words += _backend_options(backend_config)
    words += [flag for flag, given in (("--build-image", build_image), ("--trust", trust)) if given]
    return _start(os.fspath(uri), words, run_id, synchronous=synchronous)


def _start(uri: str, words: Sequence[str], run_id: str | None, *, synchronous: bool) -> SubmittedRun:
    git = session.client.repo.git
    new_id = run_id or uuid.uuid4().hex
    command = [
        *own_command(),
        "run",
        "--project",
        f"--repo={git.work_tree or git.git_dir}",
        *words,
        *([] if run_id else [f"--new-id={new_id}"]),
        "--",
        uri,
    ]
    sys.stdout.flush()
    sys.stderr.flush()
    submitted = SubmittedRun(new_id, subprocess.Popen(command))
    if synchronous and not submitted.wait():
        code = submitted._process.returncode  # noqa: SLF001 - ours
        raise ProjectFailedError(new_id, _status(submitted), code)
    return submitted


def _status(submitted: SubmittedRun) -> str:
    try:
        return submitted.get_status()
    except GitmlError:
        return "not started"


def _parent() -> str | None:
    current = active_run()
    return None if current is None else current.info.run_id


def _container_options(options: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    for name, value in options.items():
        words += ["--docker-args", name if value is True else f"{name}={value}"]
    return words


def _backend_options(config: Mapping[str, Any] | str | None) -> list[str]:
    if config is None:
        return []
    if isinstance(config, str) and not Path(config).is_file():
        raise UsageError(f"backend_config '{config}' is no file", hint="give a mapping or the path of a file")
    return [f"--backend-config={config if isinstance(config, str) else json.dumps(dict(config))}"]
