"""`gitml reproduce`: do a run again and say whether the result is the same."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete
from gitml.cli.agreeing import agree
from gitml.cli.named import named_run
from gitml.cli.opened import open_repo
from gitml.cli.output import json_errors, warn
from gitml.cli.terminal import screen
from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.execution.reproduction.reproducing import Preview, Reproduction
    from gitml.execution.reproduction.surroundings import EnvironmentChoice

_DIFFERENT = 1
_PANEL_RECORDING = "As of `gitml run`"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("reproduce", no_args_is_help=True)(reproduce)


def reproduce(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="The run; see `gitml help names`.", autocompletion=complete.runs
        ),
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a parameter, or an argument of the command. Repeatable."
        ),
    ] = None,
    environment: Annotated[
        str,
        typer.Option("--environment", metavar="WHICH", help="recorded: made again from what was recorded; or current."),
    ] = "recorded",
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            "--tolerance", metavar="[METRIC=]REL[,ABS]",
            help="How far apart metrics may be, relative and absolute: 1e-6, 'val/*=1e-3,1e-6'. Repeatable.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="NAME", help="A metric or artifact (or pattern) that does not count. Repeatable."),
    ] = None,
    link: Annotated[
        list[str] | None,
        typer.Option("--link", metavar="PATH", help="Lend a path of the work tree that no commit has. Repeatable."),
    ] = None,
    recurse_submodules: Annotated[
        bool | None,
        typer.Option(
            "--recurse-submodules/--no-recurse-submodules",
            help="Fetch submodules of its code that are not here, or don't. If not given: if the run had them.",
        ),
    ] = None,
    allow_changed_inputs: Annotated[
        bool, typer.Option("--allow-changed-inputs", help="Run although a data set changed.")
    ] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Run code that others chose without being asked.")
    ] = False,
    name: Annotated[str | None, typer.Option("--name", "-n", metavar="NAME", help="Name of the new run.")] = None,
    artifact: Annotated[
        list[str] | None,
        typer.Option("--artifact", "-a", metavar="PATH", help="What to record, if not as it was. Repeatable.", rich_help_panel=_PANEL_RECORDING),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metrics", metavar="FILE", help="What to record, if not as it was. Repeatable.", rich_help_panel=_PANEL_RECORDING),
    ] = None,
    scalars: Annotated[
        list[str] | None,
        typer.Option("--scalars", metavar="REGEX", help="What to record, if not as it was. Repeatable.", rich_help_panel=_PANEL_RECORDING),
    ] = None,
    docker_args: Annotated[
        list[str] | None,
        typer.Option(
            "--docker-args", "-A", metavar="NAME[=VALUE]",
            help="Option for the container engine: they are not recorded. Repeatable.", rich_help_panel=_PANEL_RECORDING,
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON document.", callback=json_errors, is_eager=True)
    ] = False,
) -> None:  # fmt: skip
    """Do a run again: same code, params, inputs and environment; then compare.

    The new run is recorded as part of the old one. Exit code 0: identical or within
    tolerance; 1: different; the program's own code if it fails.

    Examples:
      gitml reproduce @
      gitml reproduce brisk-heron --set seed=2
      gitml reproduce 4c8ae10 --tolerance 'val/*=1e-2' --ignore '*.png'
      gitml reproduce @{best:acc} --environment current --link data
    """
    from gitml.cli.run_report import report_run
    from gitml.execution.reproduction.reproducing import ReproductionRequest
    from gitml.execution.reproduction.reproducing import reproduce as run_again
    from gitml.execution.reproduction.tolerance import parse_tolerances
    from gitml.render.progress import progress

    repo = open_repo()
    request = ReproductionRequest(
        changes=_changes(changes or []),
        environment=_choice(environment),
        tolerances=parse_tolerances(tolerance or [], ignore or []),
        links=tuple(link or ()),
        allow_changed_inputs=allow_changed_inputs,
        artifacts=tuple(artifact or ()),
        metrics=tuple(metrics or ()),
        scalars=tuple(scalars or ()),
        container_options=_container_options(docker_args or []),
        recurse_submodules=recurse_submodules,
        name=name,
    )
    told: list[str] = []

    def confirm(preview: Preview) -> None:
        told.extend(preview.notes)
        _warn(preview.notes)
        agree(preview.foreign, _facts(preview), trust=trust)
        sys.stdout.flush()

    original = named_run(repo, run)
    with _output_to_stderr(wanted=json):
        done = run_again(
            repo, original, request, environ=dict(os.environ), confirm=confirm, progress=progress
        )
    report_run(done.result, quiet=False)
    _warn([note for note in done.notes if note not in told])
    _print(done, json=json)
    raise typer.Exit(_exit_code(done))


def _changes(texts: Sequence[str]) -> dict[str, str]:
    changes: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--set '{key}' is not KEY=VALUE", hint="gitml reproduce RUN --set seed=2")
        if key in changes:
            raise UsageError(f"--set '{key}' is given twice", hint="give it once")
        changes[key] = value
    return changes


def _container_options(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    if not texts:
        return ()
    from gitml.execution.containers.arguments import parse_container_option

    return tuple(parse_container_option(text) for text in texts)


def _choice(text: str) -> EnvironmentChoice:
    from gitml.execution.reproduction.surroundings import EnvironmentChoice

    try:
        return EnvironmentChoice(text)
    except ValueError:
        raise UsageError(
            f"--environment '{text}' is neither recorded nor current", hint="--environment current"
        ) from None


def _facts(preview: Preview) -> dict[str, str]:
    """Say what is going to run."""
    plan = preview.plan
    code = plan.source.code
    return {
        "commit": f"{code.commit or 'none'}, tree {code.tree}" if code else "",
        "folder": plan.source.directory,
        "entry point": plan.project.entry.name if plan.project else "",
        "command": plan.shown,
    }


@contextmanager
def _output_to_stderr(*, wanted: bool) -> Iterator[None]:
    """Let what the program prints go to stderr, where standard output is for a document."""
    if not wanted:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _warn(notes: Sequence[str]) -> None:
    for note in notes:
        warn(note)


def _print(done: Reproduction, *, json: bool) -> None:
    from gitml.render.as_json import dump_json
    from gitml.render.reproduction_text import reproduction_document, reproduction_text

    if json:
        sys.stdout.write(dump_json("reproduction", reproduction_document(done)))
    else:
        target = screen()
        sys.stdout.write(reproduction_text(done, target.ink, target.cells))


def _exit_code(done: Reproduction) -> int:
    from gitml.execution.reproduction.verdict import Verdict

    if done.result.exit_code:
        return done.result.exit_code
    return _DIFFERENT if done.comparison.verdict is Verdict.DIFFERENT else 0
