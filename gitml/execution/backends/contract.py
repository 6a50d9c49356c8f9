"""What a backend is: something that runs a job and can be asked about it later.

A job is one command, `gitml jobs work RUN`, which does the rest by itself: it
clones, runs the program of the record, and pushes. So a backend knows nothing of
runs: it starts that command where there is room, and says how it stands.

Other packages add backends by entry points of the group `gitml.backends`; the
entry point is a class without arguments whose instances are `Backend`s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol, runtime_checkable

from gitml.errors import RemoteError
from gitml.execution.backends.options import Option

GROUP = "gitml.backends"


class JobState(str, Enum):
    """Where a job stands. The values are the words in listings and in JSON."""

    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # the scheduler does not know it, or not any more

    @property
    def is_over(self) -> bool:
        """Whether nothing more is expected of the job; of an unknown one, nothing is."""
        return self not in (JobState.PENDING, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How a job stands.

    Attributes:
        state: Where it stands.
        exit_code: What its command exited with, None while that is not known;
            128 + N for signal N.
        reason: The scheduler's own words: why it waits, or why it ended.
    """

    state: JobState
    exit_code: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """What a job asks for; None: whatever the scheduler gives.

    Attributes:
        cpus: Processors.
        gpus: Accelerators.
        memory_mib: Memory, in MiB.
        time_s: The longest it may take, in seconds.
    """

    cpus: int | None = None
    gpus: int | None = None
    memory_mib: int | None = None
    time_s: int | None = None


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job to submit.

    Attributes:
        run_id: The run that it works on: the job's identity here.
        remote: URL that it clones from and pushes to, without credentials; None
            for a backend that works in this repository.
        command: What the job must execute, program first. No shell reads it.
        name: The run's name: printable text, with spaces and any letters; a
            scheduler's rules for names are the backend's to follow.
        resources: What it asks for.
        environment: Variables to set for the command, beside those of the node.
        config: The backend's own options, checked; values are as `Option` says.
        folder: Where this repository keeps its jobs. A backend may keep files
            there whose names begin with the run's id and a dot, but not
            `<id>.json`.
    """

    run_id: str
    remote: str | None
    command: tuple[str, ...]
    name: str
    folder: Path
    resources: Resources = Resources()
    environment: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobHandle:
    """A job that was submitted, as its backend needs it to find it again.

    Attributes:
        id: The scheduler's own id, as `submit` returned it.
        run_id: The run that it works on.
        name: The run's name when it was submitted.
        config: The options that it was submitted with, but for `env`.
        folder: As of `JobRequest`.
    """

    id: str
    run_id: str
    name: str
    config: Mapping[str, object]
    folder: Path


class Backend(Protocol):
    """Where jobs run.

    Attributes:
        name: What people type: `gitml run --backend NAME`.
        options: Its own options, by name; `COMMON` options go without saying.
        own_clone: Whether jobs work from a clone of a remote; otherwise in this
            repository, on this machine.
        program: How gitml is started on a node, unless the config says it.
    """

    name: str
    options: Mapping[str, Option]
    own_clone: bool
    program: tuple[str, ...]

    def check(self, config: Mapping[str, object]) -> None:
        """Refuse options that no job can be made of, before anything is recorded.

        Args:
            config: The options, each of the kind that it declares.

        Raises:
            UsageError: They don't fit together, or one is missing.
            GitmlError: A package or file that they need is missing.
        """
        ...

    def submit(self, job: JobRequest) -> str:
        """Hand a job to the scheduler.

        Returns:
            The scheduler's own id.

        Raises:
            BackendError: The scheduler can't be reached or does not take it.
        """
        ...

    def status(self, job: JobHandle) -> JobStatus:
        """Ask how a job stands; one that the scheduler does not know is `unknown`.

        Raises:
            BackendError: The scheduler can't be asked.
        """
        ...

    def logs(self, job: JobHandle, *, follow: bool) -> Iterator[bytes]:
        """Give what the job printed, in pieces of any length.

        Args:
            job: The job.
            follow: Wait for more until the job is over; otherwise what is there.

        Raises:
            BackendError: It can't be had.
        """
        ...

    def cancel(self, job: JobHandle) -> None:
        """Ask the scheduler to end a job: SIGTERM first, with time to push. Harmless when it is over.

        Raises:
            BackendError: The scheduler can't be asked.
        """
        ...


@runtime_checkable
class ArrayBackend(Protocol):
    """A backend that takes many jobs in one submission.

    If it can be told how many of them run at a time, `array_limit` is an option of it.
    """

    def submit_many(self, jobs: Sequence[JobRequest]) -> list[str]:
        """Hand jobs of one config to the scheduler at once.

        Returns:
            Their ids, in order.

        Raises:
            BackendError: None was taken.
        """
        ...


@runtime_checkable
class BulkBackend(Protocol):
    """A backend that can be asked about many jobs at once, and end them."""

    def status_many(self, jobs: Sequence[JobHandle]) -> list[JobStatus]:
        """Ask how jobs stand, in order; as `status`."""
        ...

    def cancel_many(self, jobs: Sequence[JobHandle]) -> None:
        """End jobs; as `cancel`."""
        ...


class BackendError(RemoteError):
    """A scheduler can't be reached, or does not do what it was asked."""

    def __init__(self, backend: str, what: str, *, hint: str | None = None) -> None:
        super().__init__(f"{backend}: {what}", hint=hint)
        self.backend = backend
