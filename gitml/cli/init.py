"""`gitml init`: the few settings that a repository can have for gitml."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gitml.tracking.setup import Step


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("init")(init)


def init(
    folder: Annotated[
        Path,
        typer.Argument(metavar="[DIR]", help="The folder; made if it does not exist. This one if not given."),
    ] = Path(),
    remote: Annotated[
        str | None,
        typer.Option(
            "--remote",
            metavar="NAME",
            help="Let `git fetch NAME` bring runs, and git count what is not pushed.",
        ),
    ] = None,
    hooks: Annotated[
        bool | None,
        typer.Option(
            "--hooks/--no-hooks",
            help="Let `git push` send artifacts first, or take that out again.",
            show_default=False,
        ),
    ] = None,
    server: Annotated[
        bool | None,
        typer.Option(
            "--server/--no-server",
            help="Let this repository look at what is pushed to it, or take that out again.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a folder a git repository, unless it is in one; the rest only when asked.

    Runs can be recorded in any git repository without this. Safe to repeat; says
    what it did and what it left. What a plain `git push` sends is never changed.

    Examples:
      gitml init
      gitml init --remote origin --hooks
      gitml init --server /srv/git/team.git
    """
    from gitml.tracking import hooks as git_hooks
    from gitml.tracking import setup

    repo, steps = setup.init_repository(folder)
    with closing(repo):
        _say(steps)
        if remote is not None:
            _say(setup.configure_remote(repo, remote))
        if hooks is not None:
            _say([git_hooks.install_hook(repo) if hooks else git_hooks.remove_hook(repo)])
        if server is not None:
            change = git_hooks.install_hook if server else git_hooks.remove_hook
            _say([change(repo, git_hooks.PRE_RECEIVE)])


def _say(steps: list[Step]) -> None:
    from gitml.render.text import clean

    for step in steps:
        print(clean(step.text), file=sys.stderr)
