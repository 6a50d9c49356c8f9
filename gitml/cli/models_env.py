"""`gitml models env`: the environment that a model was made in, or one like it."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Annotated

import typer

from gitml.cli.models_predict import ModelPlace
from gitml.cli.output import json_errors, warn


def env(
    model: ModelPlace,
    manager: Annotated[
        str | None,
        typer.Option(
            "--env-manager", metavar="NAME", help="uv, virtualenv or conda; whichever fits if not given."
        ),
    ] = None,
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="One JSON document instead of text.", callback=json_errors, is_eager=True
        ),
    ] = False,
) -> None:
    """Make the environment of a model, with the versions that it was made with, and say where it is.

    Nothing of the model is loaded. An environment that was made before is found again.

    Examples:
      gitml models env churn#production
      source "$(gitml models env churn@v3 --json | jq -r .environment.activate)"
    """
    from gitml.execution.cache import cache_dir
    from gitml.models.environment import prepare_environment
    from gitml.render.as_json import dump_json
    from gitml.render.progress import progress

    made = prepare_environment(
        model, manager=manager, cache=cache_dir(os.environ), environ=os.environ, progress=progress
    )
    for note in made.notes:
        warn(note)
    python = str(made.python)
    prefix = os.path.dirname(os.path.dirname(python))
    activate = os.path.join(prefix, "bin", "activate")
    if json:
        facts = {"manager": made.manager, "prefix": prefix, "python": python, "activate": activate}
        sys.stdout.write(dump_json("environment", facts))
        return
    print(python)
    how = (
        f"conda activate {shlex.quote(prefix)}"
        if made.manager == "conda"
        else f"source {shlex.quote(activate)}"
    )
    print(f"made by {made.manager}; use it: {how}", file=sys.stderr)
