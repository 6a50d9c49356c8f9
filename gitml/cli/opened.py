"""The repository that a command works on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitml.repo import Repo


def open_repo() -> Repo:
    """Open the repository around the current folder until the command ends.

    Raises:
        NotARepositoryError: There is none.
    """
    import click

    from gitml.repo import Repo  # git and configuration: not for `--help`

    repo = Repo.open()
    context = click.get_current_context(silent=True)
    if context is not None:
        context.call_on_close(repo.close)
    return repo
