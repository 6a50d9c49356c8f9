"""`gitml models withdraw`: take back what nobody else has yet."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from gitml.cli import complete_models
from gitml.cli.models_arguments import ModelOrVersion, say
from gitml.cli.output import Output


def withdraw(
    output: Output,
    model: ModelOrVersion,
    place: Annotated[
        str | None,
        typer.Argument(
            metavar="STAGE|@ALIAS",
            help="The stage or alias; left out where MODEL says a version: churn@v3.",
            autocompletion=complete_models.stages,
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Take back all of its events that were never shared.")
    ] = False,
) -> None:
    """Take back the last event of a stage or alias that was never shared, say one that a server refuses.

    The tag is kept aside below refs/gitml/lost/. What others have stays: see rollback and demote.
    A version can be taken back if it is the last one and nothing leads to it.

    Examples:
      gitml models withdraw churn production
      gitml models withdraw churn @champion --all
      gitml models withdraw churn@v3
    """
    from gitml.registry.withdrawing import parse_withdrawal
    from gitml.registry.withdrawing import withdraw as take_back
    from gitml.render.withdrawn_text import withdrawn_lines, withdrawn_listing
    from gitml.repo import Repo

    with closing(Repo.open()) as repo:
        done = take_back(repo, parse_withdrawal(repo, model, place), every=every)
        if not output.is_text:
            output.write(withdrawn_listing(done))
            return
        for line in withdrawn_lines(done):
            say(line)
