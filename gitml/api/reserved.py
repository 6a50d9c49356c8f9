"""MLflow's reserved names: artifact URIs and tags that stand for facts of gitml's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitml.entities.run import Run

RUN_NAME_TAG = "mlflow.runName"
NOTE_TAG = "mlflow.note.content"
PARENT_TAG = "mlflow.parentRunId"
USER_TAG = "mlflow.user"
SOURCE_TAG = "mlflow.source.name"
SOURCE_TYPE_TAG = "mlflow.source.type"
ENTRY_POINT_TAG = "mlflow.project.entryPoint"
COMMIT_TAG = "mlflow.source.git.commit"
BRANCH_TAG = "mlflow.source.git.branch"
REMOTE_TAG = "mlflow.source.git.repoURL"
DIRTY_TAG = "mlflow.source.git.dirty"

_SCRIPTS = (".py", ".ipynb", ".R", ".r", ".sh", ".jl")


def artifact_uri(run_id: str, path: str | None = None) -> str:
    """Name a run's artifacts, or one of them, for calls that take an artifact URI."""
    return f"runs:/{run_id}/{path}" if path else f"runs:/{run_id}"


def mlflow_tags(run: Run) -> dict[str, str]:
    """Give a run's tags together with those MLflow would have set.

    What gitml records as facts of its own appears under MLflow's reserved
    names; a tag that somebody set under such a name wins.
    """
    code = run.code
    facts: Mapping[str, str | None] = {
        RUN_NAME_TAG: run.name,
        USER_TAG: run.user,
        SOURCE_TAG: source_name(run.command),
        SOURCE_TYPE_TAG: source_type(run.entry_point),
        ENTRY_POINT_TAG: run.entry_point,
        COMMIT_TAG: code.commit,
        BRANCH_TAG: code.branch,
        REMOTE_TAG: code.remote,
        DIRTY_TAG: dirty_text(code.commit, dirty=code.dirty),
        PARENT_TAG: run.parent_id,
        NOTE_TAG: run.note or None,
    }
    tags = {key: value for key, value in facts.items() if value is not None}
    return {**tags, **run.tags}


def source_name(command: tuple[str, ...]) -> str | None:
    """Name the program of a command line: the script, not its interpreter.

    Example:
        >>> source_name(("python", "-u", "train.py", "--lr", "0.1"))
        'train.py'
    """
    scripts = (word for word in command if word.endswith(_SCRIPTS))
    return next(scripts, command[0] if command else None)


def source_type(entry_point: str | None) -> str:
    """Say in MLflow's words whether a project's entry point or a program ran."""
    return "PROJECT" if entry_point else "LOCAL"


def dirty_text(commit: str | None, *, dirty: bool) -> str | None:
    """Write whether the work tree was dirty; None where there was no commit to differ from."""
    return str(dirty).lower() if commit else None
