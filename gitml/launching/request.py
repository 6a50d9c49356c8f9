"""What is asked of a launch, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.config import CodeMode
from gitml.entities.run import CodeState, ParamValue, RunStatus

if TYPE_CHECKING:
    from gitml.entities.project import ProjectState


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """What to run, and how to record it.

    Attributes:
        command: Program and arguments.
        environment: The environment to run it in; ours, as a rule.
        experiment: The experiment's name; None: the one that `environment`
            says, or else one that the program chooses, or else the default one.
        name: The run's name; None: one that the program chooses, or else two
            random words.
        recorded_command: The command as it is recorded, where secrets stand that only
            whoever made it can tell; None: as it is, without what looks like one.
        tags: First tags.
        note: First note.
        params: Params given by hand; they win over those of `auto_params`.
        assumed_params: Params that are known before the program runs; where it
            logs one of them itself, its word counts.
        auto_params: Whether to take params from the command's own arguments.
        artifacts: Paths and patterns of files to keep afterwards.
        metrics: Files that the program writes metrics to.
        scalars: Rules that find metrics in what it prints; see `scalars`.
        parent: The run that this one is part of, by any name; None: the run
            that `environment` says we are in.
        code: What to keep of the source, or what it is, where that is known;
            None: the repository's setting.
        recorded_variables: Names of environment variables to record.
        pty: Whether the program gets a pseudo-terminal; None: where we have one.
        entry_point: What to call what is run; None: what the command shows.
        directory: The folder that it runs in, below the root of the code; None:
            where we are. It is our current folder in any case.
        project: How a run of a project was asked for.
        environment_files: What is known of its environment, by file name.
        interpreter: The Python behind the command, where that doesn't show it.
        prefix: Words before the command that say where it runs; not recorded.
        run_id: The run to go on with, which keeps name, code, experiment and place
            among runs that it has; None: a new one.
        new_id: The id of a new run; None: a random one.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    experiment: str | None = None
    name: str | None = None
    recorded_command: tuple[str, ...] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None
    params: Mapping[str, ParamValue] = field(default_factory=dict)
    assumed_params: Mapping[str, ParamValue] = field(default_factory=dict)
    auto_params: bool = True
    artifacts: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    scalars: tuple[str, ...] = ()
    parent: str | None = None
    code: CodeMode | CodeState | None = None
    recorded_variables: tuple[str, ...] = ()
    pty: bool | None = None
    entry_point: str | None = None
    directory: str | None = None
    project: ProjectState | None = None
    environment_files: Mapping[str, bytes] = field(default_factory=dict)
    interpreter: Path | None = None
    prefix: tuple[str, ...] = ()
    run_id: str | None = None
    new_id: str | None = None


@dataclass(frozen=True, slots=True)
class LaunchResult:
    """What came of it.

    Attributes:
        run_id: The run's id.
        name: Its name.
        status: How it ended.
        exit_code: What to exit with: the program's own code, 128 + N for signal N.
        error: Why it did not end well, None if it did.
        hint: What to do about it, if that is known.
        duration_s: Seconds that the program took.
        commit: The commit of the run; None if that failed, and the next gitml
            command makes it.
        warnings: Sentences about what was not recorded.
        redactions: Sentences about secrets that a placeholder was recorded for.
        ends_in_line: Whether the program left an unfinished line on the terminal.
        losses: Sentences about output that nobody gets to see.
    """

    run_id: str
    name: str
    status: RunStatus
    exit_code: int
    error: str | None
    hint: str | None
    duration_s: float
    commit: str | None
    warnings: tuple[str, ...]
    redactions: tuple[str, ...] = ()
    ends_in_line: bool = False
    losses: tuple[str, ...] = ()
