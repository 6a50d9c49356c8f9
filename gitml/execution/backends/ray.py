"""The `ray` backend: jobs of a Ray cluster, submitted by HTTP to its dashboard."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gitml.execution.backends.contract import BackendError, JobHandle, JobRequest, JobState, JobStatus
from gitml.execution.backends.options import Option
from gitml.execution.backends.ray_cluster import NAME, Cluster, IdTakenError, find_address
from gitml.execution.backends.ray_job import OPTIONS, job_words, runtime_env

_AGAIN_S = 0.5
_STATES = {
    "PENDING": JobState.PENDING,
    "RUNNING": JobState.RUNNING,
    "STOPPED": JobState.CANCELLED,
    "SUCCEEDED": JobState.FINISHED,
    "FAILED": JobState.FAILED,
}


class RayBackend:
    """Jobs of a Ray cluster.

    Beside the job's record there are `<run>.address`, where the cluster is if that was
    not in the options, and `<run>.cancelled` if it was asked to end.
    """

    name = NAME
    options: Mapping[str, Option] = OPTIONS
    own_clone = True
    program = ("gitml",)

    def check(self, config: Mapping[str, object]) -> None:
        """Refuse a configuration that no job can be made of.

        Raises:
            BackendConfigError: There is no address to submit to, or the runtime
                environment can't be read.
            MissingExtraError: Ray is not installed.
        """
        runtime_env(config, {})
        Cluster(_address(config))

    def submit(self, job: JobRequest) -> str:
        """Submit it; the id is the run's, so that it is found in Ray's own listings too."""
        address = _address(job.config)
        words = job_words(job)
        cluster = Cluster(address)
        if "address" not in job.config:
            _write_privately(job.folder / f"{job.run_id}.address", address)
        job_id = f"gitml-{job.run_id}"
        try:
            return cluster.submit(job_id, words)
        except IdTakenError:  # the run's earlier job: Ray never takes an id twice
            return cluster.submit(f"{job_id}-{secrets.token_hex(4)}", words)

    def status(self, job: JobHandle) -> JobStatus:
        """Ask the cluster; it forgets its jobs when it ends."""
        found = _cluster(job).job(job.id)
        if found is None:
            return JobStatus(JobState.UNKNOWN, None, "the cluster has no such job")
        state = _STATES.get(str(found.status), JobState.UNKNOWN)
        code = _exit_code(found)
        # A job that waits hears of its end when it begins, or is given up by Ray before.
        if state in (JobState.PENDING, JobState.FAILED) and code is None and _cancel_mark(job).exists():
            return JobStatus(JobState.CANCELLED)
        reason = None
        if state in (JobState.PENDING, JobState.FAILED) and code is None:
            reason = str(found.message or "").partition("\n")[0] or None
        return JobStatus(state, code, reason)

    def logs(self, job: JobHandle, *, follow: bool) -> Iterator[bytes]:
        """Give what the job printed, after the words of Ray about it."""
        cluster = _cluster(job)
        given = 0
        while follow and not (state := self.status(job).state).is_over:
            if state is JobState.RUNNING:
                skip = given
                for piece in cluster.follow_log(job.id):  # from the beginning, each time
                    new = piece[skip:]
                    skip -= len(piece) - len(new)
                    given += len(new)
                    if new:
                        yield new.encode(errors="replace")
            time.sleep(_AGAIN_S)
        rest = cluster.log(job.id)
        if rest is None:
            raise BackendError(
                NAME,
                "the cluster has no such job, and not its output",
                hint="what the program printed is in its run too: gitml pull, then gitml show RUN --log",
            )
        if len(rest) > given:
            yield rest[given:].encode(errors="replace")

    def cancel(self, job: JobHandle) -> None:
        """Stop it: Ray sends SIGTERM to all its processes, and SIGKILL after the time of `grace`."""
        if self.status(job).state.is_over:
            return
        _cancel_mark(job).touch(mode=0o600)
        _cluster(job).stop(job.id)


def _address(config: Mapping[str, object]) -> str:
    given = config.get("address")
    return find_address(os.environ) if given is None else str(given)


def _cluster(job: JobHandle) -> Cluster:
    """The cluster that it was submitted to: the environment may mean another one by now."""
    try:
        return Cluster((job.folder / f"{job.run_id}.address").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Cluster(_address(job.config))


def _cancel_mark(job: JobHandle) -> Path:
    return job.folder / f"{job.run_id}.cancelled"


def _write_privately(path: Path, text: str) -> None:
    with open(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)


def _exit_code(found: Any) -> int | None:
    """Read what the job's command exited with; older clusters say it only in the message."""
    code = getattr(found, "driver_exit_code", None)
    if code is None:
        match = re.match(r"Job entrypoint command failed with exit code (-?\d+)", str(found.message or ""))
        code = int(match[1]) if match else None
    if code is None:
        return 0 if str(found.status) == "SUCCEEDED" else None
    return int(code) if code >= 0 else 128 - int(code)
