"""What a project's command runs in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gitml.entities.project import EnvironmentKind


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment that is ready.

    Attributes:
        manager: What made it: `local`, `uv`, `virtualenv`, `conda`, `docker`
            or `podman`.
        variables: To be set for the program: `PATH` with its programs first,
            `VIRTUAL_ENV`, `PYTHONPATH` where needed. Empty for `local`.
        python: Its interpreter; None for `local` and containers.
        files: For the run's `environment/` folder, by name: what really ran.
            Empty for `local`, which is recorded as for any program.
        definition: Which kind of file defined it; `none` for `local`.
        notes: Sentences for the user: what was done otherwise than asked.
        prefix: Words before the command.
    """

    manager: str
    variables: Mapping[str, str] = field(default_factory=dict)
    python: Path | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    definition: EnvironmentKind = EnvironmentKind.NONE
    notes: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
