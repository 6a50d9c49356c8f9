"""Completion of names from the index: fast, quiet, and never in the way.

Whatever goes wrong, nothing is offered: an error message in the middle of a
command line that is being typed helps nobody.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.errors import GitmlError

if TYPE_CHECKING:
    from gitml.repo import Repo

_OFFERED = 60
_POSITIONS = (("@", "the newest run"), ("@~1", "the run before"))
Offer = tuple[str, str]


def runs(incomplete: str) -> list[Offer]:
    """Offer ids and names of the newest runs."""
    return list(_offers(incomplete, _runs))


def experiments(incomplete: str) -> list[Offer]:
    """Offer names of experiments."""
    return list(
        _offers(incomplete, lambda repo: ((e.name, "") for e in repo.index.experiments() if not e.deleted_ms))
    )


def metrics(incomplete: str) -> list[Offer]:
    """Offer names of metrics."""
    return list(_offers(incomplete, lambda repo: ((name, "metric") for name in repo.index.metric_names())))


def remotes(incomplete: str) -> list[Offer]:
    """Offer names of the repository's remotes."""
    return list(_offers(incomplete, lambda repo: iter(repo.settings.remotes.items())))


def fields(incomplete: str) -> list[Offer]:
    """Offer names of metrics and params, after commas and a minus sign too."""
    head, comma, last = incomplete.rpartition(",")
    sign = "-" if last.startswith("-") else ""
    before = head + comma + sign
    return [(before + name, text) for name, text in _offers(last.removeprefix("-"), _fields)]


def _offers(incomplete: str, names: Callable[[Repo], Iterator[Offer]]) -> Iterator[Offer]:
    # An unreadable repository is no reason to write over the prompt.
    with contextlib.suppress(GitmlError, OSError), contextlib.closing(_open()) as repo:
        found = (offer for offer in names(repo) if offer[0].startswith(incomplete))
        for _, offer in zip(range(_OFFERED), found):  # noqa: B905 - the shorter one ends it
            yield offer


def _open() -> Repo:
    """Open the repository, without starting git where its folder is in plain sight.

    Starting git takes half of the time that a completion may take.
    """
    from gitml.git.repo import GitRepo
    from gitml.repo import Repo

    if "GIT_DIR" not in os.environ:
        here = Path.cwd()
        for folder in (here, *here.parents):
            git_dir = folder / ".git"
            if git_dir.is_dir():
                config = (git_dir / "config").read_bytes().lower()
                plain = b"objectformat" not in config and b"worktree" not in config
                return Repo(GitRepo(git_dir, git_dir, folder)) if plain else Repo.open()
            if git_dir.exists():
                break
    return Repo.open()


def _runs(repo: Repo) -> Iterator[Offer]:
    from gitml.index import Query

    yield from _POSITIONS
    newest = repo.index.search(Query(limit=200))
    for run in newest:
        yield run.name, f"{run.id[:7]} {run.status.value}"
    for run in newest:
        yield run.id[:8], run.name


def _fields(repo: Repo) -> Iterator[Offer]:
    for name in repo.index.metric_names():
        yield name, "metric"
    for name in repo.index.param_names():
        yield name, "param"


class Shell(str, Enum):
    """The shells that names can be completed in."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def register(app: typer.Typer) -> None:
    """Add `gitml completion` to the application."""
    app.command("completion", no_args_is_help=True)(completion)


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print the completion script of a shell; `gitml --install-completion` installs it.

    Examples:
      gitml completion bash > ~/.local/share/bash-completion/completions/gitml
      gitml completion zsh > "${fpath[1]}/_gitml"
      gitml completion fish > ~/.config/fish/completions/gitml.fish
    """
    from typer._completion_shared import get_completion_script

    print(get_completion_script(prog_name="gitml", complete_var="_GITML_COMPLETE", shell=shell.value))
