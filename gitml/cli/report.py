"""`gitml report`: what the runs of a branch say, for its pull request."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gitml.cli.opened import open_repo
from gitml.cli.output import json_errors
from gitml.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("report")(report)


def report(
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="COMMIT",
            help="What the branch is to be merged into; the remote's default branch if not given.",
        ),
    ] = None,
    head: Annotated[str, typer.Option("--head", metavar="COMMIT", help="The branch.")] = "HEAD",
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            metavar="METRIC",
            help="Compare the best runs by it; if not given, the newest ones.",
        ),
    ] = None,
    md: Annotated[bool, typer.Option("--md", help="Markdown, which it is anyway.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON document.", callback=json_errors, is_eager=True)
    ] = False,
) -> None:
    """Write a report of the runs made from a branch's commits, against the base's.

    Examples:
      gitml report --md
      gitml report --base origin/main --metric accuracy
    """
    from gitml.registry.requests import default_branch
    from gitml.render.as_json import dump_json
    from gitml.render.branch_report import report_document, report_text
    from gitml.tracking.branch_runs import branch_runs
    from gitml.tracking.diff import diff_runs

    if md and json:
        raise UsageError("--md and --json can't be combined", hint="give one of them")
    repo = open_repo()
    base = base or default_branch(repo)
    if base is None:
        raise UsageError(
            "it is not known what the branch is to be merged into", hint="gitml report --base main"
        )
    found = branch_runs(repo, base, head, metric)
    both = [run for run in (found.against, found.candidate) if run is not None]
    diff = diff_runs(repo, both) if len(both) == 2 else None
    if json:
        sys.stdout.write(dump_json("report", report_document(found, diff)))
    else:
        sys.stdout.write(report_text(found, diff))
