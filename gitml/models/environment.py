"""The environment of a model, made anew from what it says that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.entities.project import EnvironmentKind, EnvironmentSpec
from gitml.errors import NotFoundError, UsageError
from gitml.execution.environments import Environment, prepare
from gitml.models.directory import CONDA_FILE, PYTHON_ENV_FILE, REQUIREMENTS_FILE
from gitml.models.locating import locate
from gitml.progress import no_progress

if TYPE_CHECKING:
    from gitml.progress import ShowProgress

MANAGERS = ("uv", "virtualenv", "conda")
# The first one that is there is used: it says which Python, and conda is often not at hand.
_FILES = (
    (PYTHON_ENV_FILE, EnvironmentKind.PYTHON),
    (CONDA_FILE, EnvironmentKind.CONDA),
    (REQUIREMENTS_FILE, EnvironmentKind.REQUIREMENTS),
)


def prepare_environment(
    uri: str,
    *,
    manager: str | None,
    cache: Path,
    environ: Mapping[str, str],
    progress: ShowProgress = no_progress,
) -> Environment:
    """Make a model's environment ready, from the cache if it was made before.

    Args:
        uri: The model; see `locating.locate`.
        manager: Who is to make it; None: who fits.
        cache: The user's cache folder.
        environ: The environment variables that gitml was started with.
        progress: Shows what takes long.

    Raises:
        UsageError: There is no such manager.
        NotFoundError: There is no such model, or it does not say what it needs.
        EnvironmentNotMadeError: It can't be solved, fetched, built or installed.
    """
    if manager is not None and manager not in MANAGERS:
        raise UsageError(
            f"--env-manager '{manager}' can't make a model's environment",
            hint=f"one of {', '.join(MANAGERS)}",
        )
    folder = locate(uri).folder
    order = (
        sorted(_FILES, key=lambda pair: pair[1] is not EnvironmentKind.CONDA)
        if manager == "conda"
        else _FILES
    )
    for file, kind in order:
        if (folder / file).is_file():
            return prepare(
                EnvironmentSpec(kind, file),
                folder,
                manager=manager,
                cache=cache,
                environ=environ,
                progress=progress,
            )
    raise NotFoundError(
        f"'{uri}' does not say what it needs: it has no {REQUIREMENTS_FILE}", hint="log the model anew"
    )
