"""`gitml show`: one run."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete
from gitml.cli.field_names import recorded_names
from gitml.cli.named import named_run
from gitml.cli.opened import open_repo
from gitml.cli.output import Format, Output, listing, page, write_json
from gitml.cli.terminal import screen
from gitml.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.entities.run import Run
    from gitml.render.run_text import RunPage
    from gitml.repo import Repo

_CHILDREN = 20


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("show")(listing(template=True)(show))


def show(
    output: Output,
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Id, name, @ (the newest), @~1, @{best:acc}; see `gitml help names`.",
            autocompletion=complete.runs,
        ),
    ] = "@",
    params: Annotated[bool, typer.Option("--params", help="All params and tags, one a line.")] = False,
    metrics: Annotated[bool, typer.Option("--metrics", help="All metrics, the machine's too.")] = False,
    env: Annotated[bool, typer.Option("--env", help="The environment: Python, packages, machine.")] = False,
    log: Annotated[bool, typer.Option("--log", help="What the program printed.")] = False,
) -> None:
    """Show one run: what it was, what it was given, what came out.

    Examples:
      gitml show
      gitml show @{best:acc} --params
      gitml show brisk-heron --log
    """
    if env and log:
        raise UsageError("--env and --log can't be combined", hint="give one of them")
    repo = open_repo()
    found = named_run(repo, run)
    if log:
        _print_log(repo, found)
    elif env:
        _print_environment(repo, found)
    elif output.is_text:
        _print_page(repo, found, all_params=params, all_metrics=metrics)
    else:
        _print_data(repo, found, output)


def _print_data(repo: Repo, run: Run, output: Output) -> None:
    from gitml.render.as_json import dump_json, dump_json_line, run_document
    from gitml.render.care_text import purge_text
    from gitml.render.runs_table import RunsView, select_fields
    from gitml.render.runs_text import runs_listing
    from gitml.render.template import parse_template
    from gitml.tracking.history import list_artifacts

    if output.format in (Format.JSON, Format.JSONL):
        document = run_document(run)
        document["artifacts"] = [
            {
                "path": file.path,
                "size": file.size,
                "oid": file.pointer.oid if file.pointer else None,
                "purged": purge_text(file.purged) if file.purged else None,
            }
            for file in list_artifacts(repo, run)
        ]
        in_one_line = output.format is Format.JSONL
        write_json(dump_json_line(document) + output.end if in_one_line else dump_json("run", document))
    elif output.format is Format.TEMPLATE:
        template = parse_template(output.template or "", lambda: recorded_names(repo))
        sys.stdout.write(template.fill(run, safe=screen().interactive) + output.end)
    else:
        output.write(runs_listing([run], None, select_fields([run], RunsView())))


def _print_page(repo: Repo, run: Run, *, all_params: bool, all_metrics: bool) -> None:
    from gitml.render.run_text import run_text, shown_metrics

    target = screen()
    content = run_page(repo, run, shown_metrics(run, everything=all_metrics))
    text = run_text(content, target.ink, target.cells, all_params=all_params, all_metrics=all_metrics)
    page(text, config=lambda: repo.settings.values)


def run_page(repo: Repo, run: Run, metrics: Sequence[str]) -> RunPage:
    """Gather what the page of a run shows."""
    from gitml.render.curves import read_curves
    from gitml.render.run_text import RunPage
    from gitml.tracking.history import list_artifacts

    children = repo.index.children(run.id, _CHILDREN)
    return RunPage(
        run=run,
        curves=read_curves(repo, run, metrics, lambda trouble: print(trouble, file=sys.stderr)),
        files=list_artifacts(repo, run),
        subject=code_subject(repo, run),
        children=children,
        now_ms=int(time.time() * 1000),
    )


def code_subject(repo: Repo, run: Run) -> str | None:
    """Read the subject of the commit that a run ran from; None if there is none, or it is not here."""
    commit = run.code.commit
    if commit is None or not repo.git.has_object(commit):
        return None
    return repo.git.commit_info(commit).message.partition("\n")[0]


def _print_log(repo: Repo, run: Run) -> None:
    from gitml.render.text import clean_output
    from gitml.tracking.history import read_output

    data = read_output(repo, run)
    target = screen()
    if not data:
        print(f"run '{run.id[:7]}' printed nothing, or it was not recorded", file=sys.stderr)
    elif not target.interactive:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
    else:
        text = clean_output(data.decode("utf-8", "replace"), colour=target.ink.colour)
        page(text if text.endswith("\n") else text + "\n", config=lambda: repo.settings.values)


def _print_environment(repo: Repo, run: Run) -> None:
    from gitml.render.text import clean_block
    from gitml.tracking.history import read_environment

    files = read_environment(repo, run)
    if not files:
        print(f"the environment of run '{run.id[:7]}' was not recorded", file=sys.stderr)
        return
    target = screen()
    parts = [
        f"{target.ink.paint(clean_block(name), 'bold')}\n{clean_block(data.decode('utf-8', 'replace')).rstrip()}\n"
        for name, data in files.items()
    ]
    page("\n".join(parts), config=lambda: repo.settings.values)
