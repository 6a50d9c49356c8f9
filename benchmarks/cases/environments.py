"""Environments of projects: made from packages that are here already, and found again."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from context import Context
from measure import Result, Target, result

_PROJECT = """\
python_env: python_env.yaml
entry_points:
  main: {command: "date +%s.%N"}
  use: {command: "python -c 'import sklearn; print(sklearn.__version__)'"}
"""
_NEEDED = "dependencies:\n- scikit-learn\n"


def environments(context: Context) -> list[Result]:
    """Run a project that needs scikit-learn: without its environment, and with it.

    The first run fetches the packages, which is not counted.
    """
    folder = context.new_repository()
    (folder / "MLproject").write_text(_PROJECT)
    (folder / "python_env.yaml").write_text(_NEEDED)
    context.git(folder, "add", "-A")
    context.git(folder, "commit", "-qm", "project")
    command = [*context.gitml_command, "run", "."]
    context.run([*command, "-e", "use"], folder)
    made = [_without_environments(context, command, folder) for _ in range(context.sizes.rounds)]
    found = [_until_started(context, command, folder) for _ in range(context.sizes.start_rounds)]
    return [
        result(
            "environment_made",
            "an environment with scikit-learn, packages in uv's cache, until the program starts",
            "s",
            made,
            target=Target(5),
        ),
        result(
            "environment_found",
            "the same once it is there, until the program starts",
            "s",
            found,
            target=Target(0.4),
        ),
    ]


def _without_environments(context: Context, command: list[str], folder: Path) -> float:
    shutil.rmtree(context.home / ".cache" / "gitml")
    return _until_started(context, command, folder)


def _until_started(context: Context, command: list[str], folder: Path) -> float:
    """Seconds from the start of gitml to what the program says the time is."""
    before = time.time()
    return float(context.run(command, folder).output.split()[0]) - before
