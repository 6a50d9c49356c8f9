"""A comparison of runs as text: two runs downwards, more of them side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gitml.entities.run import Run
from gitml.render.better import arrow, best_index, has_goal
from gitml.render.fields import SHORT_ID
from gitml.render.ink import Ink
from gitml.render.numbers import (
    MISSING,
    format_change,
    format_number,
    format_param,
    format_percent,
    format_size,
)
from gitml.render.table import Cell, Column, Table, draw
from gitml.render.text import clean, clip, plural
from gitml.tracking.diff import ABSENT, FileContent, Row, RunDiff, Value, judge

_LONGEST = 48
MACHINE = "system/"  # metrics of the machine: they always differ, and say little about the run
Writer = Callable[[Value], str]


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
        ("params", diff.params, format_value),
        ("metrics", diff.metrics, _metric_value),
        ("data", diff.data, _digest_value),
        ("packages", diff.packages, format_value),
        ("system", diff.system, format_value),
        ("files", diff.files, file_value),
        ("tags", diff.tags, format_value),
        ("run", facts, format_value),
    ):
        if everything or title not in ("tags", "run"):
            lines += section(title, rows, write, diff.runs, ink, cells, everything=everything)
    return "\n".join([*lines, *_code(diff, ink, stat=stat)]) + "\n"


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
    body = [_pair_row(row, write, ink, metrics=metrics) for row in shown]
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


def _pair_row(row: Row, write: Writer, ink: Ink, *, metrics: bool) -> tuple[Cell, ...]:
    before, after = row.values
    key = f"  {clip(clean(row.key), _LONGEST)}" + (ink.sign(arrow(row.key)) if metrics else "")
    cells = (
        Cell(key),
        Cell(ink.sign(write(before)), "" if row.same else "red"),
        Cell("=" if row.same else ink.sign("→"), "dim"),
        Cell(ink.sign(write(after)), "" if row.same else "green"),
    )
    if not metrics:
        return cells
    cells = (cells[0], Cell(cells[1].text), cells[2], Cell(cells[3].text, "bold"))
    if not isinstance(before, (int, float)) or not isinstance(after, (int, float)) or row.same:
        return (*cells, Cell(""), Cell(""), Cell(""))
    percent = format_percent(before, after)
    verdict = (judge(row.key, before, after) or "") if has_goal(row.key) else ""
    sign = "▲" if after > before else "▼"
    style = {"better": "green", "worse": "red"}.get(verdict, "")
    change = Cell(ink.sign(f"{sign} {format_change(before, after)}"), style)
    return (*cells, change, Cell(percent or "", style), Cell(verdict, style))


def _wide_section(
    title: str, rows: Sequence[Row], write: Writer, runs: Sequence[Run], ink: Ink, cells: int | None,
    *, everything: bool,
) -> list[str]:  # fmt: skip
    shown, hidden = _split(rows, everything=everything)
    if not shown:
        return _summary(
            title, f"{hidden} (--all)" if "machine" in hidden else "the same" if rows else "none", ink
        )
    columns = (
        Column(title, narrowest=16),
        *(Column(clip(clean(run.name), 16), right=True, narrowest=8) for run in runs),
    )
    body = []
    for row in shown:
        best = best_index(row.key, [_number(value) for value in row.values]) if title == "metrics" else None
        mark = ink.sign(arrow(row.key)) if title == "metrics" else ""
        texts = [
            Cell(ink.sign(write(v)), "bold green" if i == best else "") for i, v in enumerate(row.values)
        ]
        body.append((Cell(f"  {clip(clean(row.key), _LONGEST)}{mark}"), *texts))
    lines = draw(Table(columns, tuple(body)), cells=cells, ink=ink).lines
    if hidden:
        lines.append(ink.paint(f"  {hidden} (--all)", "dim"))
    return lines


def _number(value: Value) -> int | float | None:
    return value if isinstance(value, (int, float)) else None


def _code(diff: RunDiff, ink: Ink, *, stat: bool) -> list[str]:
    code = diff.code
    if not code.known:
        return _summary("code", "not recorded for all of them, or not in this repository", ink)
    if code.same:
        return _summary("code", "the same", ink)
    added = sum(change.added or 0 for change in code.changes)
    removed = sum(change.removed or 0 for change in code.changes)
    command = f"gitml diff {diff.runs[0].id[:SHORT_ID]} {diff.runs[-1].id[:SHORT_ID]} --code"
    lines = _summary("code", f"{plural(len(code.changes), 'file')}, +{added} -{removed}      {command}", ink)
    for change in code.changes if stat else code.changes[:0]:
        counts = "binary" if change.added is None else f"+{change.added} -{change.removed}"
        lines.append(f"  {clean(change.path)}  {counts}")
    return lines


def format_value(value: Value) -> str:
    """Write a value of a comparison."""
    if value is ABSENT:
        return MISSING
    if isinstance(value, (str, int, float, list)) or value is None:
        return clip(format_param(value), _LONGEST)
    return clip(clean(str(value)), _LONGEST)


def _metric_value(value: Value) -> str:
    return format_number(_number(value))


def _digest_value(value: Value) -> str:
    return MISSING if value is ABSENT else clip(clean(str(value)), 24)


def file_value(value: Value) -> str:
    """Write what is at a path: its size, and the start of its digest."""
    if not isinstance(value, FileContent):
        return MISSING
    return f"{format_size(value.size)} ({value.digest[:SHORT_ID]})"
