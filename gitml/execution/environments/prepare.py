"""From what defines an environment to one that is ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.entities.project import EnvironmentKind, EnvironmentSpec
from gitml.errors import UsageError
from gitml.execution.environments import pythons
from gitml.execution.environments.environment import Environment, environment_of
from gitml.execution.environments.errors import ManagerNotFoundError
from gitml.execution.environments.index import index_marks
from gitml.execution.environments.own import NAME, own_mark
from gitml.execution.environments.programs import find_conda, find_uv
from gitml.execution.environments.rebuild import key_of_lock
from gitml.execution.environments.store import EnvironmentStore, Made, Make, key_of
from gitml.progress import ShowProgress, no_progress

if TYPE_CHECKING:
    from gitml.execution.environments.tools import Workshop

MANAGERS = ("local", "uv", "virtualenv", "conda", "docker", "podman")
CONTAINERS = ("docker", "podman")


def prepare(
    spec: EnvironmentSpec,
    folder: Path,
    *,
    manager: str | None,
    cache: Path,
    environ: Mapping[str, str],
    progress: ShowProgress = no_progress,
) -> Environment:
    """Make a project's environment ready, from the cache if it was made before.

    Without a manager, an environment of conda is made by conda where it is
    installed. Where not, and for everything else, it is uv, or virtualenv where
    uv is not installed.

    Containers are made ready elsewhere: `gitml.execution.containers`.

    Args:
        spec: What defines it.
        folder: The project's folder.
        manager: Who is to make it, one of `MANAGERS`; None: who fits.
        cache: The user's cache folder.
        environ: The environment variables that gitml was started with.
        progress: Shows what takes long.

    Raises:
        UsageError: There is no such manager, or it can't make this kind.
        EnvironmentFileError: The file that defines it is not as it should be.
        EnvironmentNotMadeError: It can't be solved, fetched, built or installed;
            or no program is here that could do so, or no such Python.
    """
    _check(spec, manager)
    folder = folder.absolute()
    if manager == "local" or spec.kind is EnvironmentKind.NONE:
        return Environment("local")
    store = EnvironmentStore(cache)
    if manager == "conda" or (manager is None and spec.kind is EnvironmentKind.CONDA):
        conda = find_conda(environ)
        if conda is not None:
            return _with_conda(conda, spec, folder, store, environ, progress)
        if manager == "conda":
            raise ManagerNotFoundError("conda", "install conda, mamba or micromamba; or: --env-manager uv")
    return _with_packages(spec, folder, manager, store, environ, progress)


def _check(spec: EnvironmentSpec, manager: str | None) -> None:
    if manager is not None and manager not in MANAGERS:
        raise UsageError(f"there is no environment manager '{manager}'", hint="one of " + ", ".join(MANAGERS))
    if manager in (None, "local"):
        wrong = manager is None and spec.kind is EnvironmentKind.DOCKER
    elif spec.kind is EnvironmentKind.NONE:
        raise UsageError(
            f"no file defines an environment that {manager} could make",
            hint="write a python_env.yaml or requirements.txt, or leave --env-manager out",
        )
    elif manager == "conda":
        wrong = spec.kind is not EnvironmentKind.CONDA
    else:
        wrong = (manager in CONTAINERS) is not (spec.kind is EnvironmentKind.DOCKER)
    if wrong:
        raise UsageError(
            f"{manager or 'a container'} can't make what the project's {spec.kind.value} defines",
            hint="leave --env-manager out",
        )


def _with_conda(
    conda: Path, spec: EnvironmentSpec, folder: Path, store: EnvironmentStore,
    environ: Mapping[str, str], progress: ShowProgress,
) -> Environment:  # fmt: skip
    from gitml.execution.environments.conda import make_with_conda
    from gitml.execution.environments.definition import read_conda_inputs

    file = str(spec.file)
    key = key_of("conda", str(conda), file, inputs=read_conda_inputs(file, folder))
    made, notes = _made(
        store, key, lambda prefix, shop: make_with_conda(conda, file, prefix, shop), folder, environ, progress
    )
    return environment_of(made, spec.kind, folder, environ, notes)


def _with_packages(
    spec: EnvironmentSpec, folder: Path, manager: str | None, store: EnvironmentStore,
    environ: Mapping[str, str], progress: ShowProgress,
) -> Environment:  # fmt: skip
    from gitml.execution.environments.definition import local_inputs, read_definition

    uv = None if manager == "virtualenv" else find_uv(environ)
    if manager == "uv" and uv is None:
        raise ManagerNotFoundError("uv", "pip install uv")
    notes = (
        ()
        if uv or manager
        else ("uv is not installed; the environment is made by venv and pip, which takes longer",)
    )
    definition = read_definition(spec, folder)
    running = pythons.running()
    facts = [
        "uv" if uv else "pip",
        spec.kind.value,
        definition.file,
        definition.python or "",
        str(running.path),
        str(running),
    ]
    facts += index_marks(environ)
    if NAME in definition.names:
        facts.append(own_mark())
    key = key_of(*facts, inputs={**local_inputs(folder), **definition.inputs})

    def make(prefix: Path, shop: Workshop) -> Made:
        if uv is not None:
            from gitml.execution.environments.uv import make_with_uv

            return make_with_uv(uv, definition, prefix, shop)
        from gitml.execution.environments.virtualenv import make_with_pip

        return make_with_pip(definition, prefix, shop)

    made, meanwhile = _made(store, key, make, folder, environ, progress)
    return environment_of(made, spec.kind, folder, environ, (*notes, *meanwhile))


def _made(
    store: EnvironmentStore,
    key: str,
    make: Make,
    folder: Path,
    environ: Mapping[str, str],
    progress: ShowProgress,
) -> tuple[Made, tuple[str, ...]]:
    """Find an environment or make it; also findable by its lock afterwards."""
    found = store.find(key)
    if found is not None:
        return found, ()
    made, by_other = store.make(key, make, folder, environ, progress)
    if by_other:
        return made, ("another gitml made this environment meanwhile",)
    store.describe(key_of_lock(made.files, folder), replace(made, notes=()))
    return made, ()
