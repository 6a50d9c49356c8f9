"""What the environment says to `gitml run`, and what `gitml run` says to its program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from gitml.entities.run import Run
from gitml.errors import GitmlError
from gitml.git.repo import GitRepo
from gitml.launching.process import stdout_is_terminal
from gitml.repo import Repo

RUN_VARIABLE = "GITML_RUN_ID"
REPO_VARIABLE = "GITML_REPO"
NAME_VARIABLE = "GITML_RUN_NAME"
EXPERIMENT_VARIABLE = "GITML_EXPERIMENT"


def experiment_of(given: str | None, environ: Mapping[str, str]) -> str | None:
    """Name the experiment of a run: the one given, or the environment's; None: neither."""
    return given if given is not None else environ.get(EXPERIMENT_VARIABLE) or None


def wrapper_run_id(repo: Repo, environ: Mapping[str, str]) -> str | None:
    """Find the run of this repository that an environment says we are in."""
    outer = environ.get(RUN_VARIABLE)
    return outer if outer and _is_ours(repo, environ.get(REPO_VARIABLE)) else None


def unset_variables(names: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    """Say which of the variables to record are not there."""
    return [
        f"--env '{name}' is not recorded: it is not set"
        for name in dict.fromkeys(names)
        if name not in environ
    ]


def child_environment(
    repo: Repo,
    environ: Mapping[str, str],
    run: Run,
    *,
    experiment: str | None,
    name: str | None,
    pty: bool | None,
) -> dict[str, str]:
    """Make the environment of a program, which finds its run in it.

    Args:
        repo: Where the run is recorded.
        environ: The environment to add to.
        run: The program's run.
        experiment: The experiment if one was asked for; the program can't choose another then.
        name: The run's name, likewise.
        pty: Whether the program gets a pseudo-terminal; None: where we have one.
    """
    environment = {
        **environ,
        RUN_VARIABLE: run.id,
        REPO_VARIABLE: _location(repo),
        "MLFLOW_RUN_ID": run.id,
        "MLFLOW_EXPERIMENT_ID": run.experiment_id,
    }
    environment.pop(NAME_VARIABLE, None)  # of a run around this one
    if name is not None:
        environment[NAME_VARIABLE] = name
    if experiment is not None:
        environment[EXPERIMENT_VARIABLE] = experiment
    if not stdout_is_terminal(pty):
        # Python keeps output back when it is no terminal; then neither the
        # user nor the record would see it live, and a crash would lose it.
        environment.setdefault("PYTHONUNBUFFERED", "1")
    return environment


def _is_ours(repo: Repo, location: str | None) -> bool:
    """Whether a path leads to this repository, perhaps to another work tree of it."""
    if location in (None, _location(repo)):
        return True
    try:
        return GitRepo.discover(Path(location)).common_dir == repo.git.common_dir
    except GitmlError:
        return False


def _location(repo: Repo) -> str:
    return str(repo.git.work_tree or repo.git.git_dir)
