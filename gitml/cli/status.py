"""`gitml status`: what a run would record now, what is running, what is not shared."""

from __future__ import annotations

import contextlib
import sys
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gitml.cli.elsewhere import runs_elsewhere
from gitml.cli.opened import open_repo
from gitml.cli.output import Output, listing, page
from gitml.cli.terminal import screen

if TYPE_CHECKING:
    from gitml.entities.run import CodeState, Run
    from gitml.render.ink import Ink
    from gitml.repo import Repo

_LABEL = 10
_SHOWN_FILES = 10


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("status")(listing()(status))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a run would keep of the source now.

    `changed` counts files that differ from the commit, `size` their bytes on disk.
    """

    code: CodeState
    mode: str
    changed: tuple[str, ...] = ()
    size: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """Everything that `gitml status` tells."""

    snapshot: Snapshot
    live: tuple[Run, ...]
    runs: int
    deleted: int
    damaged: int
    unpushed: Mapping[str, int | None]
    unpulled: Mapping[str, int]
    elsewhere: tuple[str, ...]
    lacks: tuple[str, ...]
    now_ms: int


def status(
    output: Output,
    files: Annotated[
        bool, typer.Option("--files", help="Name every changed file and every file left out.")
    ] = False,
) -> None:
    """Show what a run would record now, live runs, and what is not pushed.

    Examples:
      gitml status
      gitml status --json
    """
    repo = open_repo()
    state = read_state(repo)
    if output.is_text:
        target = screen()
        page(_text(state, target.ink, all_files=files), config=lambda: repo.settings.values)
    else:
        _print_data(state, output)


def read_state(repo: Repo) -> State:
    """Look at the work tree, the live runs, the index and the remotes."""
    from gitml.index import Query
    from gitml.sync.partial import completeness
    from gitml.tracking.damage import damage

    live = tuple(live_runs(repo))  # first: it records runs whose process died, and begins a clone's branch
    unpushed, unpulled = _beside_remotes(repo)
    return State(
        snapshot=_snapshot(repo),
        live=live,
        runs=repo.index.count(Query()),
        deleted=repo.index.count(Query(view="deleted")),
        damaged=len(damage(repo)),
        unpushed=unpushed,
        unpulled=unpulled,
        elsewhere=tuple(runs_elsewhere(repo)),
        lacks=tuple(completeness(repo).notes),
        now_ms=int(time.time() * 1000),
    )


def live_runs(repo: Repo) -> list[Run]:
    """List the runs that are going on, newest first, after rescuing those whose process died."""
    from gitml.journal import NotLiveError
    from gitml.tracking.damage import DamagedRecordWarning
    from gitml.tracking.history import refresh

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedRecordWarning)  # a line of its own says it
        refresh(repo)
    runs = []
    for run_id in repo.journal.ids():
        with contextlib.suppress(NotLiveError):  # it ended since we looked
            runs.append(repo.journal.read(run_id))
    return sorted(runs, key=lambda run: (-run.start_ms, run.id))


def _snapshot(repo: Repo) -> Snapshot:
    from gitml.tracking.capture.code import capture_code

    mode = repo.settings.code
    code = capture_code(repo.git, mode, max_file_size=repo.settings.snapshot_limit)
    if not code.dirty or code.tree is None:
        return Snapshot(code, mode)
    if code.commit is None:
        entries = repo.git.list_tree(code.tree)
        changed = {entry.path: entry.oid for entry in entries}
    else:
        out = repo.git.process.run(
            ["diff-tree", "-r", "-z", "--no-renames", "--end-of-options", code.commit, code.tree]
        )
        fields = out.decode("utf-8", "replace").split("\0")
        # Each record is ":oldmode newmode oldid newid letter" and a path.
        changed = {path: head.split(" ")[3] for head, path in zip(fields[0::2], fields[1::2], strict=False)}
    oids = [oid for oid in changed.values() if oid.strip("0") and repo.git.has_object(oid)]
    return Snapshot(code, mode, tuple(changed), sum(repo.git.blob_sizes(oids).values()))


def _beside_remotes(repo: Repo) -> tuple[dict[str, int | None], dict[str, int]]:
    """Compare with each remote as it was last seen, its inbox included.

    Returns:
        For each remote the records it has not seen, None if nothing was ever pushed there; and
        for those that have some, the records that are not here.
    """
    from gitml.repo import RUNS_REF
    from gitml.sync.seen import seen

    tip = repo.git.tip(RUNS_REF)
    if tip is None:
        return {}, {}
    unpushed: dict[str, int | None] = {}
    unpulled: dict[str, int] = {}
    for remote in repo.settings.remotes:
        tips = [there for there in seen(repo, remote).tips if repo.git.has_object(there)]
        unpushed[remote] = _count_records(repo, [tip], tips) if tips else None
        if more := _count_records(repo, tips, [tip]) if tips else 0:
            unpulled[remote] = more
    return unpushed, unpulled


def _count_records(repo: Repo, tips: list[str], known: list[str]) -> int:
    if set(tips) <= set(known):
        return 0
    arguments = [
        "rev-list",
        "--count",
        "--no-merges",
        "--end-of-options",
        *tips,
        *(f"^{tip}" for tip in known),
    ]
    return int(repo.git.process.run(arguments))


def _text(state: State, ink: Ink, *, all_files: bool) -> str:
    from gitml.render.text import plural

    lines = _code_lines(state.snapshot, ink, all_files=all_files)
    lines += _live_lines(state, ink)
    runs = plural(state.runs, "run") + (f", {state.deleted:,} deleted" if state.deleted else "")
    lines.append(_line("index", f"up to date: {runs}", ink))
    if state.damaged:
        lines.append(
            _line(
                "warning",
                f"{plural(state.damaged, 'record')} on gitml/runs can't be read: gitml fsck",
                ink,
                "yellow",
            )
        )
    return "\n".join([*lines, *_remote_lines(state, ink), *_lacking_lines(state, ink)]) + "\n"


def _line(label: str, text: str, ink: Ink, style: str = "") -> str:
    return ink.paint(f"{label:<{_LABEL}}", "dim") + ink.paint(ink.sign(text), style)


def _code_lines(snapshot: Snapshot, ink: Ink, *, all_files: bool) -> list[str]:
    from gitml.render.numbers import format_size
    from gitml.render.text import clean, plural

    code = snapshot.code
    if snapshot.mode == "off":
        return [_line("code", "not recorded (gitml.code is off)", ink)]
    where = f"branch {clean(code.branch)}" if code.branch else "no branch (detached HEAD)"
    commit = code.commit[:7] if code.commit else "no commit yet"
    lines = [_line("code", f"{commit} · {where}", ink)]
    if not code.dirty:
        lines.append(_line("work tree", "clean: a run records the commit", ink))
    elif code.tree is None:
        lines.append(
            _line("work tree", "differs from the commit; the changes are NOT recorded", ink, "yellow")
        )
    else:
        count = plural(len(snapshot.changed), "changed file")
        lines.append(
            _line(
                "work tree", f"{count}, {format_size(snapshot.size)}: a run records a snapshot", ink, "yellow"
            )
        )
    lines += _named(snapshot.changed, ink, all_files=all_files)
    if code.left_out:
        lines.append(_line("left out", plural(len(code.left_out), "file"), ink, "yellow"))
        lines += _named(code.left_out, ink, all_files=all_files)
    return lines


def _named(names: tuple[str, ...], ink: Ink, *, all_files: bool) -> list[str]:
    from gitml.render.text import clean

    shown = names if all_files else names[:_SHOWN_FILES]
    lines = [f"  {clean(name)}" for name in shown]
    if len(shown) < len(names):
        lines.append(ink.paint(f"  (+{len(names) - len(shown)}, --files)", "dim"))
    return lines


def _live_lines(state: State, ink: Ink) -> list[str]:
    from gitml.render.ink import STATUS_STYLE
    from gitml.render.numbers import format_duration
    from gitml.render.text import clean

    if not state.live:
        return [_line("live", "no runs", ink)]
    lines = []
    for run in state.live:
        mark = ink.paint(ink.mark(run.status), STATUS_STYLE[run.status])
        age = format_duration(max(0, state.now_ms - run.start_ms) / 1000)
        text = f"{run.id[:7]} {clean(f'{run.experiment}/{run.name}')}  {age}"
        lines.append(ink.paint(f"{'live':<{_LABEL}}", "dim") + f"{mark} {text}")
    return lines


def _remote_lines(state: State, ink: Ink) -> list[str]:
    from gitml.render.text import clean, plural

    if state.elsewhere:
        return [_line("shared", text, ink, "yellow") for text in state.elsewhere]
    if not state.unpushed:
        return [_line("shared", "no remote" if state.runs else "nothing to share yet", ink)]
    lines = []
    for remote, count in state.unpushed.items():
        if count is None:
            text = f"nothing pushed to {clean(remote)} yet: gitml push {clean(remote)}"
        elif count:
            text = f"{plural(count, 'record')} not pushed to {clean(remote)}: gitml push {clean(remote)}"
        else:
            text = f"all pushed to {clean(remote)}"
        lines.append(_line("shared", text, ink, "" if count == 0 else "yellow"))
        if more := state.unpulled.get(remote):
            text = f"{plural(more, 'record')} at {clean(remote)} not here yet: gitml pull {clean(remote)}"
            lines.append(_line("shared", text, ink, "yellow"))
    return lines


def _lacking_lines(state: State, ink: Ink) -> list[str]:
    """What a shallow or partial clone does not know."""
    return [_line("clone", note, ink, "yellow") for note in state.lacks]


def _print_data(state: State, output: Output) -> None:
    from gitml.cli.output import Format
    from gitml.render.as_json import dump_json
    from gitml.render.listing import Listing

    document = _document(state)
    if output.format is Format.JSON:
        sys.stdout.write(dump_json("status", document))
        return
    records = [{"key": key, "value": value} for key, value in _flat(document)]
    output.write(Listing("status", [document], records, ("key", "value"), ("key", "value")))


def _document(state: State) -> dict[str, Any]:
    from gitml.render.as_json import run_document

    code = state.snapshot.code
    return {
        "code": {
            "mode": state.snapshot.mode,
            "commit": code.commit,
            "branch": code.branch,
            "dirty": code.dirty,
            "tree": code.tree,
            "changed": list(state.snapshot.changed),
            "size": state.snapshot.size,
            "left_out": list(code.left_out),
        },
        "live": [run_document(run) for run in state.live],
        "runs": state.runs,
        "deleted": state.deleted,
        "damaged": state.damaged,
        "unpushed": dict(state.unpushed),
        "unpulled": dict(state.unpulled),
        "lacks": list(state.lacks),
    }


def _flat(document: Mapping[str, Any]) -> list[tuple[str, Any]]:
    code = [(f"code.{key}", value) for key, value in document["code"].items()]
    live = [("live", run["id"]) for run in document["live"]]
    remotes = [
        (f"{key}.{remote}", count)
        for key in ("unpushed", "unpulled")
        for remote, count in document[key].items()
    ]
    return [*code, *live, *((key, document[key]) for key in ("runs", "deleted", "damaged")), *remotes]
