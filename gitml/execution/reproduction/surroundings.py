"""The environment that a run had, again: packages, interpreter, variables."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path, PurePath

from gitml.entities.run import Run
from gitml.errors import RefusedError
from gitml.execution.cache import cache_dir
from gitml.execution.environments import Environment
from gitml.execution.environments.prepare import CONTAINERS
from gitml.execution.opening import Prepared
from gitml.execution.reproduction.changes import is_redacted
from gitml.execution.reproduction.own_packages import OwnPackages, find_own_packages
from gitml.execution.sources import Source
from gitml.formats import yaml
from gitml.progress import ShowProgress
from gitml.repo import Repo
from gitml.tracking.capture import capture_command_environment, find_python

VARIABLES = "variables.yaml"
_PACKAGES, _VERSION = "requirements.txt", "python-version"
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*[tw]?(?:\.exe)?")
# They say where things are on a machine: another machine's would only do harm.
_OF_A_MACHINE = frozenset((
    "PATH", "HOME", "PWD", "OLDPWD", "TMPDIR", "TEMP", "TMP", "SHELL", "USER", "LOGNAME",
    "VIRTUAL_ENV", "CONDA_PREFIX",
))  # fmt: skip


class EnvironmentChoice(str, Enum):
    """Which environment a run is done again in."""

    RECORDED = "recorded"
    CURRENT = "current"


class PackagesNotRecordedError(RefusedError):
    """A Python program ran in an environment of which no packages were recorded."""

    def __init__(self, run: Run) -> None:
        super().__init__(
            f"the packages that run '{run.id[:7]}' had were not recorded",
            hint="run it with those of now, and see: --environment current",
        )


@dataclass(frozen=True, slots=True)
class Place:
    """What an environment is made for.

    Attributes:
        repo: Where the run is recorded.
        run: The run.
        source: Its code, laid out.
        words: The words of its command, as far as they can be told apart.
        project: Its project, None of a plain command.
        lent: Files and folders that links in the code lead to.
        environ: Our environment.
        progress: Shows what takes long.
        container_options: Name and value of options for the container engine.
    """

    repo: Repo
    run: Run
    source: Source
    words: Sequence[str]
    project: Prepared | None
    lent: tuple[Path, ...]
    environ: Mapping[str, str]
    progress: ShowProgress
    container_options: tuple[tuple[str, str], ...] = ()


def environment_again(place: Place, files: Mapping[str, bytes], choice: EnvironmentChoice) -> Environment:
    """Make an environment ready to do a run again in.

    Args:
        place: What it is for.
        files: What was recorded of the run's environment.
        choice: Whether it is made from that, or is the one of now: for a
            project in a container, the image that its name means now.

    Raises:
        PackagesNotRecordedError: There is nothing to make it from.
        GitmlError: It can't be made.
    """
    project = place.project
    if project is not None and project.definition.docker is not None and _in_container(place.run):
        from gitml.execution.containers import IMAGE_FILE, Workspace, container_environment

        recorded = choice is EnvironmentChoice.RECORDED
        if recorded and IMAGE_FILE not in files:
            raise PackagesNotRecordedError(place.run)
        source = place.source
        return container_environment(
            project.definition.docker,
            Workspace(source.folder, source.root, place.repo.git, (*project.paths, *place.lent)),
            environ=place.environ,
            options=place.container_options,
            recorded=files[IMAGE_FILE] if recorded else None,
            progress=place.progress,
        )
    own = find_own_packages(files.get(_PACKAGES, b""), root=place.source.root, folder=place.source.folder)
    current = choice is EnvironmentChoice.CURRENT
    environment = Environment("local") if current else _packages_again(place, files, own.requirements)
    search = _import_path(place, own, environment)
    if search is None:
        return environment
    notes = (f"imported from the run's own code: {', '.join(own.names)}",) if own.names else ()
    return replace(
        environment,
        variables={**environment.variables, "PYTHONPATH": search},
        notes=(*environment.notes, *notes),
    )


def _import_path(place: Place, own: OwnPackages, environment: Environment) -> str | None:
    """Say where else Python imports from: the code laid out, not the work tree that it once was."""
    before = environment.variables.get("PYTHONPATH", place.environ.get("PYTHONPATH", ""))
    work_tree = place.repo.git.work_tree
    found = [str(path) for path in own.paths]
    for entry in before.split(os.pathsep) if before else ():
        moved = None
        if work_tree is not None and Path(entry).is_absolute() and Path(entry).is_relative_to(work_tree):
            moved = place.source.root / Path(entry).relative_to(work_tree)
        found.append(str(moved) if moved is not None and moved.is_dir() else entry)
    search = os.pathsep.join(found)
    return search if search != before else None


def _packages_again(place: Place, files: Mapping[str, bytes], requirements: bytes) -> Environment:
    """Make the environment of recorded packages ready; the current one, if it is that."""
    run, words, folder, environ = place.run, place.words, place.source.folder, place.environ
    if run.project is None or run.project.manager == "local":
        if _PACKAGES not in files:
            if words and _is_python(words[0]):
                raise PackagesNotRecordedError(run)
            what = PurePath(words[0]).name if words else "the program"
            return Environment(
                "local", notes=(f"no packages were recorded of {what}: it runs in the current environment",)
            )
        python = find_python(words, environ, folder)
        cache = place.repo.root / "cache"
        now = capture_command_environment(cache, words, environ, folder) if python else {}
        if all(now.get(name) == files.get(name) for name in (_PACKAGES, _VERSION)):
            return Environment("local")
    from gitml.execution.environments import rebuild  # solvers: only where one is made

    known = {name: data for name, data in files.items() if name != VARIABLES}
    if _PACKAGES in known:
        known[_PACKAGES] = requirements
    return rebuild(known, folder, cache=cache_dir(environ), environ=environ, progress=place.progress)


def _in_container(run: Run) -> bool:
    return run.project is not None and run.project.manager in CONTAINERS


def recorded_variables(files: Mapping[str, bytes]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Read the environment variables that were recorded with a run, as far as they can be set again.

    Returns:
        Names and values to set, and the names that were recorded without
        their value, or that say where things are on a machine.
    """
    data = files.get(VARIABLES)
    if data is None:
        return {}, ()
    found = {
        name: str(value) for name, value in yaml.load_mapping(data, source=f"environment/{VARIABLES}").items()
    }
    left = tuple(
        name
        for name, value in found.items()
        if name in _OF_A_MACHINE or name.startswith(("GITML_", "MLFLOW_")) or is_redacted(value)
    )
    return {name: value for name, value in found.items() if name not in left}, left


def in_environment(
    command: Sequence[str], environment: Environment, folder: Path, environ: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make a recorded command one of an environment that is ready.

    A Python, or another program of an environment, that was named by its
    place elsewhere is called by its name.

    Returns:
        Words before the command, and the command.
    """
    program = PurePath(command[0])
    is_placed = program.name != command[0]
    if environment.manager == "local":
        if is_placed and _is_python(command[0]) and not (folder / program).exists():
            command = (_name_here(program.name, environ), *command[1:])
        return (), tuple(command)
    bin_folder = environment.python.parent if environment.python is not None else None
    if is_placed and (_is_python(command[0]) or (bin_folder and (bin_folder / program.name).exists())):
        command = (program.name, *command[1:])
    if environment.prefix or "PATH" not in environment.variables:
        return environment.prefix, tuple(command)
    if bin_folder and _is_python(command[0]) and not (bin_folder / command[0]).exists():
        command = ("python", *command[1:])  # it is known by fewer names than the old one
    env = shutil.which("env", path=environ.get("PATH", os.defpath))
    # Programs are looked for in our own PATH, and `env` looks in the one that it is given.
    return (env,) if env else (), tuple(command)


def _is_python(word: str) -> bool:
    return _PYTHON.fullmatch(PurePath(word).name) is not None


def _name_here(name: str, environ: Mapping[str, str]) -> str:
    search = environ.get("PATH", os.defpath)
    return next((known for known in (name, "python3", "python") if shutil.which(known, path=search)), name)
