"""The environment that a run had, again: packages, interpreter, variables."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path, PurePath

from gitml.entities.run import Run
from gitml.errors import RefusedError
from gitml.execution.cache import cache_dir
from gitml.execution.environments import Environment
from gitml.execution.reproduction.changes import is_redacted
from gitml.formats import yaml
from gitml.launching.launch import ShowProgress
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


def environment_again(
    repo: Repo,
    run: Run,
    files: Mapping[str, bytes],
    *,
    folder: Path,
    environ: Mapping[str, str],
    progress: ShowProgress,
) -> Environment:
    """Make a run's recorded environment ready; the current one, if it is that.

    Args:
        repo: Where the run is recorded.
        run: The run.
        files: What was recorded of its environment.
        folder: The folder that the program is going to run in.
        environ: Our environment.
        progress: Shows what takes long.

    Raises:
        PackagesNotRecordedError: There is nothing to make it from.
        GitmlError: It can't be made.
    """
    manager = run.project.manager if run.project is not None else "local"
    if manager == "local":
        words = python_words(run)
        python = find_python(words, environ, folder)
        if _PACKAGES not in files:
            if _is_python(words):
                raise PackagesNotRecordedError(run)
            return Environment("local", notes=_no_packages(run))
        now = capture_command_environment(repo.root / "cache", words, environ, folder) if python else {}
        if all(now.get(name) == files.get(name) for name in (_PACKAGES, _VERSION)):
            return Environment("local")
    from gitml.execution.environments import rebuild  # solvers and containers: only where one is made

    known = {name: data for name, data in files.items() if name != VARIABLES}
    return rebuild(known, folder, cache=cache_dir(environ), environ=environ, progress=progress)


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
    command: Sequence[str], environment: Environment, environ: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make a recorded command one of an environment that is ready.

    A Python that was named by its place on another machine, or in another
    environment, is called by its name.

    Returns:
        Words before the command, and the command.
    """
    program = PurePath(command[0])
    elsewhere = program.is_absolute() and _PYTHON.fullmatch(program.name) is not None
    if environment.manager == "local":
        if elsewhere and not Path(program).exists():
            command = (_name_here(program.name, environ), *command[1:])
        return (), tuple(command)
    if elsewhere:
        command = (program.name, *command[1:])
    if environment.prefix or "PATH" not in environment.variables:
        return environment.prefix, tuple(command)
    if environment.python is not None and _PYTHON.fullmatch(command[0]):
        named = environment.python.with_name(command[0])  # it may be known by fewer names than the old one
        command = (command[0] if named.exists() else "python", *command[1:])
    env = shutil.which("env", path=environ.get("PATH", os.defpath))
    # Programs are looked for in our own PATH, and `env` looks in the one that it is given.
    return (env,) if env else (), tuple(command)


def python_words(run: Run) -> list[str]:
    """Give the words of a run's command in which its Python is named, if it is."""
    words = list(run.command)
    if run.project is None:
        return words
    try:  # of a project it is a line for a shell: `bash -c '…'`
        return shlex.split(words[-1]) if words else []
    except ValueError:
        return []


def _is_python(words: Sequence[str]) -> bool:
    return bool(words) and _PYTHON.fullmatch(PurePath(words[0]).name) is not None


def _no_packages(run: Run) -> tuple[str, ...]:
    program = PurePath(run.command[0]).name if run.command else "the program"
    return (f"no packages were recorded of {program}: it runs in the current environment",)


def _name_here(name: str, environ: Mapping[str, str]) -> str:
    search = environ.get("PATH", os.defpath)
    return next((known for known in (name, "python3", "python") if shutil.which(known, path=search)), name)
