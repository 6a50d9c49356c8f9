"""`gitml run`: wrap any program as a tracked run."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.config import CodeMode
    from gitml.entities.run import ParamValue
    from gitml.launching.launch import LaunchResult


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    # What comes after the program is the program's, options included.
    app.command("run", context_settings={"allow_interspersed_args": False}, no_args_is_help=True)(run)


def run(
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND [ARGS]...", help="The program to run, and its arguments.")
    ],
    experiment: Annotated[
        str | None, typer.Option("--experiment", "-e", metavar="NAME", help="Experiment of the run.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", "-n", metavar="NAME", help="Name of the run; two random words if not given."),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="Set a tag. Repeatable.")
    ] = None,
    note: Annotated[str | None, typer.Option("--note", "-m", metavar="TEXT", help="Note of the run.")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-P", metavar="KEY=VALUE", help="Record a param. Repeatable."),
    ] = None,
    no_auto_params: Annotated[
        bool, typer.Option("--no-auto-params", help="Take no params from the command's own arguments.")
    ] = False,
    artifact: Annotated[
        list[str] | None,
        typer.Option(
            "--artifact",
            "-a",
            metavar="PATH",
            help="Keep a file, folder or pattern ('out/**/*.png') afterwards. Repeatable.",
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics",
            metavar="FILE",
            help="Record the JSON, YAML, CSV or TSV file of metrics that the program writes. Repeatable.",
        ),
    ] = None,
    scalars: Annotated[
        list[str] | None,
        typer.Option(
            "--scalars",
            metavar="REGEX",
            help="Record metrics from what it prints: 'auto' for 'loss: 0.3', or groups like '(?P<loss>...)'. Repeatable.",
        ),
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            "--parent",
            metavar="RUN",
            help="Run that this one is part of; inside another `gitml run`, that one.",
        ),
    ] = None,
    code: Annotated[
        str | None,
        typer.Option("--code", metavar="MODE", help="What to keep of the source: tree, commit or off."),
    ] = None,
    no_code: Annotated[
        bool, typer.Option("--no-code", help="Keep nothing of the source: --code off.")
    ] = False,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME", help="Record an environment variable that is set. Repeatable."),
    ] = None,
    pty: Annotated[
        bool | None,
        typer.Option(
            "--pty/--no-pty", help="Run on a pseudo-terminal; by default where the output is a terminal."
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Print nothing but what the program prints, and that a secret was redacted."
        ),
    ] = False,
) -> None:
    """Run a program as a tracked run; exits with the program's own code.

    Recorded are the code, the environment, params from the arguments, everything
    printed, and how it ended. The program finds its run in GITML_RUN_ID.

    Example: gitml run -e churn --scalars auto -a model.pkl python train.py --lr 0.1
    """
    from gitml.launching.launch import LaunchRequest, launch  # the recording part of gitml
    from gitml.render.progress import progress
    from gitml.repo import Repo

    request = LaunchRequest(
        command=tuple(command),
        environment=dict(os.environ),
        experiment=experiment,
        name=name,
        tags=_tags(tag or []),
        note=note,
        params=_params(param or []),
        auto_params=not no_auto_params,
        artifacts=tuple(artifact or ()),
        metrics=tuple(metrics or ()),
        scalars=tuple(scalars or ()),
        parent=parent,
        code=_code_mode(code, no_code),
        recorded_variables=_variables(env or []),
        pty=pty,
    )
    sys.stdout.flush()
    result = launch(Repo.open(), request, progress=progress)
    _report(result, quiet=quiet)
    raise typer.Exit(result.exit_code)


def _tags(texts: list[str]) -> dict[str, str]:
    tags = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--tag '{text}' is not KEY=VALUE", hint="gitml run --tag team=vision ...")
        tags[key] = value
    return tags


def _params(texts: list[str]) -> dict[str, ParamValue]:
    from gitml.launching.arguments import parse_param

    params: dict[str, ParamValue] = {}
    for text in texts:
        try:
            key, value = parse_param(text)
        except ValueError:
            raise UsageError(f"--param '{text}' is not KEY=VALUE", hint="gitml run -P lr=0.1 ...") from None
        if key in params and params[key] != value:
            raise UsageError(f"--param '{key}' is given twice with different values", hint="give it once")
        params[key] = value
    return params


def _variables(names: list[str]) -> tuple[str, ...]:
    for name in names:
        variable, equals, _ = name.partition("=")
        if equals or not name:
            raise UsageError(  # the value may be a secret
                f"--env '{variable}{'=…' if equals else ''}' is no name of an environment variable",
                hint=f"--env takes a name, and the variable's value is recorded: --env {variable or 'OMP_NUM_THREADS'}",
            )
    return tuple(names)


def _code_mode(code: str | None, no_code: bool) -> CodeMode | None:
    if no_code:
        if code not in (None, "off"):
            raise UsageError(f"--no-code and --code {code} contradict each other", hint="give one of them")
        return "off"
    for mode in ("tree", "commit", "off"):
        if code == mode:
            return mode
    if code is not None:
        raise UsageError(
            f"--code '{code}' is not one of tree, commit, off", hint="gitml run --code commit ..."
        )
    return None


def _report(result: LaunchResult, *, quiet: bool) -> None:
    if result.ends_in_line and sys.stderr.isatty():
        print(file=sys.stderr)
    not_run = result.exit_code in (126, 127) and result.hint is not None
    if not_run:
        print(
            f"error: {_printable(result.error or '')}\nhint: {_printable(result.hint or '')}", file=sys.stderr
        )
    recorded = result.commit is not None
    # That something is not in the record as it was given is said in any case.
    for text in (*result.redactions, *(() if quiet and recorded else result.warnings)):
        print(f"warning: {_printable(text)}", file=sys.stderr)
    if quiet:
        return
    short = result.run_id[:7]
    reason = f" ({_printable(result.error)})" if result.error and not not_run else ""
    print(
        f"run {short} {_printable(result.name)} {result.status.value}{reason} in {format_duration(result.duration_s)}"
        f"  \N{MIDDLE DOT}  gitml show {short}",
        file=sys.stderr,
    )


def format_duration(seconds: float) -> str:
    """Say how long something took, with two units at most.

    Example:
        >>> [format_duration(s) for s in (0.034, 2.5, 362, 7384, 200000)]
        ['34ms', '2.5s', '6m 02s', '2h 03m', '2d 07h']
    """
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02}h"
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m {rest:02}s"


def _printable(text: str) -> str:
    """Keep control characters in names and values away from the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
