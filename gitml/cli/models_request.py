"""`gitml models request`: a promotion that others look at first, as a pull request."""

from __future__ import annotations

import shlex
from contextlib import closing
from typing import Annotated

import typer

from gitml.cli.models_arguments import (
    CommentOption,
    ModelOrVersion,
    StageWord,
    VersionWord,
    label,
    say,
    two_words,
)


def request(
    model: ModelOrVersion,
    version: VersionWord = None,
    stage: StageWord = None,
    comment: CommentOption = None,
    archive_existing: Annotated[
        bool, typer.Option("--archive-existing", help="Archive the versions that are in the stage.")
    ] = False,
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="BRANCH",
            help="The branch to merge into; the remote's default branch if not given.",
        ),
    ] = None,
) -> None:
    """Ask for a promotion by a pull request, whose merge makes it.

    Writes a branch with one small file, without touching your files or what is checked out;
    prints the branch. CI makes the promotion once it is merged: gitml ci init.

    Examples:
      gitml models request churn 4 production --comment "0.3 % fewer misses"
      gitml models request churn#staging production --archive-existing
    """
    from gitml.registry.asking import ask
    from gitml.registry.naming import find_version_named
    from gitml.registry.requests import request_promotion
    from gitml.render.text import clean
    from gitml.repo import Repo

    word, place = two_words(model, version, stage, "stage")
    with closing(Repo.open()) as repo:
        found = find_version_named(repo, model, word)
        done = request_promotion(
            repo, found, place, comment=comment, archive_existing=archive_existing, base=base
        )
        asked = ask(repo, found, done.request.stage)
        remote = next(iter(repo.settings.remotes), "origin")
    print(done.branch)
    say(f"{label(found)} to {clean(done.request.stage)} is asked for in {clean(done.request.path)}")
    unmet = [check for check in asked.checks if check.holds is False]
    if unmet:
        say(
            f"the policy would not let it in yet: gitml models check '{clean(found.name)}' {found.version} {place}"
        )
    say(f"share it: gitml push, then git push {clean(remote)} {shlex.quote(done.branch)}")
    say(f"then open a pull request of it into {clean(done.base.rpartition('/')[2])}")
