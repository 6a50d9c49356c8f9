"""`gitml checkout`: a run's code and artifacts as files."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli.arguments import RunName
from gitml.cli.named import named_run
from gitml.cli.output import json_errors, warn
from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.entities.run import Run
    from gitml.execution.checkout import CheckedOut


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("checkout", no_args_is_help=True)(checkout)


def checkout(
    run: RunName,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to fill; must not exist or be empty.")
    ],
    code_only: Annotated[bool, typer.Option("--code-only", help="The code alone, into DIR itself.")] = False,
    artifacts_only: Annotated[
        bool, typer.Option("--artifacts-only", help="The artifacts alone, into DIR itself.")
    ] = False,
    recurse_submodules: Annotated[
        bool, typer.Option("--recurse-submodules", help="Fetch submodules that are not on this machine.")
    ] = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="One JSON document instead of text.", callback=json_errors, is_eager=True
        ),
    ] = False,
) -> None:
    """Lay a run's code and artifacts out: DIR/code as it ran, uncommitted changes too, and DIR/artifacts.

    The code comes from the run's own record, so it is there when the branch that it was
    on is gone; submodules come from clones that are here. It has no .git, and no hook or filter runs. Your work tree is left alone.

    Examples:
      gitml checkout brisk-heron /tmp/heron
      gitml checkout @{best:acc} best --code-only
    """
    from gitml.execution.cache import cache_dir
    from gitml.execution.checkout import check_out
    from gitml.render.progress import progress
    from gitml.repo import Repo

    if code_only and artifacts_only:
        raise UsageError(
            "--code-only and --artifacts-only can't be combined", hint="without both, DIR gets both"
        )
    with closing(Repo.open()) as repo:
        found = named_run(repo, run)
        done = check_out(
            repo,
            found,
            folder,
            code=not artifacts_only,
            artifacts=not code_only,
            cache=cache_dir(os.environ),
            recurse_submodules=recurse_submodules,
            progress=progress,
        )
    for note in done.notes:
        warn(note)
    if json:
        _print_json(found, done)
    else:
        _print_text(found, done)


def _print_text(run: Run, done: CheckedOut) -> None:
    from gitml.render.numbers import format_size
    from gitml.render.text import clean, plural

    if done.code is not None:
        print(f"code of {clean(run.name)}: {clean(str(done.code))} ({plural(done.code_files, 'file')})")
    if done.artifacts is not None:
        size = f"{plural(done.artifact_files, 'file')}, {format_size(done.artifact_bytes)}"
        print(f"artifacts of {clean(run.name)}: {clean(str(done.artifacts))} ({size})")
    elif done.code is None:
        print(f"{clean(run.name)} has no artifacts", file=sys.stderr)


def _print_json(run: Run, done: CheckedOut) -> None:
    from gitml.render.as_json import dump_json

    document = {
        "run": run.id,
        "code": str(done.code) if done.code is not None else None,
        "tree": run.code.tree,
        "directory": run.directory,
        "code_files": done.code_files,
        "artifacts": str(done.artifacts) if done.artifacts is not None else None,
        "artifact_files": done.artifact_files,
        "artifact_bytes": done.artifact_bytes,
        "notes": done.notes,
    }
    sys.stdout.write(dump_json("checkout", document))
