"""Jobs as containers in the background, by Docker or Podman on this machine.

The image must have gitml and git: the job clones, runs and pushes in the
container as on a cluster. The container stays when the job is over, so that its
output and exit code can be asked for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from gitml.errors import UsageError
from gitml.execution.backends.contract import BackendError, JobHandle, JobRequest, JobState, JobStatus
from gitml.execution.backends.options import BackendConfigError, Kind, Option
from gitml.execution.containers.arguments import (
    mount_word,
    option_words,
    parse_container_option,
    volume_words,
)
from gitml.execution.containers.engine import Engine, EngineError, find_engine
from gitml.execution.containers.environment import user_words
from gitml.execution.containers.image import get_image
from gitml.progress import no_progress

RUN_LABEL = "gitml.run"

_PIECE = 1 << 16
_GRACE_S = 60
_STATES = {
    "configured": JobState.PENDING,
    "created": JobState.PENDING,
    "initialized": JobState.PENDING,
    "restarting": JobState.PENDING,
    "paused": JobState.RUNNING,
    "running": JobState.RUNNING,
    "stopping": JobState.RUNNING,
}


class ContainerBackend:
    """Containers of one engine; `DockerBackend` and `PodmanBackend` say which."""

    name = ""
    options: Mapping[str, Option] = {
        "image": Option(Kind.TEXT, "an image that has gitml and git"),
        "volumes": Option(Kind.TEXTS, "what of this machine the job sees: HOST:CONTAINER[:MODE]"),
        "args": Option(Kind.TEXTS, "more options of `run`: NAME=VALUE, or the name of a flag"),
        "grace": Option(Kind.TIME, f"how long a cancelled job has to push; {_GRACE_S}s unless given"),
    }
    own_clone = True
    program = ("gitml",)

    def check(self, config: Mapping[str, object]) -> None:
        """Refuse a configuration that no job can be made of.

        Raises:
            BackendConfigError: There is no image in it, or it asks for what
                containers don't have.
        """
        if "image" not in config:
            raise BackendConfigError(
                f"backend '{self.name}' needs an image that has gitml",
                hint=f"gitml run --backend {self.name} -c image=NAME ...",
            )
        if "time" in config:
            raise BackendConfigError(
                f"backend '{self.name}' has no limit of time", hint="leave 'time' out, and cancel the job"
            )

    def submit(self, job: JobRequest) -> str:
        """Start a container; its id is the job's."""
        self.check(job.config)
        engine = self._engine()
        try:
            image = get_image(engine, str(job.config["image"]), no_progress)
            return engine.call(
                "start the job",
                "run",
                "--detach",
                "--init",
                f"--name=gitml-{job.run_id}",
                f"--label={RUN_LABEL}={job.run_id}",
                *(f"--env={name}" for name in job.environment),
                *_resource_words(engine, job),
                *_remote_words(engine, job),
                *volume_words(cast("list[str]", job.config.get("volumes", []))),
                *option_words(
                    parse_container_option(text) for text in cast("list[str]", job.config.get("args", []))
                ),
                f"--entrypoint={job.command[0]}",
                image.id,
                *job.command[1:],
                variables=job.environment,
            ).split()[-1]
        except EngineError as err:
            raise self._failed(err) from err

    def status(self, job: JobHandle) -> JobStatus:
        """Ask the engine; a container that was removed is unknown."""
        engine = self._engine()
        state = self._state(engine, job)
        if state is None:
            return JobStatus(JobState.UNKNOWN)
        known = _STATES.get(str(state.get("Status", "")).lower())
        if known is not None:
            return JobStatus(known)
        code = int(state.get("ExitCode", 0))
        reason = str(state.get("Error") or "") or ("out of memory" if state.get("OOMKilled") else None)
        if _cancel_mark(job).exists():
            return JobStatus(JobState.CANCELLED, code, reason)
        return JobStatus(JobState.FINISHED if code == 0 else JobState.FAILED, code, reason)

    def logs(self, job: JobHandle, *, follow: bool) -> Iterator[bytes]:
        """Give what the container printed."""
        engine = self._engine()
        if self._state(engine, job) is None:
            raise BackendError(self.name, "the job's container was removed, and its output with it")
        process = engine.start("logs", *(["--follow"] if follow else []), job.id)
        assert process.stdout is not None  # noqa: S101
        try:
            while piece := os.read(process.stdout.fileno(), _PIECE):
                yield piece
            if follow:
                engine.answers("wait", job.id)  # the output's end is a moment before
        finally:
            process.terminate()
            process.stdout.close()
            process.wait()

    def cancel(self, job: JobHandle) -> None:
        """Ask the job to end, and end it if it doesn't."""
        engine = self._engine()
        state = self._state(engine, job)
        if state is None or str(state.get("Status", "")).lower() not in _STATES:
            return
        _cancel_mark(job).touch()
        try:
            engine.call("end the job", "stop", f"--time={job.config.get('grace', _GRACE_S)}", job.id)
        except EngineError as err:
            raise self._failed(err) from err

    def _engine(self) -> Engine:
        try:
            return find_engine(os.environ, self.name)[0]
        except EngineError as err:
            raise self._failed(err) from err

    def _state(self, engine: Engine, job: JobHandle) -> dict[str, Any] | None:
        answer = engine.answers("container", "inspect", "--format={{json .State}}", job.id)
        return None if answer is None else cast("dict[str, Any]", json.loads(answer))

    def _failed(self, err: EngineError) -> BackendError:
        return BackendError(self.name, err.message.removeprefix(f"{self.name} "), hint=err.hint)


class DockerBackend(ContainerBackend):
    """Jobs in Docker's containers."""

    name = "docker"


class PodmanBackend(ContainerBackend):
    """Jobs in Podman's containers."""

    name = "podman"


def _cancel_mark(job: JobHandle) -> Path:
    return job.folder / f"{job.run_id}.cancelled"


def _remote_words(engine: Engine, job: JobRequest) -> list[str]:
    """A remote that is a folder of this machine is seen by the job at the same path, which is the user there."""
    remote = Path((job.remote or "").removeprefix("file://"))
    if not remote.is_absolute():
        return []
    if not remote.is_dir():
        raise UsageError(f"the remote '{remote}' is no folder of this machine")
    return [*user_words(engine), mount_word(remote)]


def _resource_words(engine: Engine, job: JobRequest) -> list[str]:
    asked = job.resources
    words = []
    if asked.cpus is not None:
        words.append(f"--cpus={asked.cpus}")
    if asked.memory_mib is not None:
        words.append(f"--memory={asked.memory_mib}m")
    if asked.gpus:
        if engine.name == "docker":
            words.append(f"--gpus={asked.gpus}")
        else:  # Podman knows them by the names of the Container Device Interface
            words += [f"--device=nvidia.com/gpu={number}" for number in range(asked.gpus)]
    return words
