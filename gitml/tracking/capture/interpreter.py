"""Find the Python that a command line is going to run, without running anything."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitml.tracking.capture.managed import MANAGERS, managed_python

_PYTHON_NAME = re.compile(r"(?:python|pypy)[0-9.]*[wt]?(?:\.exe)?")
_HEAD_BYTES = 1024
# They run the rest of their command line in the environment that they were given.
_WRAPPERS = frozenset(
    (
        *("caffeinate", "chrt", "env", "ionice", "mpiexec", "mpirun", "nice", "nohup", "setsid", "srun"),
        *("stdbuf", "taskset", "time", "timeout", "xvfb-run"),
    )
)


def find_python(
    argv: Sequence[str], environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Path | None:
    """Find the interpreter behind a command.

    Knows `python …`, scripts and installed commands that start with a
    `#!…python` line (`torchrun`, `pytest`), and wrappers such as `nohup` and
    `mpirun` in front of either; of `uv run`, `conda run` and their like, the
    environment that they are going to use.

    Args:
        argv: The command line.
        environ: The environment that it will run in; this process's if not given.
        cwd: The folder that it will run in.

    Returns:
        The interpreter's path, with links not resolved (in a virtual
        environment, the link is what makes the difference); None if no Python
        is recognised, as for `Rscript` or a shell script.
    """
    variables = os.environ if environ is None else environ
    search = variables.get("PATH", os.defpath)
    folder = cwd or Path.cwd()
    if not argv:
        return None
    if os.path.basename(argv[0]) in MANAGERS:  # often programs in Python, whose own is not the one
        return managed_python(argv, variables, folder)
    program = _locate(argv[0], search, folder)
    if program is not None and (python := _python_behind(program, search, folder)) is not None:
        return python
    if os.path.basename(argv[0]) not in _WRAPPERS:
        return None
    for at, argument in enumerate(argv[1:], 1):
        if os.path.basename(argument) in MANAGERS:
            return managed_python(argv[at:], variables, folder)
        if _is_python_name(argument):
            return _locate(argument, search, folder)
    return None


def _python_behind(program: Path, search: str, folder: Path) -> Path | None:
    if _is_python_name(program.name):
        return program
    try:
        with open(program, "rb") as file:
            head = os.fsdecode(file.read(_HEAD_BYTES))
    except OSError:  # may be run but not read: nothing is known of it
        return None
    named = _interpreter_in(head)
    return _locate(named, search, folder) if named is not None and _is_python_name(named) else None


def _interpreter_in(head: str) -> str | None:
    """Read the `#!` line; also pip's form for paths that are too long for one."""
    if not head.startswith("#!"):
        return None
    long_form = re.match(r"#!/bin/sh\n'''exec' (?:\"([^\"]+)\"|(\S+)) ", head)
    if long_form is not None:
        return long_form.group(1) or long_form.group(2)
    words = head[2:].partition("\n")[0].split()
    if words and os.path.basename(words[0]) == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return words[0] if words else None


def _is_python_name(path: str) -> bool:
    return _PYTHON_NAME.fullmatch(os.path.basename(path)) is not None


def _locate(program: str, search: str, folder: Path) -> Path | None:
    """Find a program as exec does, relative to the folder it will run in."""
    entries = [""] if os.path.dirname(program) else search.split(os.pathsep)
    for entry in entries:
        candidate = Path(os.path.abspath(folder / entry / program))
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    return None
