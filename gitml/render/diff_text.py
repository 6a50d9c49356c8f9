"""A comparison of runs as text: two runs downwards, more of them side by side."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gitml.entities.run import Run
from gitml.render.better import arrow, best_indices, mark_best
from gitml.render.change import describe_change
from gitml.render.fields import SHORT_ID
from gitml.render.ink import Ink
from gitml.render.numbers import (
    MISSING,
    format_number,
    format_param,
    format_size,
)
from gitml.render.table import GAP, Cell, Column, Table, draw
from gitml.render.text import clean, clip, clip_apart, plural, shorten, width
from gitml.tracking.diff import ABSENT, CodeChange, FileContent, Row, RunDiff, Value

_LONGEST, _LONGEST_NAME = 48, 16
MACHINE = "system/"  # metrics of the machine: they always differ, and say little about the run
# `git+https://example.org/churn.git@<commit>`, and names of files such as churn-1.2-py3-none-any.whl
_ORIGIN = re.compile(r"(?:\w+\+)?\w+://(.+?)(?:@([0-9a-f]{40}|[0-9a-f]{64}))?")
_DISTRIBUTION = re.compile(r"[^-]+-(\d[^-]*)(?:-.+\.whl|\.whl|\.tar\.gz|\.zip)")
Writer = Callable[[Value], str]


class _Limits(NamedTuple):
    """How many cells a key and a value take at most; None for as many as they need."""

    key: int | None
    value: int | None


def diff_text(
    diff: RunDiff, ink: Ink, cells: int | None, *, everything: bool = False, stat: bool = False
) -> str:
    """Write a comparison.

    Args:
        diff: The comparison.
        ink: How to write.
        cells: How wide; None for as wide as it needs.
        everything: Whether what is the same is shown too.
        stat: Whether the files of the source that differ are listed.
    """
    lines = [*_heading(diff, ink), ""]
    facts = tuple(row for row in diff.facts if row.key not in ("commit", "dirty", "branch"))
    for title, rows, write in (
        ("params", diff.params, whole_value),
        ("metrics", diff.metrics, _metric_value),
        ("data", diff.data, whole_value),
        ("packages", diff.packages, package_value),
        ("system", diff.system, whole_value),
        ("files", diff.files, file_value),
        ("tags", diff.tags, whole_value),
        ("run", facts, whole_value),
    ):
        # Tags are worth a line only where they differ: most runs have none.
        quiet = title == "run" or (title == "tags" and all(row.same for row in rows))
        if everything or not quiet:
            lines += section(title, rows, write, diff.runs, ink, cells, everything=everything)
    return "\n".join([*lines, *_code(diff, ink, cells, stat=stat)]) + "\n"


def section(
    title: str, rows: Sequence[Row], write: Writer, runs: Sequence[Run], ink: Ink, cells: int | None,
    *, everything: bool,
) -> list[str]:  # fmt: skip
    """Write what differs in one respect: downwards for two runs, side by side for more."""
    draw_section = _pair_section if len(runs) == 2 else _wide_section
    return draw_section(title, rows, write, runs, ink, cells, everything=everything)


def _heading(diff: RunDiff, ink: Ink) -> list[str]:
    names = [f"{ink.paint(run.id[:SHORT_ID], 'yellow')} {clean(run.name)}" for run in diff.runs]
    if len(names) == 2:
        return [f"run {names[0]}  {ink.sign('→')}  {names[1]}"]
    return [f"{plural(len(names), 'run')}:", *(f"  {name}" for name in names)]


def _summary(title: str, text: str, ink: Ink) -> list[str]:
    return [ink.paint(f"{title:<10}", "dim") + ink.sign(text)]


def _split(rows: Sequence[Row], *, everything: bool) -> tuple[list[Row], str]:
    """Choose the rows to show, and say which ones are not."""
    if everything:
        return list(rows), ""
    differing = [row for row in rows if not row.same]
    shown = [row for row in differing if not row.key.startswith(MACHINE)]
    hidden = {"the same": len(rows) - len(differing), "of the machine": len(differing) - len(shown)}
    return shown, ", ".join(f"{count:,} {what}" for what, count in hidden.items() if count)


def _pair_section(
    title: str, rows: Sequence[Row], write: Writer, runs: Sequence[Run], ink: Ink, cells: int | None,
    *, everything: bool,
) -> list[str]:  # fmt: skip
    del runs
    shown, hidden = _split(rows, everything=everything)
    if not shown:
        return _summary(
            title, f"{hidden} (--all)" if "machine" in hidden else "the same" if rows else "none", ink
        )
    metrics = title == "metrics"
    limits = _limits(shown, 2, cells)
    body = [_pair_row(row, write, limits, ink, metrics=metrics) for row in shown]
    columns = [
        Column("", narrowest=16),
        Column("", right=True, narrowest=8),
        Column(""),
        Column("", narrowest=8),
    ]
    if metrics:
        columns += [Column("", right=True), Column("", drop=2), Column("", drop=1)]
    table = Table(tuple(columns), tuple(body), heading=False)
    lines = [ink.paint(title, "dim"), *draw(table, cells=cells, ink=ink).lines]
    if hidden:
        lines.append(ink.paint(f"  {hidden} (--all)", "dim"))
    return lines


def _limits(rows: Sequence[Row], values: int, cells: int | None) -> _Limits:
    """Share a line's cells out, so that no value is cut after it was chosen what to show of it."""
    if cells is None:
        return _Limits(None, None)
    key = min(_LONGEST, max(16, cells // 3))
    used = min(key, max((width(clean(row.key)) for row in rows), default=0)) + len("  ↓")
    arrows = len("  ->") if values == 2 else 0
    return _Limits(key, max(8, min(_LONGEST, (cells - used - arrows - len(GAP) * values) // values)))


def _texts(row: Row, write: Writer, limits: _Limits) -> list[str]:
    texts = [write(value) for value in row.values]
    return texts if limits.value is None else clip_apart(texts, limits.value)


def _pair_row(row: Row, write: Writer, limits: _Limits, ink: Ink, *, metrics: bool) -> tuple[Cell, ...]:
    before, after = row.values
    texts = [ink.sign(text) for text in _texts(row, write, limits)]
    key = f"  {shorten(clean(row.key), limits.key)}" + (ink.sign(arrow(row.key)) if metrics else "")
    cells = (
        Cell(key),
        Cell(texts[0], "" if row.same else "red"),
        Cell("=" if row.same else ink.sign("→"), "dim"),
        Cell(texts[1], "" if row.same else "green"),
    )
    if not metrics:
        return cells
    cells = (cells[0], Cell(cells[1].text), cells[2], Cell(cells[3].text, "bold"))
    change = describe_change(row.key, before, after)
    style = {"better": "green", "worse": "red"}.get(change.verdict, "")
    said = (ink.sign(f"{change.arrow} {change.difference}".strip()), change.percent, change.verdict)
    return (*cells, *(Cell(text, style) for text in said))


def _wide_section(
    title: str, rows: Sequence[Row], write: Writer, runs: Sequence[Run], ink: Ink, cells: int | None,
    *, everything: bool,
) -> list[str]:  # fmt: skip
    shown, hidden = _split(rows, everything=everything)
    if not shown:
        return _summary(
            title, f"{hidden} (--all)" if "machine" in hidden else "the same" if rows else "none", ink
        )
    limits = _limits(shown, len(runs), cells)
    metrics = title == "metrics"
    marked = metrics and any(best_indices(row.key, [_number(value) for value in row.values]) for row in shown)
    room = " " if marked else ""
    body = []
    for row in shown:
        texts = _texts(row, write, limits)
        best: tuple[int, ...] = ()
        if marked:
            texts, best = mark_best(row.key, [_number(value) for value in row.values], texts)
            texts = texts if best else [text + room for text in texts]
        key = f"  {shorten(clean(row.key), limits.key)}" + (ink.sign(arrow(row.key)) if metrics else "")
        styles = ["bold green" if i in best else "" for i in range(len(texts))]
        body.append((Cell(key), *(Cell(ink.sign(t), style) for t, style in zip(texts, styles, strict=True))))
    names = [shorten(clean(run.name), None if cells is None else _LONGEST_NAME) + room for run in runs]
    columns = (Column(title, narrowest=16), *(Column(name, right=True, narrowest=8) for name in names))
    lines = draw(Table(columns, tuple(body)), cells=cells, ink=ink).lines
    if hidden:
        lines.append(ink.paint(f"  {hidden} (--all)", "dim"))
    return lines


def _number(value: Value) -> int | float | None:
    return value if isinstance(value, (int, float)) else None


def _code(diff: RunDiff, ink: Ink, cells: int | None, *, stat: bool) -> list[str]:
    code = diff.code
    if not code.known:
        return _summary("code", "not recorded for all of them, or not in this repository", ink)
    if code.same:
        return _summary("code", "the same", ink)
    command = f"gitml diff {diff.runs[0].id[:SHORT_ID]} {diff.runs[-1].id[:SHORT_ID]} --code"
    return code_lines(code.changes, command, ink, cells, stat=stat)


def code_lines(
    changes: Sequence[CodeChange], command: str, ink: Ink, cells: int | None, *, stat: bool
) -> list[str]:
    """Write how the source differs.

    Args:
        changes: The files that differ.
        command: What shows the lines that differ.
        ink: How to write.
        cells: How wide; None for as wide as it needs.
        stat: Whether the files are listed.
    """
    if not changes:
        return _summary("code", "the same", ink)
    added = sum(change.added or 0 for change in changes)
    removed = sum(change.removed or 0 for change in changes)
    lines = _summary("code", f"{plural(len(changes), 'file')}, +{added} -{removed}      {command}", ink)
    if not stat:
        return lines
    columns = (Column("", narrowest=16), Column("", right=True), Column("", right=True))
    rows = tuple((Cell(f"  {clean(change.path)}"), *_counts(change)) for change in changes)
    return lines + draw(Table(columns, rows, heading=False), cells=cells, ink=ink).lines


def _counts(change: CodeChange) -> tuple[Cell, Cell]:
    if change.added is None:
        return Cell("binary", "dim"), Cell("")
    return Cell(f"+{change.added}", "green"), Cell(f"-{change.removed}", "red")


def format_value(value: Value) -> str:
    """Write a value of a comparison, not too long for a line."""
    return clip(whole_value(value), _LONGEST)


def whole_value(value: Value) -> str:
    """Write a value of a comparison, however long."""
    if value is ABSENT:
        return MISSING
    if isinstance(value, (str, int, float, list)) or value is None:
        return format_param(value)
    return clean(str(value))


def package_value(value: Value) -> str:
    """Write a package's version; of one that no index gave, what tells it apart, and where it is from.

    Example:
        >>> package_value("https://example.org/wheels/churn-1.2-py3-none-any.whl")
        '1.2 from example.org/wheels/churn-1.2-py3-none-any.whl'
    """
    origin = _ORIGIN.fullmatch(value) if isinstance(value, str) else None
    if origin is None:
        return whole_value(value)
    place, commit = origin[1], origin[2]
    file = _DISTRIBUTION.fullmatch(place.rpartition("/")[2])
    version = commit[:SHORT_ID] if commit else file[1] if file else ""
    return clean(f"{version} from {place}".lstrip())


def _metric_value(value: Value) -> str:
    return format_number(_number(value))


def file_value(value: Value) -> str:
    """Write what is at a path: its size, and the start of its digest."""
    if not isinstance(value, FileContent):
        return MISSING
    return f"{format_size(value.size)} ({value.digest[:SHORT_ID]})"
