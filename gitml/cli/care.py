"""`gitml fsck`, `gc`, `purge` and `du`: keeping a repository in order."""

from __future__ import annotations

import os
import re
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete
from gitml.cli.opened import open_repo
from gitml.cli.output import json_errors
from gitml.cli.terminal import screen
from gitml.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from gitml.maintenance.purging import Plan
    from gitml.repo import Repo

_MISSING, _DAMAGED = 1, 6
_AGE = re.compile(r"([0-9]+)([smhdw]?)")
_SECONDS = {"": 86_400, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}

Json = Annotated[bool, typer.Option("--json", help="One JSON document.", callback=json_errors, is_eager=True)]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Only tell what would be done.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("fsck")(fsck)
    app.command("gc")(gc)
    app.command("purge", no_args_is_help=True)(purge)
    app.command("du")(du)


def fsck(
    quick: Annotated[bool, typer.Option("--quick", help="Look at sizes of objects, do not read them.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Let git check all of its objects too; takes long.")
    ] = False,
    ask: Annotated[
        list[str] | None,
        typer.Option(
            "--remote", metavar="REMOTE", help="Ask it for what is missing. Repeatable.",
            autocompletion=complete.remotes,
        ),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair what can be; fetches missing and damaged objects.")
    ] = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Check runs, objects, index and git: what is missing, and where it can be had.

    Exit code 0: all is well; 1: objects are missing here that remotes may have; 6: damaged.

    Examples:
      gitml fsck
      gitml fsck --remote origin
      gitml fsck --repair
    """
    from gitml.maintenance.checking import FsckOptions, Told, check
    from gitml.maintenance.problems import Severity
    from gitml.render.as_json import dump_json
    from gitml.render.care_text import fsck_document, fsck_lines
    from gitml.render.progress import count_progress, progress

    repo = open_repo()
    options = FsckOptions(quick=quick, full=full, ask=tuple(ask or ()), repair=repair)
    with (
        count_progress("checking records", "commits") as inspected,
        progress("reading objects", None, "B") as hashed,
        progress("fetching objects", None, "B") as fetched,
        count_progress("building an index to compare", "commits") as indexed,
    ):
        done = check(repo, options, Told(inspected, hashed, fetched, indexed))
    sys.stdout.write(dump_json("fsck", fsck_document(done)) if json else _text(fsck_lines(done)))
    if done.worst is not None:
        raise typer.Exit(_DAMAGED if done.worst is Severity.DAMAGED else _MISSING)


def gc(
    dry_run: DryRun = False,
    older_than: Annotated[
        str,
        typer.Option("--older-than", metavar="AGE", help="Leave objects that are newer: 12h, 30d, 8w, 0."),
    ] = "14d",
    pushed_to: Annotated[
        str | None,
        typer.Option(
            "--pushed-to", metavar="REMOTE", autocompletion=complete.remotes,
            help="Also drop objects of runs that this remote has; it is asked. Reading brings them back.",
        ),
    ] = None,
    caches: Annotated[bool, typer.Option("--caches", help="Also drop what gitml can make anew.")] = False,
    user_cache: Annotated[
        bool,
        typer.Option(
            "--user-cache",
            help="Also drop environments and repositories of projects that no run used since --older-than, of all your repositories.",
        ),
    ] = False,
    repack: Annotated[
        bool, typer.Option("--repack", help="Pack loose objects of git, however few they are.")
    ] = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Clean up: orphaned live runs, objects that nothing needs, what killed processes left.

    Runs that lost their process are committed, not removed. No object that a run needs
    goes, unless --pushed-to names a remote that has it.

    Examples:
      gitml gc --dry-run
      gitml gc --pushed-to origin --older-than 8w
      gitml gc --user-cache --older-than 30d
    """
    from gitml.maintenance.collecting import GcOptions, collect
    from gitml.render.as_json import dump_json
    from gitml.render.care_text import gc_document, gc_lines

    repo = open_repo()
    options = GcOptions(dry_run, _seconds(older_than), pushed_to, caches, repack)
    done = collect(repo, options)
    if user_cache:
        from gitml.execution.cache import cache_dir
        from gitml.execution.cache_cleaning import drop_unused

        before_s = time.time() - options.older_than_s
        dropped = drop_unused(cache_dir(os.environ), before_s=before_s, dry_run=dry_run)
        done = replace(done, caches=(*done.caches, *dropped))
    if json:
        sys.stdout.write(dump_json("gc", gc_document(done, dry_run=dry_run)))
    else:
        sys.stderr.write(_text(gc_lines(done, dry_run=dry_run, remote=pushed_to)))


def purge(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A run: id, name, @, @~1.", autocompletion=complete.runs),
    ] = None,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH...]", help="Files or folders of it; all if not given."),
    ] = None,
    oid: Annotated[
        str | None, typer.Option("--oid", metavar="OID", help="An object, in whatever runs have it.")
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", "-m", metavar="TEXT", help="Why; recorded for everyone to read.")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Even if other runs or files of yours have the same content.")
    ] = False,
    local: Annotated[bool, typer.Option("--local", help="Leave remotes alone; uses no network.")] = False,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Drop the bytes of artifacts for good, here and in the stores of all remotes.

    The run keeps their names, sizes and hashes, and says who dropped them and why.
    Files up to 100 kB are in git itself and can't be purged.

    Examples:
      gitml purge brisk-heron data/faces.npz --reason 'consent withdrawn'
      gitml purge --oid 4d7a2146 --dry-run
    """
    from gitml.maintenance import purging
    from gitml.render.as_json import dump_json
    from gitml.render.care_text import plan_document, plan_lines, purged_document, purged_lines

    repo = open_repo()
    plan = _plan(repo, run, paths or [], oid)
    if dry_run:
        sys.stdout.write(dump_json("purge", plan_document(plan)) if json else _text(plan_lines(plan)))
        return
    if not json:
        sys.stderr.write(_text(plan_lines(plan)))
    if (plan.sharers or plan.used_by_files) and not force:
        raise purging.SharedContentError(plan)
    _confirm(yes=yes)
    done = purging.purge(repo, plan, reason=reason, force=force, local=local)
    if json:
        sys.stdout.write(dump_json("purge", purged_document(done)))
    else:
        sys.stderr.write(_text(purged_lines(done)))
    if done.troubles:
        raise next(iter(done.troubles.values()))


def du(
    top: Annotated[
        int, typer.Option("--top", "-n", min=1, metavar="N", help="How many of each kind to show.")
    ] = 10,
    remote: Annotated[
        str | None,
        typer.Option(
            "--remote",
            metavar="REMOTE",
            help="Ask it how much of it is there.",
            autocompletion=complete.remotes,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show where the bytes are: by experiment, run and artifact, here or elsewhere.

    Content that several runs have counts once.

    Examples:
      gitml du
      gitml du --top 30 --remote origin
    """
    from gitml.maintenance.usage import measure
    from gitml.render.as_json import dump_json
    from gitml.render.care_text import usage_document, usage_lines

    done = measure(open_repo(), remote)
    sys.stdout.write(
        dump_json("du", usage_document(done)) if json else _text(usage_lines(done, top, screen().cells))
    )


def _plan(repo: Repo, run: str | None, paths: list[str], oid: str | None) -> Plan:
    from gitml.maintenance.purging import plan_for_object, plan_for_run
    from gitml.tracking.resolve import resolve_run

    if (run is None) == (oid is None):
        raise UsageError("give a run, or an object by --oid", hint="gitml purge RUN [PATH...]")
    if oid is not None:
        return plan_for_object(repo, oid)
    return plan_for_run(repo, resolve_run(repo, run or ""), paths)


def _confirm(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("this can't be undone, and there is no terminal to ask", hint="--yes to go on")
    if not typer.confirm("This can't be undone. Drop these bytes for good?", err=True):
        raise RefusedError("nothing was purged")


def _seconds(age: str) -> float:
    match = _AGE.fullmatch(age.strip())
    if match is None:
        raise UsageError(f"'{age}' is no age", hint="such as 12h, 30d or 8w; 0 for any")
    return float(int(match[1]) * _SECONDS[match[2]])


def _text(lines: list[str]) -> str:
    ink = screen().ink
    return "".join(f"{ink.sign(line)}\n" for line in lines)
