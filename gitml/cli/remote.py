"""`gitml remote …`: remotes, and where artifacts travel."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gitml.cli.opened import open_repo
from gitml.cli.output import Output, listing
from gitml.errors import UsageError

_HELP = {"help_option_names": ["-h", "--help"]}
_KEY = "gitml.artifacts.url"


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, context_settings=_HELP)
    group.command("list")(listing()(list_remotes))
    group.command("artifacts")(artifacts)
    app.add_typer(
        group,
        name="remote",
        help="Show remotes, and set where artifacts travel.\n\nExample: gitml remote artifacts s3://bucket/churn",
    )


def list_remotes(output: Output) -> None:
    """List remotes: what was last seen there, and where artifacts travel.

    Example: gitml remote list --json
    """
    from gitml.render.listing import Listing
    from gitml.render.text import clean
    from gitml.sync.prepush import without_password
    from gitml.sync.seen import seen

    repo = open_repo()
    own = repo.settings.artifacts_url
    records = [
        {
            "name": name,
            "url": without_password(url),
            "artifacts": without_password(own) if own else "the remote itself",
            "runs": known.runs,
            "inbox": len(known.inbox),
            "tags": len(known.tags),
        }
        for name, url in repo.settings.remotes.items()
        for known in [seen(repo, name)]
    ]
    if not output.is_text:
        output.write(Listing.of("remotes", records, ("name", "url", "artifacts", "runs", "inbox", "tags")))
        return
    for record in records:
        print(clean(f"{record['name']}  {record['url']}  artifacts: {record['artifacts']}"))


def artifacts(
    url: Annotated[
        str | None,
        typer.Argument(
            metavar="[URL]", help="s3://, gs://, az://, sftp://, file:// or a folder. Shows it if not given."
        ),
    ] = None,
    unset: Annotated[
        bool, typer.Option("--unset", help="Let artifacts travel through the git remote again.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Also see whether the store answers.")] = False,
) -> None:
    """Set where artifacts travel: a bucket or folder instead of the git remote.

    It counts for runs recorded from now on; objects of earlier runs stay where they are.

    Examples:
      gitml remote artifacts s3://team-bucket/churn --check
      gitml remote artifacts --unset
    """
    from contextlib import closing

    from gitml.store.cloud import open_store

    repo = open_repo()
    if unset:
        if url is not None:
            raise UsageError("URL and --unset can't be combined", hint="give one of them")
        repo.git.process.run(["config", "--local", "--unset-all", _KEY], check=False)
        return
    wanted = url if url is not None else repo.settings.artifacts_url
    if wanted is None:
        print("the git remote itself (its Git LFS server, or lfs/objects of a path)")
        return
    with closing(open_store(wanted, repo.settings.values)) as store:  # refuses what it could not use
        if check:
            store.missing([])
    if url is None:
        print(wanted)
        return
    repo.git.process.run(["config", "--local", _KEY, url])
    print(f"artifacts of new runs travel through {store.name}", file=sys.stderr)
