"""What a project's command runs in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gitml.entities.project import EnvironmentKind
from gitml.execution.environments.store import Made


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


def environment_of(
    made: Made, kind: EnvironmentKind, folder: Path, environ: Mapping[str, str], notes: tuple[str, ...] = ()
) -> Environment:
    """Say how programs of a project run in an environment that was made.

    Args:
        made: The environment.
        kind: What defined it.
        folder: The project's folder, whose code may be on `PYTHONPATH`.
        environ: The environment variables that gitml was started with.
        notes: Sentences for the user, besides its own.
    """
    variables = dict(made.variables)
    variables["PATH"] = os.pathsep.join((str(made.prefix / "bin"), environ.get("PATH", os.defpath)))
    if made.manager != "conda":
        variables["VIRTUAL_ENV"] = str(made.prefix)
    if made.paths:
        paths = [os.path.normpath(folder.absolute() / path) for path in made.paths]
        variables["PYTHONPATH"] = os.pathsep.join((*paths, *filter(None, (environ.get("PYTHONPATH"),))))
    if environ.get("PYTHONHOME"):
        variables["PYTHONHOME"] = ""  # of another Python; empty is as if it were not set
    return Environment(
        manager=made.manager,
        variables=variables,
        python=made.interpreter if made.python else None,
        files={name: text.encode() for name, text in made.files.items()},
        definition=kind,
        notes=(*notes, *made.notes),
    )
