"""`gitml push`, `pull`, `fetch`, `sync`: runs between repositories.

The only commands that use the network, with `clone`, `remote` and what reads artifacts.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete
from gitml.cli.opened import open_repo
from gitml.cli.output import json_errors
from gitml.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitml.entities.artifact import Pointer
    from gitml.repo import Repo
    from gitml.store.base import Transferred
    from gitml.sync.pulling import Fetched, Pulled
    from gitml.sync.pushing import Pushed, PushOptions
    from gitml.sync.settled import Settled

RemoteName = Annotated[
    str | None,
    typer.Argument(
        metavar="[REMOTE]",
        help="A remote's name, or a URL or path. If not given: the upstream of gitml/runs, else origin.",
        autocompletion=complete.remotes,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Only tell what would be done.")]
NoArtifacts = Annotated[
    bool, typer.Option("--no-artifacts", help="Send runs alone; their artifacts stay here.")
]
AllArtifacts = Annotated[
    bool,
    typer.Option(
        "--artifacts", help="Ask about the artifacts of all runs, also of those that were pushed before."
    ),
]
Inbox = Annotated[
    bool,
    typer.Option(
        "--inbox", help="Leave the runs in the remote's inbox, where no other writer is in the way."
    ),
]
Artifacts = Annotated[bool, typer.Option("--artifacts", help="Bring the artifacts of all runs too.")]
Filter = Annotated[
    str | None,
    typer.Option(
        "--filter",
        "-f",
        metavar="FILTER",
        help="Bring the artifacts of runs that match: 'metrics.acc > 0.9'.",
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="One JSON document instead of the summary.", callback=json_errors, is_eager=True
    ),
]


class TagsNotSharedError(RefusedError):
    """Runs went, but some tags of the registry are something else on the other side."""

    def __init__(self, remote: str, count: int) -> None:
        super().__init__(
            f"{count} tag{'s' if count > 1 else ''} of the registry could not be shared with '{remote}'",
            hint="nothing of others was moved or replaced; what is above says what to type",
        )


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("push")(push)
    app.command("pull")(pull)
    app.command("fetch")(fetch)
    app.command("sync")(sync)


def push(
    remote: RemoteName = None,
    inbox: Inbox = False,
    no_artifacts: NoArtifacts = False,
    artifacts: AllArtifacts = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Send runs with their artifacts, and tags of the registry, to a remote.

    Artifacts go first, and what an earlier push left behind goes with them. A remote that
    has runs that you lack is joined with yours; a push that others are faster than again
    and again goes to the remote's inbox.

    Examples:
      gitml push
      gitml push backup --dry-run
    """
    from gitml.sync.pushing import PushOptions

    if artifacts and no_artifacts:
        raise UsageError("--artifacts and --no-artifacts exclude each other", hint="gitml push --artifacts")
    repo = open_repo()
    options = PushOptions(inbox=inbox, artifacts=not no_artifacts, all_artifacts=artifacts, dry_run=dry_run)
    _tell_push(repo, _push(repo, _remote(repo, remote), options), json=json, dry_run=dry_run)


def pull(
    remote: RemoteName = None,
    artifacts: Artifacts = False,
    filter_: Filter = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Bring the runs and registry tags of a remote, and join them with yours.

    Artifacts stay there until they are read, unless asked for here.

    Examples:
      gitml pull
      gitml pull origin --filter 'metrics.accuracy > 0.9'
    """
    repo = open_repo()
    name = _remote(repo, remote)
    if dry_run:
        fetched = _fetch(repo, name)
        _tell_fetch(fetched, json=json, wanted=_lacking_artifacts(repo, fetched, artifacts, filter_))
        return
    pulled = _pull(repo, name)
    _tell_pull(pulled, _bring_artifacts(repo, name, artifacts, filter_), json=json)


def fetch(remote: RemoteName = None, json: Json = False) -> None:
    """Look what runs a remote has; changes none of your branches and tags.

    Example: gitml fetch origin
    """
    repo = open_repo()
    _tell_fetch(_fetch(repo, _remote(repo, remote)), json=json)


def sync(
    remote: RemoteName = None,
    artifacts: Artifacts = False,
    filter_: Filter = None,
    no_artifacts: NoArtifacts = False,
    json: Json = False,
) -> None:
    """Pull, then push: afterwards both sides have the same runs.

    Runs that wait in the remote's inbox are put on its branch.

    Example: gitml sync
    """
    from gitml.sync.pushing import PushOptions

    repo = open_repo()
    name = _remote(repo, remote)
    pulled = _pull(repo, name)
    objects = _bring_artifacts(repo, name, artifacts, filter_)
    pushed = _push(repo, name, PushOptions(artifacts=not no_artifacts))
    if json:
        from gitml.render.as_json import dump_json
        from gitml.render.share_text import pull_document, push_document

        document = {"pull": pull_document(pulled, objects), "push": push_document(pushed)}
        sys.stdout.write(dump_json("sync", document))
        _complain(repo, pushed)
        return
    _tell_pull(pulled, objects, json=False)
    _tell_push(repo, pushed, json=False, dry_run=False)


# The work


def _remote(repo: Repo, given: str | None) -> str:
    """Choose the remote; with none given and none known there is nothing to guess."""
    from gitml.sync.objects import likely_remotes

    if given == "":
        raise UsageError("'' can't be a remote", hint="git remote --verbose lists them")
    if given is not None:
        if given not in repo.settings.remotes and ":" not in given and Path(given).exists():
            return str(Path(given).absolute())  # as the user sees it, not from the top of the work tree
        return given
    known = likely_remotes(repo)
    if not known:
        raise UsageError("this repository has no remote", hint="git remote add origin URL")
    return known[0]


def _fetch(repo: Repo, name: str) -> Fetched:
    from gitml.render.progress import phase_progress
    from gitml.sync import pulling

    with phase_progress(f"fetching from {name}") as progress:
        return pulling.fetch(repo, name, progress=progress)


def _pull(repo: Repo, name: str) -> Pulled:
    from gitml.render.progress import count_progress, phase_progress
    from gitml.sync import pulling

    with phase_progress(f"pulling from {name}") as progress, count_progress("checking", "commits") as checked:
        return pulling.pull(repo, name, progress=progress, inspected=checked, settle=_settle)


def _settle(repo: Repo, there: Mapping[str, str], dry_run: bool = False) -> Settled:
    from gitml.registry.settling import (
        settle,  # the registry takes 40 ms, and mostly there is nothing to settle
    )

    return settle(repo, there, dry_run)


def _push(repo: Repo, name: str, options: PushOptions) -> Pushed:
    from gitml.render.progress import count_progress, phase_progress, progress
    from gitml.sync import pushing
    from gitml.tracking.commit import rescue_orphans

    rescue_orphans(repo)
    with (
        progress(f"sending artifacts to {name}", None, "B") as sent,
        phase_progress(f"pushing to {name}") as phases,
        count_progress("checking", "commits") as checked,
    ):
        return pushing.push(
            repo, name, options, sent=sent, progress=phases, inspected=checked, settle=_settle
        )


def _bring_artifacts(repo: Repo, name: str, all_: bool, filter_: str | None) -> Transferred | None:
    if not all_ and filter_ is None:
        return None
    from gitml.index import Query
    from gitml.render.progress import count_progress, progress
    from gitml.sync.objects import fetch_objects, missing_here, pointers_in
    from gitml.tracking import history

    with count_progress("indexing", "commits") as indexed:
        runs = history.search(repo, Query(filter=filter_ or ""), indexed)
    wanted = missing_here(repo, pointers_in(repo.git, [run.commit for run in runs if run.commit]))
    with progress("fetching artifacts", sum(pointer.size for pointer in wanted), "B") as advance:
        return fetch_objects(repo, wanted, remotes=[name], progress=advance)


def _lacking_artifacts(repo: Repo, fetched: Fetched, all_: bool, filter_: str | None) -> list[Pointer] | None:
    """List the artifacts that a pull would bring; a filter can tell of runs that are here only."""
    if not all_ and filter_ is None:
        return None
    from gitml.repo import RUNS_REF
    from gitml.sync.objects import missing_here, pointers_in

    if filter_ is not None:
        from gitml.index import Query
        from gitml.tracking import history

        found = history.search(repo, Query(filter=filter_))
        return missing_here(repo, pointers_in(repo.git, [run.commit for run in found if run.commit]))
    tips = [tip for tip in (repo.git.tip(RUNS_REF), *fetched.after.tips) if tip is not None]
    commits = [commit for commit, parents in repo.git.rev_list(tips) if len(parents) < 2] if tips else []
    return missing_here(repo, pointers_in(repo.git, commits))


# What is said about it


def _tell_push(repo: Repo, done: Pushed, *, json: bool, dry_run: bool) -> None:
    from gitml.render.as_json import dump_json
    from gitml.render.share_text import push_document, push_lines

    if json:
        sys.stdout.write(dump_json("push", push_document(done)))
    else:
        _say(push_lines(done, dry_run=dry_run))
    _complain(repo, done)


def _complain(repo: Repo, done: Pushed) -> None:
    from gitml.render.left_text import left_lines
    from gitml.render.share_text import push_notes, push_problems

    problems = push_problems(done, _remedies(repo, done))
    _say(problems + push_notes(done) + left_lines(done.left, done.remote))
    if problems:
        raise TagsNotSharedError(done.remote, len(problems))
    if done.left.failed:
        from gitml.sync.delivering import ArtifactsLeftError

        raise ArtifactsLeftError(done.remote, done.left.failed, done.left.failed_of)


def _remedies(repo: Repo, done: Pushed) -> dict[str, str]:
    """By the name of a refused tag, the command that takes it back, where that can be."""
    if not done.tags.refused:
        return {}
    from gitml.registry.withdrawing import withdrawals
    from gitml.render.withdrawn_text import withdrawal_command

    found = withdrawals(repo, [refusal.ref for refusal in done.tags.refused])
    return {ref: withdrawal_command(one) for ref, one in found.items()}


def _tell_pull(done: Pulled, objects: Transferred | None, *, json: bool) -> None:
    from gitml.render.as_json import dump_json
    from gitml.render.share_text import pull_document, pull_lines, pull_problems

    if json:
        sys.stdout.write(dump_json("pull", pull_document(done, objects)))
    else:
        _say(pull_lines(done, objects))
    _say(pull_problems(done, objects))
    if objects is not None and objects.failed:
        raise objects.failed[0].error


def _tell_fetch(done: Fetched, *, json: bool, wanted: list[Pointer] | None = None) -> None:
    from gitml.render.as_json import dump_json
    from gitml.render.share_text import fetch_document, fetch_lines, wanted_document, wanted_line

    if json:
        more = {} if wanted is None else {"artifacts": wanted_document(wanted)}
        sys.stdout.write(dump_json("fetch", {**fetch_document(done), **more}))
    else:
        _say(fetch_lines(done) + ([] if wanted is None else [wanted_line(wanted)]))


def _say(lines: list[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)
