"""The run that a command is to look at, by its own name or by that of a model.

The registry is loaded only where a run of that name is not there: it costs 25 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitml.entities.run import Run
    from gitml.repo import Repo

_URIS = ("models:", "runs:")


def named_run(repo: Repo, text: str) -> Run:
    """Find the run that is meant: `brisk-heron`, `@~1`, `churn@v3`, `models:/churn/Production`.

    Raises:
        NotFoundError: There is none.
        UsageError: It means several runs, or has none of the forms.
    """
    from gitml.tracking.history import RunNotFoundError
    from gitml.tracking.resolve import resolve_run

    if not text.startswith(_URIS):
        try:
            return resolve_run(repo, text)
        except RunNotFoundError:
            if not ("@" in text or "#" in text):
                raise
    from gitml.registry.naming import resolve_run_or_version

    return resolve_run_or_version(repo, text)


def named_place(repo: Repo, text: str, path: str) -> tuple[Run, str]:
    """Find a run and a path in it; below a version's own path where a model is named.

    Raises:
        NotFoundError: There is no such run or model.
        UsageError: It means several runs, or has none of the forms.
    """
    from gitml.tracking.history import RunNotFoundError
    from gitml.tracking.resolve import resolve_run

    if not text.startswith(_URIS):
        try:
            return resolve_run(repo, text), path
        except RunNotFoundError:
            if not ("@" in text or "#" in text):
                raise
    from gitml.registry.naming import resolve_place

    return resolve_place(repo, text, path)
