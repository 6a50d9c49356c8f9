"""`gitml models gto`: what GTO's tags say, and versions written in them."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Annotated

import typer

from gitml.cli import complete_models
from gitml.cli.models_arguments import SignOption, say
from gitml.cli.output import json_errors
from gitml.errors import UsageError


def gto(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL@VERSION]",
            help="A version to write as GTO's tags; if not given, those that are here are shown.",
            autocompletion=complete_models.names,
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="vX.Y.Z", help="What GTO calls it; v0.0.N if not given."),
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option("--stage", metavar="STAGE", help="The stage; the one it is in if not given."),
    ] = None,
    sign: SignOption = None,
    json: Annotated[
        bool,
        typer.Option("--json", help="As gto show --json writes it.", callback=json_errors, is_eager=True),
    ] = False,
) -> None:
    """Show what GTO's tags say, or write a version as such tags.

    They stand on the commit of the code that made the version. Push them with git push origin TAG.

    Examples:
      gitml models gto
      gitml models gto churn@v3 --version v1.2.0 --stage prod
    """
    import json as json_module

    from gitml.registry.gto import read_gto, write_gto
    from gitml.registry.naming import find_version_named
    from gitml.render.text import clean
    from gitml.repo import Repo

    if model is None and (version is not None or stage is not None):
        raise UsageError("no version is given", hint="gitml models gto MODEL@VERSION --stage STAGE")
    with closing(Repo.open()) as repo:
        if model is not None:
            made = write_gto(repo, find_version_named(repo, model), semver=version, stage=stage, sign=sign)
            sys.stdout.write("".join(f"{tag}\n" for tag in made))
            say("share them: git push origin TAG" if made else "GTO's tags say so already")
            return
        found = [one for one in read_gto(repo).values() if one.active]
    if json:
        document = {
            one.name: {"version": one.version, "stage": dict(one.stages), "registered": True, "active": True}
            for one in found
        }
        sys.stdout.write(json_module.dumps(document, indent=2, ensure_ascii=False) + "\n")
        return
    for one in found:
        held = [f"{stage}={holder}" for stage, holder in one.stages.items() if holder]
        print(clean(" ".join([one.name, one.version or "-", *held])))
    if not found:
        say("there are no tags of GTO here")
