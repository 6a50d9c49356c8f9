"""`gitml bundle …`: runs, tags and artifacts in one file, for a site with no network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gitml.cli import complete
from gitml.cli.opened import open_repo
from gitml.cli.output import Output, json_errors, listing
from gitml.errors import NotARepositoryError, UsageError

if TYPE_CHECKING:
    from gitml.repo import Repo

_HELP = {"help_option_names": ["-h", "--help"]}
File = Annotated[Path, typer.Argument(metavar="FILE", help="The bundle.")]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="One JSON document instead of the summary.", callback=json_errors, is_eager=True
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, context_settings=_HELP)
    group.callback()(_bundles)
    group.command("create", no_args_is_help=True)(create)
    group.command("apply", no_args_is_help=True)(apply)
    group.command("verify", no_args_is_help=True)(verify)
    group.command("list", no_args_is_help=True)(listing()(list_))
    app.add_typer(group, name="bundle")


def _bundles() -> None:
    """Carry runs, registry tags and artifacts in one file to a site with no network.

    Example: gitml bundle create /media/stick/runs.gitml
    """


def create(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="REMOTE|BUNDLE|COMMIT",
            help="Only what is not in that remote, earlier bundle, or history that ends at that commit.",
        ),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run",
            metavar="RUN",
            help="Artifacts of this run only. Repeatable.",
            autocompletion=complete.runs,
        ),
    ] = None,
    filter_: Annotated[
        str | None,
        typer.Option(
            "--filter", "-f", metavar="FILTER", help="Artifacts of runs that match only: 'metrics.acc > 0.9'."
        ),
    ] = None,
    no_artifacts: Annotated[bool, typer.Option("--no-artifacts", help="Runs and tags alone.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
    json: Json = False,
) -> None:
    """Write runs, tags of the registry and artifacts into one file.

    All runs go in, since each is a part of one history; --run, --filter and
    --no-artifacts choose artifacts. The same content gives the same bytes.

    Examples:
      gitml bundle create all.gitml
      gitml bundle create news.gitml --since all.gitml
    """
    from gitml.render.bundle_text import manifest_document, manifest_line
    from gitml.render.numbers import format_size
    from gitml.render.progress import progress
    from gitml.render.text import clean
    from gitml.sync import bundle_making as bundles
    from gitml.tracking.commit import rescue_orphans

    repo = open_repo()
    rescue_orphans(repo)
    records = _records(repo, run or [], filter_, no_artifacts=no_artifacts)
    with progress(f"writing {file}", None, "B") as advance:
        manifest = bundles.create(
            repo,
            file,
            known=bundles.known_of(repo, since),
            artifacts_of=records,
            force=force,
            progress=advance,
        )
    size = file.stat().st_size
    if json:
        _dump("bundle", {"file": str(file), "file_bytes": size, **manifest_document(manifest)})
    else:
        print(f"wrote {clean(str(file))} ({format_size(size)}): {manifest_line(manifest)}", file=sys.stderr)


def apply(
    file: File,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Check all of it, and tell what would come.")
    ] = False,
    json: Json = False,
) -> None:
    """Take in what a bundle brings: records are inspected and join yours, artifacts are checked.

    Nothing joins before the whole file was found sound. Applying it again changes nothing.

    Example: gitml bundle apply /media/stick/runs.gitml
    """
    from gitml.render.bundle_text import (
        applied_document,
        applied_lines,
        manifest_document,
        manifest_line,
        purged_lines,
    )
    from gitml.render.progress import count_progress, progress
    from gitml.sync import bundle as bundles

    repo = open_repo()
    with (
        progress(f"reading {file}", _size(file), "B") as advance,
        count_progress("checking", "commits") as checked,
    ):
        done = bundles.apply(repo, file, progress=advance, inspected=checked, dry_run=dry_run)
    if dry_run:
        if json:
            purged = [pointer.oid for pointer in done.purged]
            _dump("bundle", {**manifest_document(done.manifest), "purged": purged})
        else:
            print(f"it is sound and fits: {manifest_line(done.manifest)}", file=sys.stderr)
            for line in purged_lines(done):
                print(line, file=sys.stderr)
    elif json:
        _dump("applied", applied_document(done))
    else:
        for line in applied_lines(done, file.name):
            print(line, file=sys.stderr)


def verify(file: File, json: Json = False) -> None:
    """Read all of a bundle, and check it against the hashes in it.

    In a repository, also that it has the runs that the bundle goes on from.

    Example: gitml bundle verify runs.gitml
    """
    from gitml.render.bundle_text import manifest_document, manifest_line
    from gitml.render.progress import progress
    from gitml.render.text import clean
    from gitml.sync import bundle as bundles

    try:
        repo: Repo | None = open_repo()
    except NotARepositoryError:
        repo = None
    with progress(f"reading {file}", _size(file), "B") as advance:
        manifest = bundles.verify(file, repo, advance)
    if json:
        _dump("bundle", manifest_document(manifest))
    else:
        print(f"{clean(str(file))} is sound: {manifest_line(manifest)}", file=sys.stderr)


def list_(file: File, output: Output) -> None:
    """List what a bundle holds, without checking it.

    Example: gitml bundle list runs.gitml
    """
    from gitml.render.bundle_text import manifest_line
    from gitml.render.listing import Listing
    from gitml.render.numbers import format_size
    from gitml.render.text import clean
    from gitml.sync.bundle_file import BundleFile

    with BundleFile(file) as opened:
        manifest = opened.manifest
    rows: list[dict[str, Any]] = [
        {"kind": "tip", "name": "", "oid": tip, "size": None} for tip in manifest.tips
    ]
    rows += [{"kind": "needs", "name": "", "oid": oid, "size": None} for oid in manifest.needs]
    rows += [
        {"kind": "tag", "name": ref.removeprefix("refs/tags/"), "oid": oid, "size": None}
        for ref, oid in (manifest.tags or {}).items()
    ]
    rows += [{"kind": "artifact", "name": "", "oid": p.oid, "size": p.size} for p in manifest.objects]
    if not output.is_text:
        output.write(Listing.of("members", rows, ("kind", "name", "oid", "size")))
        return
    print(manifest_line(manifest))
    for row in rows:
        size = "" if row["size"] is None else format_size(row["size"])
        print(f"{row['kind']:<8}  {row['oid'][:12]}  {clean(row['name']) or size}".rstrip())


def _records(repo: Repo, names: list[str], filter_: str | None, *, no_artifacts: bool) -> list[str] | None:
    """The records whose artifacts go in; None for those of all runs that go in."""
    if no_artifacts:
        if names or filter_ is not None:
            raise UsageError(
                "--no-artifacts can't be combined with --run and --filter", hint="give one of them"
            )
        return []
    if not names and filter_ is None:
        return None
    from gitml.index import Query
    from gitml.tracking import history
    from gitml.tracking.resolve import resolve_run

    runs = [resolve_run(repo, name) for name in names]
    if filter_ is not None:
        runs += history.search(repo, Query(filter=filter_))
    return list(dict.fromkeys(run.commit for run in runs if run.commit))


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0  # opening it says what is wrong


def _dump(kind: str, document: dict[str, Any]) -> None:
    from gitml.render.as_json import dump_json

    sys.stdout.write(dump_json(kind, document))
