"""`gitml hook …`: what the scripts that git starts call."""

from __future__ import annotations

import itertools
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from gitml.errors import UsageError

_HELP = {"help_option_names": ["-h", "--help"]}


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, context_settings=_HELP)
    group.callback()(_hooks)
    group.command("pre-push", no_args_is_help=True)(pre_push)
    group.command("pre-receive")(pre_receive)
    app.add_typer(group, name="hook")


def _hooks() -> None:
    """Do the work of git hooks; git calls this, people rarely do.

    Example: gitml init --hooks
    """


def pre_push(
    remote: Annotated[
        str, typer.Argument(metavar="REMOTE", help="The remote's name, or its URL if it has none.")
    ],
    url: Annotated[str, typer.Argument(metavar="URL", help="Where it is.")],
) -> None:
    """Send the artifacts of the runs that are pushed; reads git's list of refs.

    Fails only when an artifact could not be sent: then nothing should point at it.

    Example: echo "$refs" | gitml hook pre-push origin ../backup.git
    """
    from gitml.sync.prepush import parse_refs, send_artifacts

    if sys.stdin.isatty():
        raise UsageError("git runs this command by itself, with a list of refs", hint="gitml init --hooks")
    refs = parse_refs(sys.stdin.buffer.read().decode("utf-8", "surrogateescape"))
    if not any(ref.concerns_runs for ref in refs):
        return
    from gitml.render.left_text import left_lines
    from gitml.render.numbers import format_size
    from gitml.render.progress import progress
    from gitml.render.text import clean, plural
    from gitml.repo import Repo
    from gitml.sync.delivering import ArtifactsLeftError

    with closing(Repo.open()) as repo, progress("sending artifacts", None, "B") as advance:
        done = send_artifacts(repo, remote, url, refs, advance)
    moved = done.objects.moved
    if moved:
        count = plural(len(moved), "artifact")
        size = format_size(done.objects.moved_bytes)
        print(f"gitml: sent {count} ({size}) to {clean(remote)}", file=sys.stderr)
    for line in left_lines(done.left, remote):
        print(f"gitml: {line}", file=sys.stderr)
    if done.left.failed:  # of runs that are there already: this push makes nothing worse
        told = ArtifactsLeftError(remote, done.left.failed, done.left.failed_of)
        print(f"gitml: {clean(str(told))}", file=sys.stderr)


def pre_receive() -> None:
    """On a server, look at what is pushed before it is let in; reads git's list of refs.

    The branch of runs only grows, records are sound, tags of the registry are made once, and
    promotions are what the policy of the default branch allows. Refs that are not gitml's are
    let through. Fails if anything speaks against it.

    Example: echo "$refs" | gitml hook pre-receive
    """
    from gitml.sync.receive import check_push, concerns_runs, parse_received

    if sys.stdin.isatty():
        raise UsageError("git runs this command by itself, with a list of refs", hint="gitml init --server")
    received = parse_received(sys.stdin.buffer.read().decode("utf-8", "surrogateescape"))
    if not any(map(concerns_runs, received)):
        return
    from gitml.git.repo import GitRepo
    from gitml.registry.received import judge_push
    from gitml.render.text import clean
    from gitml.repo import Repo

    quarantine = os.environ.get("GIT_QUARANTINE_PATH")
    git = GitRepo.discover(quarantine=Path(quarantine).absolute() if quarantine else None)
    with closing(Repo(git)) as repo:
        rejections = check_push(repo, received, judge_push)
    for ref, told in itertools.groupby(rejections, key=lambda rejection: rejection.ref):
        print(f"gitml: {clean(ref)} is refused", file=sys.stderr)
        for remedy, same in itertools.groupby(told, key=lambda rejection: rejection.remedy):
            for rejection in same:
                print(f"  {clean(rejection.message)}", file=sys.stderr)
            print(f"  -> {clean(remedy)}", file=sys.stderr)
    if rejections:
        print("gitml: nothing of this push was taken", file=sys.stderr)
        raise typer.Exit(1)
