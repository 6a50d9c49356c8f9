"""One run as a page of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gitml.entities.artifact import Artifact
from gitml.entities.project import ProjectState
from gitml.entities.run import Number, Run
from gitml.render.better import arrow, best_point
from gitml.render.failure import failure_text
from gitml.render.fields import SHORT_ID
from gitml.render.ink import STATUS_STYLE, Ink
from gitml.render.numbers import format_duration, format_number, format_param, format_size, local_text
from gitml.render.sparkline import sparkline
from gitml.render.table import Cell, Column, Table, draw
from gitml.render.text import clean, clean_block, clip, shorten, width
from gitml.tracking import left_out
from gitml.tracking.direction import has_goal

LABEL = 9
_SHOWN_METRICS = 20
_SHOWN_FILES = 6
_SHOWN_LEFT_OUT = 5
_SHOWN_IN_PIPE = 50  # where lines have no end but readers have
_LONGEST = 60
_DOT = " · "


@dataclass(frozen=True, slots=True)
class RunPage:
    """A run and what is shown around it.

    Attributes:
        run: The run.
        curves: Values of each metric in step order, as far as they are at hand.
        files: Its artifacts.
        subject: The subject of the code's commit.
        children: Runs that are part of it.
        now_ms: What "now" is, for live runs.
    """

    run: Run
    curves: Mapping[str, Sequence[Number]] = field(default_factory=dict)
    files: Sequence[Artifact] = ()
    subject: str | None = None
    children: Sequence[Run] = ()
    now_ms: int = 0


def shown_metrics(run: Run, *, everything: bool) -> list[str]:
    """Name the metrics that the page of a run has: not the machine's, and not too many."""
    if everything:
        return list(run.metrics)
    return [key for key in run.metrics if not key.startswith("system/")][:_SHOWN_METRICS]


def run_text(
    page: RunPage, ink: Ink, cells: int | None, *, all_params: bool = False, all_metrics: bool = False
) -> str:
    """Write the page of a run.

    Args:
        page: What to show.
        ink: How to write.
        cells: How wide; None for as wide as it needs.
        all_params: Whether all params are shown, one a line.
        all_metrics: Whether all metrics are shown, the machine's included.
    """
    lines = [*_head(page, ink, cells), ""]
    if page.run.note.strip():
        lines += [f"  {line}" for line in clean_block(page.run.note.strip()).split("\n")] + [""]
    lines += _params(page.run, ink, cells, everything=all_params)
    lines += _metrics(page, ink, cells, everything=all_metrics)
    lines += _tail(page, ink, cells, everything=all_params)
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines) + "\n"


def _head(page: RunPage, ink: Ink, cells: int | None) -> list[str]:
    run = page.run
    state = f"{ink.mark(run.status)} {run.status.value}"
    if run.duration_s is not None:
        state += f" in {format_duration(run.duration_s)}"
    elif not run.status.is_final:
        state += f", {format_duration(max(0, page.now_ms - run.start_ms) / 1000)} so far"
    name = clean(f"{run.experiment}/{run.name}")
    plain = f"run {run.id[:SHORT_ID]}  {name}"
    gap = " " * max(2, min(cells or 76, 96) - width(plain) - width(state))
    title = f"run {ink.paint(run.id[:SHORT_ID], 'yellow')}  {ink.paint(name, 'bold')}"
    lines = [title + gap + ink.paint(state, STATUS_STYLE[run.status])]
    for label, text, style in _facts(page):
        shown = text if cells is None else clip(text, max(20, cells - LABEL))
        lines.append(_label(label, ink) + ink.paint(ink.sign(shown), style))
    return lines


def _facts(page: RunPage) -> list[tuple[str, str, str]]:
    run = page.run
    facts = [("id", run.id, "")]
    if run.deleted_ms is not None:
        facts.append(
            ("deleted", f"{local_text(run.deleted_ms)} · gitml runs restore {run.id[:SHORT_ID]}", "red")
        )
    if run.error or run.exit_code:
        facts.append(("error", clean(failure_text(run.error, run.exit_code)), "red"))
    if run.incomplete:
        facts.append(("warning", "something could not be written while it ran", "yellow"))
    if run.code.commit or run.code.tree:
        facts.append(("commit", _commit(page), ""))
    facts += _left_out(run)
    if run.project is not None:
        facts.append(("project", clean(_project(run.project, run.directory)), ""))
    if run.command:
        facts.append(("command", clean(run.command_line), ""))
    who = " on ".join(clean(text) for text in (run.user, run.host) if text)
    ended = f" – {local_text(run.end_ms)[11:]}" if run.end_ms is not None else ""
    facts.append(("when", f"{local_text(run.start_ms)}{ended}" + (f" · {who}" if who else ""), ""))
    if run.parent_id:
        facts.append(("part of", run.parent_id[:SHORT_ID], ""))
    for data in run.inputs:
        context = f" ({data.context})" if data.context else ""
        facts.append(("data", clean(f"{data.name}{context}  {data.digest}  {data.source}"), ""))
    return facts


def _project(project: ProjectState, directory: str) -> str:
    place = (project.uri or "") + (f"#{directory}" if directory else "")
    version = f"version {project.version}" if project.version else ""
    words = (place, version, f"entry point {project.entry_point}", project.manager, project.backend)
    return _DOT.join(word for word in words if word and word != "local")


def _commit(page: RunPage) -> str:
    code = page.run.code
    parts = [
        code.commit[:SHORT_ID] if code.commit else "(none yet)",
        clean(page.subject or ""),
        "(uncommitted changes recorded)" if code.dirty and code.tree else "",
        "(uncommitted changes NOT recorded)" if code.dirty and not code.tree else "",
        f"· branch {clean(code.branch)}" if code.branch else "",
    ]
    return " ".join(part for part in parts if part)


def _left_out(run: Run) -> list[tuple[str, str, str]]:
    """Name what the snapshot of the code lacks, one a line."""
    shown, more = left_out.first_of(run.code.left_out, _SHOWN_LEFT_OUT)
    lines = [clean(text) for text in shown]
    if more:
        lines.append(f"and {more:,} more: gitml show {run.id[:SHORT_ID]} --json")
    return [("" if at else "left out", text, "yellow") for at, text in enumerate(lines)]


def _label(text: str, ink: Ink) -> str:
    return ink.paint(text, "dim") + " " * max(1, LABEL - len(text))


def _params(run: Run, ink: Ink, cells: int | None, *, everything: bool) -> list[str]:
    if not run.params:
        return []
    pairs = {clean(key): format_param(value) for key, value in run.params.items()}
    if everything:
        longest = max(width(key) for key in pairs)
        rows = [f"  {key}{' ' * (longest - width(key) + 2)}{value}" for key, value in pairs.items()]
        return [ink.paint("params", "dim"), *rows, ""]
    most = None if cells is None else _LONGEST
    texts = [f"{key} {shorten(value, most)}" for key, value in pairs.items()]
    return [_label("params", ink) + ink.sign(_as_many_as_fit(texts, cells, "--params")), ""]


def _as_many_as_fit(texts: Sequence[str], cells: int | None, option: str) -> str:
    """Join texts with dots, and say how many did not fit and how to see them."""
    if cells is None:
        return _DOT.join(texts[:_SHOWN_IN_PIPE]) + _left(len(texts) - _SHOWN_IN_PIPE, option)
    room = cells - LABEL
    shown, used = 1, 0  # one is shown even if it has to be cut
    for count, text in enumerate(texts, start=1):
        used += width(text) + (len(_DOT) if count > 1 else 0)
        if used > room:
            break
        left = len(texts) - count
        if used + len(_left(left, option)) <= room:
            shown = count
    return clip(_DOT.join(texts[:shown]) + _left(len(texts) - shown, option), room)


def _left(count: int, option: str) -> str:
    return f"{_DOT}(+{count}, {option})" if count > 0 else ""


def _metrics(page: RunPage, ink: Ink, cells: int | None, *, everything: bool) -> list[str]:
    run = page.run
    keys = shown_metrics(run, everything=everything)
    if not run.metrics:
        return []
    columns = (
        Column("metrics", narrowest=16),
        Column("last", right=True),
        Column("best", right=True, drop=2),
        Column("at step", right=True, drop=3),
        Column("points", right=True, drop=4),
        Column("trend", drop=1),
    )
    table = Table(columns, tuple(_metric_row(page, key, ink) for key in keys))
    lines = draw(table, cells=cells, ink=ink).lines
    if len(keys) < len(run.metrics):
        lines.append(ink.paint(f"  (+{len(run.metrics) - len(keys)}, --metrics)", "dim"))
    return [*lines, ""]


def _metric_row(page: RunPage, key: str, ink: Ink) -> tuple[Cell, ...]:
    summary = page.run.metrics[key]
    curve = sparkline(page.curves.get(key, ()), cells=16, unicode=ink.unicode) if summary.count > 1 else ""
    best, step = best_point(key, summary)
    goal = has_goal(key) and summary.count > 1
    return (
        Cell(f"  {clean(key)}"),
        Cell(format_number(summary.last), "bold"),
        Cell(ink.sign(f"{format_number(best)}{arrow(key)}") if goal else ""),
        Cell(str(step) if goal else ""),
        Cell(str(summary.count)),
        Cell(curve, "cyan"),
    )


def _tail(page: RunPage, ink: Ink, cells: int | None, *, everything: bool) -> list[str]:
    run, lines = page.run, []
    if run.tags:
        most = None if cells is None else _LONGEST
        texts = [shorten(f"{clean(key)}={clean(value)}", most) for key, value in run.tags.items()]
        if everything:
            lines += [ink.paint("tags", "dim"), *(f"  {clean(k)}={clean(v)}" for k, v in run.tags.items())]
        else:
            lines.append(_label("tags", ink) + ink.sign(_as_many_as_fit(texts, cells, "--params")))
    if page.files:
        files = [
            f"{clean(file.path)} {format_size(file.size)}" + (" (purged)" if file.purged else "")
            for file in page.files[:_SHOWN_FILES]
        ]
        left = [""] * (len(page.files) - len(files))
        option = f"gitml artifacts list {run.id[:SHORT_ID]}"
        text = (
            _as_many_as_fit(files, cells, option) if not left else _DOT.join(files) + _left(len(left), option)
        )
        lines.append(_label("files", ink) + ink.sign(text))
    for child in page.children:
        mark = ink.paint(ink.mark(child.status), STATUS_STYLE[child.status])
        lines.append(_label("contains", ink) + f"{mark} {child.id[:SHORT_ID]} {clean(child.name)}")
    return lines
