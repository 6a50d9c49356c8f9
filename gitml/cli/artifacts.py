"""`gitml artifacts …`: the files of a run."""

from __future__ import annotations

import hashlib
import re
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete
from gitml.cli.arguments import RunName, RunNames
from gitml.cli.named import named_place, named_run
from gitml.cli.output import Output, listing
from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.entities.artifact import Artifact, Pointer
    from gitml.entities.run import Run
    from gitml.repo import Repo

_HELP = {"help_option_names": ["-h", "--help"]}
_CHUNK = 1024**2
# What is not text to a terminal: controls other than line ends and tabs, C1 controls in UTF-8 included.
_UNPRINTABLE = re.compile(rb"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]")

ArtifactPath = Annotated[
    str,
    typer.Argument(
        metavar="[PATH]", help="A file or folder of the run; all if not given.", autocompletion=complete.files
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, context_settings=_HELP)
    group.command("list", no_args_is_help=True)(listing()(list_artifacts))
    group.command("get", no_args_is_help=True)(get)
    group.command("download", no_args_is_help=True, hidden=True)(get)  # MLflow's word
    group.command("cat", no_args_is_help=True)(cat)
    group.command("fetch", no_args_is_help=True)(fetch)
    app.add_typer(
        group,
        name="artifacts",
        help="List, get and print the files of a run.\n\nExample: gitml artifacts list @",
    )


def list_artifacts(output: Output, run: RunName, path: ArtifactPath = "") -> None:
    """List the files of a run with their sizes.

    Examples:
      gitml artifacts list @
      gitml artifacts list brisk-heron plots --json
    """
    from gitml.render.care_text import purge_text
    from gitml.render.listing import Listing
    from gitml.repo import Repo
    from gitml.tracking import history

    with closing(Repo.open()) as repo:
        found = history.list_artifacts(repo, *named_place(repo, run, path))
        if output.is_text:
            _write_table(found)
            return
        records = [
            {
                "path": artifact.path,
                "size": artifact.size,
                "sha256": artifact.pointer.oid if artifact.pointer else None,
                "stored": repo.objects.has(artifact.pointer.oid, artifact.pointer.size)
                if artifact.pointer
                else True,
                "purged": purge_text(artifact.purged) if artifact.purged else None,
            }
            for artifact in found
        ]
        output.write(Listing.of("artifacts", records, ("path", "size", "sha256", "stored", "purged")))


def _write_table(found: list[Artifact]) -> None:
    from gitml.cli.terminal import screen
    from gitml.render.care_text import purge_text
    from gitml.render.numbers import format_size
    from gitml.render.table import Cell, Column, Table, draw
    from gitml.render.text import clean

    target = screen()
    rows = tuple(
        (
            Cell(format_size(artifact.size)),
            Cell(clean(artifact.path)),
            Cell(purge_text(artifact.purged) if artifact.purged else "", "dim"),
        )
        for artifact in found
    )
    table = Table((Column("SIZE", right=True), Column("PATH"), Column("")), rows, heading=False)
    sys.stdout.write("".join(f"{line}\n" for line in draw(table, cells=target.cells, ink=target.ink).lines))


def get(
    run: RunName,
    path: ArtifactPath = "",
    destination: Annotated[
        Path,
        typer.Option(
            "--output", "-o", "--dst-path", metavar="DIR", help="The folder to put them into; made if needed."
        ),
    ] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Copy files of a run out, checked against their hashes; prints where they are.

    Examples:
      gitml artifacts get @ model.pkl
      gitml artifacts get brisk-heron plots -o figures
    """
    from gitml.render.progress import progress
    from gitml.repo import Repo
    from gitml.tracking import history

    with closing(Repo.open()) as repo:
        found, path = named_place(repo, run, path)
        artifacts = history.list_artifacts(repo, found, path)
        bring(repo, [artifact.pointer for artifact in artifacts if artifact.pointer and not artifact.purged])
        size = sum(artifact.size for artifact in artifacts)
        with progress(f"copying {path or 'files'}", size, "B") as advance:
            where = history.export_artifacts(
                repo, found, path, destination, overwrite=force, progress=advance
            )
        print(where)


def fetch(
    runs: RunNames,
    remote: Annotated[
        str | None,
        typer.Option("--remote", metavar="NAME", help="From here alone.", autocompletion=complete.remotes),
    ] = None,
) -> None:
    """Bring everything that runs point at and that is not here: artifacts and long histories.

    Example: gitml artifacts fetch brisk-heron --remote origin
    """
    from gitml.render.text import plural
    from gitml.repo import Repo
    from gitml.sync.objects import pointers_in

    with closing(Repo.open()) as repo:
        commits = [run.commit for run in (named_run(repo, name) for name in runs) if run.commit]
        brought = bring(repo, pointers_in(repo.git, commits), [remote] if remote else None)
        print(f"fetched {plural(brought, 'object')}", file=sys.stderr)


def bring(repo: Repo, pointers: list[Pointer], remotes: list[str] | None = None) -> int:
    """Fetch what is not here, with a progress bar; says how many came."""
    from gitml.render.progress import progress
    from gitml.sync.objects import fetch_objects, missing_here

    wanted = missing_here(repo, pointers)
    with progress("fetching artifacts", sum(pointer.size for pointer in wanted), "B") as advance:
        done = fetch_objects(repo, wanted, remotes=remotes, progress=advance)
    if done.failed:
        raise done.failed[0].error
    return len(done.moved)


def cat(
    run: RunName,
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="A file of the run; left out where RUN says it: runs:/RUN/PATH.",
            autocompletion=complete.files,
        ),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Also what is not text, to a terminal.")] = False,
) -> None:
    """Write a file of a run to standard output.

    Example: gitml artifacts cat @ eval.csv | head
    """
    from gitml.repo import Repo
    from gitml.tracking import history

    with closing(Repo.open()) as repo:
        found, path = named_place(repo, run, path)
        if not path:
            raise UsageError("no file is given", hint=f"gitml artifacts list {found.id[:8]} shows them")
        artifact = history.get_artifact(repo, found, path)
        digest = hashlib.sha256()
        guarded = sys.stdout.isatty() and not force
        with history.open_artifact(repo, found, artifact.path) as stream:
            while chunk := stream.read(_CHUNK):
                if guarded and _UNPRINTABLE.search(chunk):
                    raise _not_text(found, artifact)
                digest.update(chunk)
                sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        if artifact.pointer is not None and digest.hexdigest() != artifact.pointer.oid:
            from gitml.store.local import ChecksumMismatchError

            raise ChecksumMismatchError(artifact.pointer.oid, digest.hexdigest())


def _not_text(run: Run, artifact: Artifact) -> UsageError:
    return UsageError(
        f"'{artifact.path}' is not text, and this is a terminal",
        hint=f"gitml artifacts get {run.id[:8]} '{artifact.path}', or --force",
    )
