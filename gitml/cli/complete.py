"""Completion of names from the index: fast, quiet, and never in the way.

Whatever goes wrong, nothing is offered: an error message in the middle of a
command line that is being typed helps nobody.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import click
import typer

from gitml.cli import complete_names
from gitml.cli.complete_names import Offer
from gitml.errors import GitmlError

if TYPE_CHECKING:
    from gitml.repo import Repo

_OFFERED = 60
_POSITIONS = (("@", "the newest run"), ("@~1", "the run before"))
_BY_METRIC = {"@{best:": "the best run by it", "@{min:": "the lowest", "@{max:": "the highest"}


def runs(incomplete: str) -> list[Offer]:
    """Offer ids and names of the newest runs; what a model's name can go on with once it was begun."""
    for start, meaning in _BY_METRIC.items():
        if incomplete.startswith(start):
            return [(f"{start}{name}}}", meaning) for name, _ in metrics(incomplete[len(start) :])]
    if incomplete.startswith("models:") or "@" in incomplete[1:] or "#" in incomplete:
        from gitml.cli.complete_models import names

        return names(incomplete)
    return _offers(incomplete, complete_names.runs, _runs, first=_POSITIONS)


def deleted_runs(incomplete: str) -> list[Offer]:
    """Offer ids and names of runs that can be restored."""
    return _offers(incomplete, complete_names.deleted_runs, _deleted_runs)


def files(context: click.Context, incomplete: str) -> list[Offer]:
    """Offer the files of the run that was named before."""
    return _offers(incomplete, None, lambda repo: _files(repo, str(context.params.get("run") or "@")))


def top(context: click.Context, incomplete: str) -> list[Offer]:
    """Offer metrics for the second word of `--top N METRIC`."""
    before = context.meta.get("gitml.arguments", ())
    return [] if before[-1:] == ("--top",) else metrics(incomplete)


def experiments(incomplete: str) -> list[Offer]:
    """Offer names of experiments."""
    return _offers(
        incomplete,
        complete_names.experiments,
        lambda repo: ((e.name, "") for e in repo.index.experiments() if not e.deleted_ms),
    )


def metrics(incomplete: str) -> list[Offer]:
    """Offer names of metrics."""
    return _offers(
        incomplete,
        complete_names.metrics,
        lambda repo: ((name, "metric") for name in repo.index.metric_names()),
    )


def remotes(incomplete: str) -> list[Offer]:
    """Offer names of the repository's remotes."""
    return _offers(incomplete, None, lambda repo: iter(repo.settings.remotes.items()))


def fields(incomplete: str) -> list[Offer]:
    """Offer names of metrics and params, after commas and a minus sign too."""
    head, comma, last = incomplete.rpartition(",")
    sign = "-" if last.startswith("-") else ""
    before = head + comma + sign
    offers = _offers(last.removeprefix("-"), complete_names.fields, _fields)
    return [(before + name, text) for name, text in offers]


def _offers(
    incomplete: str,
    quick: complete_names.Reader | None,
    slow: Callable[[Repo], Iterator[Offer]],
    *,
    first: Sequence[Offer] = (),
) -> list[Offer]:
    # An unreadable repository is no reason to write over the prompt.
    with contextlib.suppress(GitmlError, OSError):
        known = complete_names.read(quick) if quick else None
        if known is None:
            with contextlib.closing(_open()) as repo:
                known = list(slow(repo))
        # A name that begins with '-' would be read as an option.
        fits = (o for o in (*first, *known) if o[0].startswith(incomplete) and o[0][0] not in "-=")
        return list(itertools.islice(fits, _OFFERED))
    return []


def _open() -> Repo:
    """Open the repository, without starting git where its folder is in plain sight.

    Starting git takes half of the time that a completion may take.
    """
    from gitml.git.repo import GitRepo
    from gitml.repo import Repo

    git_dir = complete_names.plain_git_dir()
    return Repo.open() if git_dir is None else Repo(GitRepo(git_dir, git_dir, git_dir.parent))


def _runs(repo: Repo) -> Iterator[Offer]:
    from gitml.index import Query

    live = complete_names.live_runs(repo.git.common_dir)
    ended = repo.index.search(Query(limit=200))
    rows = [*live, *((run.id, run.name, run.status.value) for run in ended)]
    return iter(complete_names.run_offers(rows))


def _deleted_runs(repo: Repo) -> Iterator[Offer]:
    from gitml.index import Query

    found = repo.index.search(Query(limit=200, view="deleted"))
    return iter(complete_names.run_offers((run.id, run.name, run.status.value) for run in found))


def _files(repo: Repo, name: str) -> Iterator[Offer]:
    from gitml.render.numbers import format_size
    from gitml.tracking.history import list_artifacts
    from gitml.tracking.resolve import resolve_run

    for file in list_artifacts(repo, resolve_run(repo, name)):
        yield file.path, format_size(file.size)


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
    from gitml.cli.complete_shell import script

    print(script(shell.value))
