"""`gitml log --graph`: commits of the code, and the runs made from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from gitml.render.fields import SHORT_ID
from gitml.render.ink import STATUS_STYLE, Ink
from gitml.render.numbers import format_age, format_duration
from gitml.render.runs_table import Selection, best_runs
from gitml.render.runs_text import headline
from gitml.render.text import clean, clip, pad, plural, shorten, width

if TYPE_CHECKING:
    from gitml.cli.log_shape import Found
    from gitml.entities.run import Run
    from gitml.repo import Repo

_LOG_FORMAT = "%H%x00%D%x00%s%x00%an%x00%ct"
_WALKED = 10_000  # commits; older ones are not looked at for what lies between runs

_LONGEST_NAME = 24


class _Columns(NamedTuple):
    """How wide names and states are, below all commits alike."""

    name: int
    state: int


@dataclass(frozen=True, slots=True)
class CodeCommit:
    """A commit of the code as the graph shows it."""

    id: str
    refs: str
    subject: str
    author: str
    time_ms: int


def graph_text(
    repo: Repo, found: Found, selection: Selection, ink: Ink, now_ms: int, cells: int | None
) -> str:
    """Draw commits newest first with their runs below them; stretches without runs to show are one line."""
    from gitml.index import Query

    runs = found.runs
    with_runs = repo.index.code_commits(Query(view="active" if found.view == "active" else "all"))
    by_commit: dict[str | None, list[Run]] = {}
    for run in runs:
        by_commit.setdefault(run.code.commit, []).append(run)
    best = {run.id for _, leading in best_runs(runs, selection)[:1] for run in leading}
    names = [clean(run.name) for run in runs]
    longest = max(map(width, names), default=0)
    columns = _Columns(
        name=longest if cells is None else min(_LONGEST_NAME, longest),
        state=max((width(_state(run)) for run in runs), default=0),
    )
    lines: list[str] = []
    skipped: list[str] = []
    for commit in read_commits(repo, [commit for commit in by_commit if commit]):
        members = by_commit.pop(commit.id, [])
        if not members and (skipped or lines):
            skipped.append(commit.id)
            continue
        lines += _elided(skipped, with_runs, ink)
        skipped = []
        lines.append(_commit_line(commit, ink, now_ms, cells))
        lines += _run_lines(members, best, selection, columns, ink, cells)
    lines += _elided(skipped, with_runs, ink)
    for missing, members in by_commit.items():
        what = f"{missing[:SHORT_ID]} (not in this repository)" if missing else "(no commit recorded)"
        lines += [
            f"{ink.sign('○')}  {ink.paint(what, 'dim')}",
            *_run_lines(members, best, selection, columns, ink, cells),
        ]
    return "\n".join(lines) + "\n"


def read_commits(repo: Repo, ids: Sequence[str]) -> Iterator[CodeCommit]:
    """Walk the history of HEAD and of some commits, as far as they are in this repository."""
    starts = [commit for commit in ids if repo.git.has_object(commit)]
    if repo.git.resolve_commit("HEAD"):
        starts.append("HEAD")
    if not starts:
        return
    arguments = [
        "log",
        "-z",
        "--date-order",
        f"--max-count={_WALKED}",
        f"--format={_LOG_FORMAT}",
        "--decorate=short",
    ]
    # -z ends a record as it ends a field, so fields are counted.
    out = repo.git.process.run([*arguments, "--end-of-options", *dict.fromkeys(starts), "--"])
    fields = out.decode("utf-8", "replace").split("\0")
    for i in range(0, len(fields) - 4, 5):
        commit, refs, subject, author, seconds = fields[i : i + 5]
        yield CodeCommit(commit, refs, subject, author, int(seconds) * 1000)


def _elided(commits: Sequence[str], with_runs: frozenset[str], ink: Ink) -> list[str]:
    """Say what is left out: commits without runs, and those whose runs are not among the ones shown."""
    if not commits:
        return []
    others = len(with_runs.intersection(commits))
    said = plural(len(commits), "commit")
    if others == len(commits):
        said += " with runs that are not shown"
    elif others:
        said += f", {others:,} of them with runs that are not shown"
    else:
        said += " without runs"
    return [ink.paint(f"~  {said}", "dim")]


def _commit_line(commit: CodeCommit, ink: Ink, now_ms: int, cells: int | None) -> str:
    refs = ", ".join(ref for ref in commit.refs.split(", ") if ref and not ref.startswith(("HEAD", "gitml/")))
    refs = ", ".join(filter(None, (_head_branch(commit.refs), refs)))
    shown = f" ({clean(refs)})" if refs else ""
    tail = f"{clean(commit.author)}, {format_age(commit.time_ms, now_ms)}"
    room = (cells or 100) - 3 - SHORT_ID - width(shown) - width(tail) - 3
    subject = shorten(clean(commit.subject), None if cells is None else max(10, room))
    line = f"{ink.sign('○')}  {ink.paint(commit.id[:SHORT_ID], 'yellow')}{ink.paint(shown, 'green')} "
    return line + pad(subject, max(width(subject), room)) + "  " + ink.paint(tail, "dim")


def _head_branch(refs: str) -> str:
    first = refs.split(", ", maxsplit=1)[0]
    return first.partition(" -> ")[2] if first.startswith("HEAD -> ") else ""


def _state(run: Run) -> str:
    return format_duration(run.duration_s) if run.status.is_final else run.status.value


def _run_lines(
    runs: Sequence[Run], best: set[str], selection: Selection, columns: _Columns, ink: Ink, cells: int | None
) -> list[str]:
    lines = []
    for run in runs:
        name = pad(clip(clean(run.name), columns.name), columns.name)
        state = pad(_state(run), columns.state, right=True)
        text = f"{run.id[:SHORT_ID]}{'*' if run.code.dirty else ' '} {name}  {state}  {headline(run, selection, ink)}"
        text = shorten(text.rstrip(), None if cells is None else cells - 15)
        mark = ink.paint(ink.mark(run.status), STATUS_STYLE[run.status])
        tail = ink.paint(ink.sign("  ← best"), "green") if run.id in best else ""
        lines.append(f"{ink.sign('│')}  {mark} {text}{tail}")
    return lines
