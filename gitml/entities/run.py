"""Runs and what is recorded of them.

Times are UTC. `*_ms` is an integer of milliseconds since 1970, `*_s` a number
of seconds.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Union

from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.entities.project import ProjectState  # most runs are of none

Number = Union[int, float]
ParamValue = Union[int, float, bool, str, None, list["ParamValue"]]

DEFAULT_EXPERIMENT_ID = "0"
DEFAULT_EXPERIMENT = "Default"


class RunStatus(str, Enum):
    """Where a run stands. Values are the words in files; MLflow's are upper case."""

    RUNNING = "running"
    SCHEDULED = "scheduled"
    FINISHED = "finished"
    FAILED = "failed"
    KILLED = "killed"

    @property
    def is_final(self) -> bool:
        """Whether nothing more is expected of the run."""
        return self in (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED)

    # Where MLflow has them

    @staticmethod
    def from_string(status: str) -> RunStatus:
        """Find a status by MLflow's word for it.

        Raises:
            UsageError: There is none.
        """
        try:
            return RunStatus[status]
        except KeyError:
            raise UsageError(
                f"status {status!r} is unknown", hint="use one of " + ", ".join(s.name for s in RunStatus)
            ) from None

    @staticmethod
    def to_string(status: RunStatus) -> str:
        """Give MLflow's word for a status, as in `run.info.status`."""
        return RunStatus(status).name

    @staticmethod
    def is_terminated(status: RunStatus) -> bool:
        """Whether nothing more is expected of a run of that status."""
        return RunStatus(status).is_final

    @staticmethod
    def all_status() -> list[RunStatus]:
        """List every status."""
        return list(RunStatus)


class MetricPoint(NamedTuple):
    """One value of a metric."""

    step: int
    timestamp_ms: int
    value: Number


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """What a whole curve comes to.

    `last` is the value at the greatest (step, timestamp); of equal ones the
    one logged last. NaN takes part in `min` and `max` only if nothing else is
    there. `count` is the number of points.
    """

    last: Number
    step: int
    timestamp_ms: int
    min: Number
    min_step: int
    max: Number
    max_step: int
    count: int


@dataclass(frozen=True, slots=True)
class CodeState:
    """The source a run was made from.

    `tree` is the git tree that holds the code as it ran: the commit's own, or
    a snapshot when the work tree was dirty. `left_out` names files that the
    snapshot did not take, with the reason.
    """

    commit: str | None = None
    tree: str | None = None
    branch: str | None = None
    dirty: bool = False
    remote: str | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """A data set a run used, by name and digest, never by content."""

    name: str
    digest: str
    source_type: str = "local"
    source: str = ""
    schema: str | None = None
    profile: str | None = None
    context: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """One execution and everything recorded of it, except its curves and files.

    `directory` is the folder that its program ran in, below the root of the
    code; empty at the top. `project` says how a run of a project was asked
    for. `commit` is the record that was read, None while the run is live.
    `incomplete` says that something could not be written while it ran.
    """

    id: str
    name: str
    experiment_id: str = DEFAULT_EXPERIMENT_ID
    experiment: str = DEFAULT_EXPERIMENT
    status: RunStatus = RunStatus.RUNNING
    start_ms: int = 0
    end_ms: int | None = None
    duration_s: float | None = None
    parent_id: str | None = None
    user: str | None = None
    host: str | None = None
    entry_point: str | None = None
    command: tuple[str, ...] = ()
    exit_code: int | None = None
    error: str | None = None
    incomplete: bool = False
    deleted_ms: int | None = None
    code: CodeState = field(default_factory=CodeState)
    directory: str = ""
    project: ProjectState | None = None
    params: Mapping[str, ParamValue] = field(default_factory=dict)
    metrics: Mapping[str, MetricSummary] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[DatasetInput, ...] = ()
    note: str = ""
    commit: str | None = None
    live: bool = False
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def command_line(self) -> str:
        """The command as one types it into a shell; empty if there is none."""
        return shlex.join(self.command)


@dataclass(frozen=True, slots=True)
class Experiment:
    """A named group of runs. Its id stays when it is renamed."""

    id: str
    name: str
    created_ms: int = 0
    updated_ms: int = 0
    deleted_ms: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
