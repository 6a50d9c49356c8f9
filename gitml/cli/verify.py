"""`gitml verify`: what is proved of a model or run, from the signature to the source."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gitml.cli import complete
from gitml.cli.opened import open_repo
from gitml.cli.output import json_errors
from gitml.cli.terminal import screen

_NOT_PROVED, _CHANGED = 1, 6


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("verify", no_args_is_help=True)(verify)


def verify(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="NAME@Production, NAME#production, NAME@v3, models:/NAME/3, a run, or a tag gitml/….",
            autocompletion=complete.runs,
        ),
    ],
    require_signature: Annotated[
        bool,
        typer.Option("--require-signature", help="Fail unless NAME's tag is signed by someone known."),
    ] = False,
    require: Annotated[
        list[str] | None,
        typer.Option(
            "--require", metavar="SIGNER",
            help="Fail unless it is signed by SIGNER: a name or mail, or a key's fingerprint. Of several, one.",
        ),
    ] = None,
    allowed_signers: Annotated[
        Path | None,
        typer.Option(
            "--allowed-signers", metavar="FILE",
            help="Whose SSH signatures count, instead of gpg.ssh.allowedSignersFile.",
        ),
    ] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch files that are not here.")] = False,
    no_artifacts: Annotated[
        bool, typer.Option("--no-artifacts", help="Do not read the files: hold the list of them against its digest.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON document.", callback=json_errors, is_eager=True)
    ] = False,
) -> None:  # fmt: skip
    """Show what is proved, from a tag's signature to its version, run, files and source.

    Signers come from your own configuration, never from what is verified. Nothing is run.
    Exit code 0: all that was asked for is proved; 1: something is not; 6: something was changed.

    Examples:
      gitml verify churn@Production --require ada@example.org
      gitml verify churn@v3 --fetch
      gitml verify @ --json
    """
    from gitml.entities.verification import Proof
    from gitml.registry.verification import Wanted
    from gitml.registry.verification import verify as walk
    from gitml.render.as_json import dump_json
    from gitml.render.progress import progress
    from gitml.render.verify_text import verification_document, verification_lines

    repo = open_repo()
    wanted = Wanted(
        signature=require_signature,
        signers=tuple(require or ()),
        artifacts=not no_artifacts,
        fetch=fetch,
        allowed_signers=allowed_signers,
    )
    with progress("reading files", None, "B") as advance:
        done = walk(repo, name, wanted, advance)
    if json:
        sys.stdout.write(dump_json("verification", verification_document(done)))
    else:
        sys.stdout.write("".join(f"{line}\n" for line in verification_lines(done, screen().ink)))
    if done.proof is not Proof.PROVED:
        raise typer.Exit(_CHANGED if done.proof is Proof.CHANGED else _NOT_PROVED)
