"""`gitml demo`: a small real project, its runs recorded as anyone would."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.errors import GitmlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitml.repo import Repo

_RELOCATES_GIT = ("GIT_DIR", "GIT_WORK_TREE")


class DemoStepFailedError(GitmlError):
    """A command of the tour did not do what it should."""

    def __init__(self, command: str, exit_code: int) -> None:
        super().__init__(f"'{command}' ended with exit code {exit_code}", hint="its output is above")
        self.command = command
        self.status = exit_code


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("demo", no_args_is_help=True)(demo)


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to make; must not exist or be empty.")
    ],
) -> None:
    """Make a small real project in DIR, record runs of it, and compare them.

    A training script on a data set that ships with scikit-learn, as a git
    repository of its own. Nothing outside DIR is touched.

    Example: gitml demo /tmp/gitml-demo
    """
    from gitml.demo import project  # git and configuration: not for `--help`
    from gitml.repo import Repo

    project.require_packages()
    folder = folder.resolve()
    tour = _Tour(folder, os.environ)
    git = project.create(folder)
    _say(f"A training script, committed in the new repository {folder}. Three runs of it:")
    for run in project.FIRST_RUNS:
        tour.gitml(*run.command)
    project.improve(git, folder)
    _say(f"\nThe script changed, and the change is committed: {project.SECOND_MESSAGE}. Two more runs:")
    for run in project.SECOND_RUNS:
        tour.gitml(*run.command)
    _say("\nWhat ran:")
    tour.gitml("log")
    _say("\nWhat the change of the script did:")
    tour.gitml("diff", *project.COMPARED)
    _say(_further(Repo.open(folder), folder, project.COMPARED))


class _Tour:
    """Runs the commands of the demo and shows each as it would be typed."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        for name in _RELOCATES_GIT:
            if name in environ:
                raise UsageError(
                    f"{name} is set, so git would not work in '{folder}'",
                    hint=f"unset {name}, then run it again",
                )
        self._folder = folder
        self._environ = {
            # A run around the demo, or a tracking address, is not the demo's.
            **{name: value for name, value in environ.items() if not name.startswith(("GITML_", "MLFLOW_"))},
            # `python` is this one: it has what the script imports.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)]),
            "GITML_PAGER": "cat",
        }

    def gitml(self, *words: str) -> None:
        """Run one gitml command in the demo's folder.

        Raises:
            DemoStepFailedError: It failed.
        """
        shown = shlex.join(["gitml", *words])
        _say(f"\n$ {shown}")
        done = subprocess.run(
            [sys.executable, "-m", "gitml", *words], cwd=self._folder, env=self._environ, check=False
        )
        if done.returncode != 0:
            raise DemoStepFailedError(shown, done.returncode)


def _further(repo: Repo, folder: Path, compared: Sequence[str]) -> str:
    from gitml.tracking.resolve import resolve_run

    first, second = (str(resolve_run(repo, name).commit)[:10] for name in compared)
    return f"""
Go on from here:

{_activation()}  cd {shlex.quote(str(folder))}
  gitml show @{{best:accuracy}}
  gitml log --filter 'metrics.accuracy > 0.95' --order-by 'metrics.loss ASC'
  gitml diff {" ".join(compared)} --code
  gitml run python train.py --model mlp --alpha 0.01

Each run is a commit, so git alone shows the same:

  git log --oneline gitml/runs
  git show {second}:metrics.yaml
  git diff {first} {second} -- code/ metrics.yaml"""


def _activation() -> str:
    """The line that puts this gitml, and this Python, where the commands below look for them."""
    if sys.prefix == sys.base_prefix or str(Path(sys.prefix) / "bin") in os.get_exec_path():
        return ""
    return f"  source {shlex.quote(str(Path(sys.prefix) / 'bin' / 'activate'))}\n"


def _say(text: str) -> None:
    # Flushed, because the programs started next write to the same terminal.
    print(text, flush=True)
