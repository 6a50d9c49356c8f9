"""`gitml projects …`: what a project says, and whether it can be run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gitml.cli.output import json_errors
from gitml.cli.terminal import screen

_HELP = {"help_option_names": ["-h", "--help"]}
_INVALID = 2

Folder = Annotated[str, typer.Argument(metavar="[FOLDER]", help="Where the project is; here if not given.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.", callback=json_errors, is_eager=True)]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, context_settings=_HELP)
    group.command("validate")(validate)
    group.command("show")(show)
    app.add_typer(
        group,
        name="projects",
        help="Show what a project can run, and check its MLproject file.\n\nExample: gitml projects show",
    )


def validate(folder: Folder = ".", json: Json = False) -> None:
    """Check a project's MLproject file: what is wrong, and what is odd, with lines.

    Exit code 0: it can be run, whatever warnings there are; 2: it has an error.

    Examples:
      gitml projects validate
      gitml projects validate models/churn --json
    """
    from gitml.execution.validation import validate_project
    from gitml.render.as_json import dump_json
    from gitml.render.project_text import validation_document, validation_lines

    found = validate_project(Path(folder))
    if json:
        sys.stdout.write(dump_json("validation", validation_document(found)))
    else:
        sys.stdout.write("".join(f"{line}\n" for line in validation_lines(found, screen().ink)))
    if found.errors:
        raise typer.Exit(_INVALID)


def show(folder: Folder = ".", json: Json = False) -> None:
    """Show a project: its environment, its entry points with their parameters, and how to run them.

    Examples:
      gitml projects show
      gitml projects show models/churn --json
    """
    from gitml.execution.definition import load_project, scripts_in
    from gitml.render.as_json import dump_json
    from gitml.render.project_text import project_document, project_lines

    path = Path(folder)
    project = load_project(path)
    scripts = scripts_in(path) if project.file is None else []
    if json:
        sys.stdout.write(dump_json("project", project_document(project, folder, scripts)))
    else:
        lines = project_lines(project, folder, scripts, screen().ink)
        sys.stdout.write("".join(f"{line}\n" for line in lines))
