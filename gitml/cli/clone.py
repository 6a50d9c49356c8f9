"""`gitml clone`: a repository with its runs."""

from __future__ import annotations

import re
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.repo import Repo


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("clone", no_args_is_help=True)(clone)


def clone(
    url: Annotated[str, typer.Argument(metavar="URL", help="A URL or path, as for git clone.")],
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where to; named after the URL if not given.")
    ] = None,
    shallow: Annotated[
        bool, typer.Option("--shallow", help="Only the newest commit of the code, and the newest runs.")
    ] = False,
    depth: Annotated[
        int, typer.Option("--depth", min=1, metavar="N", help="With --shallow: how many of the newest runs.")
    ] = 100,
    filter_: Annotated[
        str | None,
        typer.Option("--filter", metavar="SPEC", help="A partial clone, as for git clone: blob:none."),
    ] = None,
    bare: Annotated[bool, typer.Option("--bare", help="Without a work tree.")] = False,
    hooks: Annotated[bool, typer.Option("--hooks", help="Let `git push` send artifacts first.")] = False,
) -> None:
    """Clone a repository with its runs, and set it up to fetch them.

    The same as git clone, gitml init --remote origin and gitml pull. Artifacts come
    when they are read.

    Examples:
      gitml clone https://git.example.org/ada/churn.git
      gitml clone --shallow ../server.git laptop
    """
    from gitml.render.progress import count_progress, phase_progress
    from gitml.render.share_text import pull_lines, pull_problems
    from gitml.repo import Repo
    from gitml.sync import cloning, pulling
    from gitml.tracking.hooks import install_hook
    from gitml.tracking.setup import configure_remote

    target = Path(_name_of(url)) if folder is None else folder
    with phase_progress(f"cloning into {target}") as progress:
        cloning.clone(url, target, shallow=shallow, filter_=filter_, bare=bare, progress=progress)
    with closing(Repo.open(target)) as repo:
        configure_remote(repo, cloning.ORIGIN)
        if hooks:
            install_hook(repo)
    with closing(Repo.open(target)) as repo:
        options = [f"--depth={depth}"] if shallow else []
        with phase_progress("pulling runs") as progress, count_progress("checking", "commits") as checked:
            done = pulling.pull(repo, cloning.ORIGIN, progress=progress, inspected=checked, options=options)
        for line in [f"cloned into '{target}'", *pull_lines(done), *pull_problems(done), *_notes(repo)]:
            print(line, file=sys.stderr)


def _notes(repo: Repo) -> list[str]:
    from gitml.sync.partial import completeness

    return [f"this is {note}" for note in completeness(repo).notes]


def _name_of(url: str) -> str:
    """Name a folder as `git clone` does: the last part of the URL, without `.git`."""
    last = re.split(r"[/:\\]", re.sub(r"/+(\.git/*)?$", "", url))[-1]
    name = last.removesuffix(".git").removesuffix(".bundle")
    if not name or name in (".", "..") or name.startswith("-"):
        raise UsageError(f"'{url}' does not say what to call the folder", hint=f"gitml clone '{url}' FOLDER")
    return name
