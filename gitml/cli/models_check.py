"""`gitml models check` and `approve`: what the project's policy asks of a promotion."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from gitml.cli.models_arguments import (
    CommentOption,
    ModelOrVersion,
    StageWord,
    VersionWord,
    label,
    say,
    sharing,
    two_words,
)
from gitml.cli.output import Format, Output
from gitml.cli.terminal import screen
from gitml.errors import UsageError

_NOT_MET = 1
_TAGS = ("gitml/stages/", "refs/tags/gitml/stages/")


def check(
    output: Output,
    model: ModelOrVersion,
    version: VersionWord = None,
    stage: StageWord = None,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            metavar="COMMIT",
            help="Take the policy from there: origin/main. If not given, from the branch that is checked out.",
        ),
    ] = None,
    allowed_signers: Annotated[
        Path | None,
        typer.Option(
            "--allowed-signers",
            metavar="FILE",
            help="Whose SSH signatures count, instead of gpg.ssh.allowedSignersFile.",
        ),
    ] = None,
) -> None:
    """Say what the policy asks of a promotion, and what of that holds.

    MODEL can also be the tag of a promotion, gitml/stages/churn/production/3. One that was made
    already is held against what was before it, and its signature is looked at.
    Exit code 0: all holds; 1: something does not.

    Examples:
      gitml models check churn 4 production
      gitml models check churn@v4 production --json
      gitml models check gitml/stages/churn/production/3 --policy origin/main
    """
    from gitml.registry.asking import ask, ask_of_tag
    from gitml.registry.naming import find_version_named
    from gitml.render.as_json import dump_json
    from gitml.render.policy_text import policy_document, policy_lines, policy_listing
    from gitml.repo import Repo

    with closing(Repo.open()) as repo:
        if model.startswith(_TAGS):
            if version is not None:
                raise UsageError(f"'{model}' says all of it", hint=f"gitml models check {model}")
            asked = ask_of_tag(repo, model, policy, allowed_signers)
        else:
            word, place = two_words(model, version, stage, "stage")
            asked = ask(repo, find_version_named(repo, model, word), place, policy, allowed_signers)
    if output.format is Format.JSON:
        sys.stdout.write(dump_json("check", policy_document(asked)))
    elif not output.is_text:
        output.write(policy_listing(asked))
    else:
        sys.stdout.write("".join(f"{line}\n" for line in policy_lines(asked, screen().ink)))
    if not asked.holds:
        raise typer.Exit(_NOT_MET)


def approve(
    model: ModelOrVersion,
    version: VersionWord = None,
    stage: StageWord = None,
    comment: CommentOption = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take an approval back.")] = False,
) -> None:
    """Approve a version for a stage, or for any if none is given.

    It is recorded with your name and mail as git knows them, which proves no more than a
    commit's author does.

    Examples:
      gitml models approve churn 4 production -m "looked at the slices"
      gitml models approve churn@v4
      gitml models approve churn@v4 production --withdraw
    """
    from gitml.registry.asking import approve as give
    from gitml.registry.naming import find_version_named, parse_any
    from gitml.repo import Repo

    with closing(Repo.open()) as repo:
        if stage is None and parse_any(repo, model) is not None:
            version, stage = None, version
        found = find_version_named(repo, model, version)
        made = give(repo, found, stage, comment, withdrawn=withdraw)
        where = f"for {made.approves}" if stage is not None else "for any stage"
        done = "is no longer approved" if withdraw else "is approved"
        say(f"{label(found)} {done} {where} by {made.author}{sharing(repo)}")
