"""Static HTML of runs, a comparison, a model and a version, for notebooks.

Self-contained: inline style that follows the reader's light or dark theme, no
script, no ids, no outside address, at most 50 kB. Everything that comes from
data is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from gitml.entities.registry import NO_STAGE, ModelVersion, RegisteredModel
from gitml.entities.run import Number, Run, RunStatus
from gitml.render.better import arrow, best_index, best_point
from gitml.render.change import Change, describe_change
from gitml.render.diff_text import file_value, format_value
from gitml.render.failure import failure_text
from gitml.render.fields import SHORT_ID, field_value
from gitml.render.ink import PLAIN
from gitml.render.numbers import (
    MISSING,
    format_duration,
    format_number,
    format_param,
    local_text,
)
from gitml.render.runs_table import RunsView, describe_constant, select_fields
from gitml.render.svg import svg_sparkline
from gitml.render.text import clean, clip, plural
from gitml.tracking.diff import FileContent, Row, RunDiff, Value
from gitml.tracking.direction import has_goal

_SHOWN_RUNS = 20
_SHOWN_COLUMNS = 10
_SHOWN_ROWS = 30
_LONGEST = 60
_STYLE = (
    "<style>"
    ".gitml-view{font:13px/1.5 system-ui,sans-serif;color:#1f2328;color-scheme:light dark;max-width:100%;overflow-x:auto}"
    ".gitml-view table{border-collapse:collapse;margin:.3em 0}"
    ".gitml-view th,.gitml-view td{padding:.15em .7em;border:0;border-bottom:1px solid #e3e3df;text-align:left;"
    "white-space:nowrap;background:none;font-variant-numeric:tabular-nums}"
    ".gitml-view th{font-weight:600;color:#5c636b}.gitml-view .n{text-align:right}.gitml-view .m{color:#5c636b}"
    ".gitml-view .i{font-family:ui-monospace,monospace;font-size:12px}.gitml-view .g{color:#2b7a4b}"
    ".gitml-view .b{color:#b42318}.gitml-view .w{color:#8a5d00}.gitml-view .a{color:#3257c9}"
    ".gitml-view svg{vertical-align:middle}"
    "@media (prefers-color-scheme:dark){.gitml-view{color:#e6e8ea}.gitml-view th,.gitml-view .m{color:#9aa3ad}"
    ".gitml-view th,.gitml-view td{border-color:#2c3136}.gitml-view .g{color:#5cc98b}.gitml-view .b{color:#ff8a80}"
    ".gitml-view .w{color:#e0b354}.gitml-view .a{color:#8aa7ff}}"
    "</style>"
)
_STATUS_CLASS = {
    RunStatus.RUNNING: "a",
    RunStatus.SCHEDULED: "m",
    RunStatus.FINISHED: "g",
    RunStatus.FAILED: "b",
    RunStatus.KILLED: "w",
}


def shown_metrics(run: Run) -> list[str]:
    """Name the metrics that `run_html` shows."""
    return list(run.metrics)[:_SHOWN_ROWS]


def run_html(run: Run, curves: Mapping[str, Sequence[Number]] | None = None) -> str:
    """Draw a run.

    Args:
        run: The run.
        curves: Values of metrics in step order, for those whose curve is at hand.
    """
    head = f'{_status(run)} <b>{_text(run.name)}</b> <span class="i">{_text(run.id[:SHORT_ID])}</span>'
    failure = failure_text(run.error, run.exit_code)
    facts = [
        ("experiment", _text(run.experiment)),
        ("started", f"{local_text(run.start_ms)}, {format_duration(run.duration_s)}"),
        ("code", _code(run)),
        ("command", _text(run.command_line)),
        ("error", f'<span class="b">{_text(failure)}</span>' if failure else ""),
    ]
    rows = "".join(f'<tr><td class="m">{label}</td><td>{value}</td></tr>' for label, value in facts if value)
    params = _key_values("params", {key: format_param(value) for key, value in run.params.items()})
    tags = _key_values("tags", run.tags)
    note = f'<p class="m">{_text(run.note, 500)}</p>' if run.note else ""
    return _page(f"{head}<table>{rows}</table>{note}{_metrics(run, curves or {})}{params}{tags}")


def runs_html(runs: Sequence[Run]) -> str:
    """Draw a list of runs: the first 20, with the columns that tell them apart."""
    shown = runs[:_SHOWN_RUNS]
    if not shown:
        return _page('<span class="m">no runs</span>')
    selection = select_fields(shown, RunsView())
    fields = selection.columns[:_SHOWN_COLUMNS]
    apart = len({run.experiment for run in shown}) > 1
    titles = "".join(_title(shown, name) for name in fields)
    best = {
        name: best_index(name[len("metrics.") :], _numbers(shown, name))
        for name in fields
        if _is_metric(name)
    }
    body = "".join(
        f'<tr><td>{_status(run)}</td><td class="i">{_text(run.id[:SHORT_ID])}</td><td>{_text(run.name)}</td>'
        + (f"<td>{_text(run.experiment)}</td>" if apart else "")
        + f'<td class="m">{local_text(run.start_ms)}</td><td class="n">{format_duration(run.duration_s)}</td>'
        + "".join(_cell(field_value(run, name), is_best=best.get(name) == i) for name in fields)
        + "</tr>"
        for i, run in enumerate(shown)
    )
    notes = [
        f"… {len(runs) - len(shown):,} more" if len(runs) > len(shown) else "",
        plural(len(selection.columns) - len(fields), "more column")
        if len(selection.columns) > len(fields)
        else "",
        f"constant: {_text(describe_constant(selection.constant), 300)}" if selection.constant else "",
    ]
    foot = " · ".join(note for note in notes if note)
    heading = (
        f"<tr><th></th><th>run</th><th>name</th>{'<th>experiment</th>' if apart else ''}"
        '<th>started</th><th class="n">time</th>'
    )
    return _page(f'<table>{heading}{titles}</tr>{body}</table><span class="m">{foot}</span>')


def diff_html(diff: RunDiff) -> str:
    """Draw a comparison: the rows that differ, with the change where there are two runs."""
    runs = diff.runs[:_SHOWN_COLUMNS]
    heads = "".join(
        f'<th>{_text(run.name)} <span class="i">{_text(run.id[:SHORT_ID])}</span></th>' for run in runs
    )
    parts = [f"<tr><th></th>{heads}<th></th></tr>"]
    for title in ("params", "metrics", "tags", "data", "packages", "system", "files"):
        rows: Sequence[Row] = getattr(diff, title)
        differing = [row for row in rows if not row.same]
        if title == "tags" and not differing:
            continue
        body = "".join(_diff_row(title, row, len(runs)) for row in differing[:_SHOWN_ROWS])
        rest = len(rows) - len(differing)
        more = f", {len(differing) - _SHOWN_ROWS} more differ" if len(differing) > _SHOWN_ROWS else ""
        if rows:
            same = f'<span class="m">{rest:,} the same{more}</span>'
            parts.append(f'<tr><th>{title}</th><td colspan="{len(runs) + 1}">{same}</td></tr>{body}')
    code = (
        "the same"
        if diff.code.same
        else f"{plural(len(diff.code.changes), 'file')} {'differs' if len(diff.code.changes) == 1 else 'differ'}"
        if diff.code.known
        else "not known"
    )
    parts.append(f'<tr><th>code</th><td class="m" colspan="{len(runs) + 1}">{code}</td></tr>')
    return _page(f"<table>{''.join(parts)}</table>")


def model_html(model: RegisteredModel, latest: Sequence[ModelVersion]) -> str:
    """Draw a registered model with its newest version in each stage."""
    body = "".join(
        f"<tr><td><b>v{version.version}</b></td><td>{_stage(version)}</td><td>{_called(version)}</td>"
        f'<td class="i">{_text(version.run_id[:SHORT_ID])}</td><td class="m">{local_text(version.created_ms)}</td>'
        f"<td>{_text(version.author)}</td></tr>"
        for version in reversed(latest[-_SHOWN_ROWS:])
    )
    titles = "".join(f"<th>{title}</th>" for title in ("", "stage", "aliases", "run", "registered", "by"))
    table = f"<table><tr>{titles}</tr>{body}</table>" if body else '<p class="m">no versions</p>'
    note = f'<p class="m">{_text(model.description, 500)}</p>' if model.description else ""
    count = f'<span class="m">{plural(model.versions, "version")}</span>'
    return _page(f"<b>{_text(model.name)}</b> {count}{note}{table}{_key_values('tags', model.tags)}")


def version_html(version: ModelVersion) -> str:
    """Draw a version of a model."""
    facts = [
        ("run", f'<span class="i">{_text(version.run_id[:SHORT_ID])}</span> {_text(version.path)}'),
        ("copy of", _text(version.source or "")),
        ("registered", f"{local_text(version.created_ms)} by {_text(version.author)}"),
        ("digest", f'<span class="i">{_text(version.digest[:23])}…</span>'),
    ]
    rows = "".join(f'<tr><td class="m">{label}</td><td>{value}</td></tr>' for label, value in facts if value)
    head = f"<b>{_text(version.name)} v{version.version}</b> {_stage(version)} {_called(version)}"
    note = f'<p class="m">{_text(version.description, 500)}</p>' if version.description else ""
    return _page(f"{head}<table>{rows}</table>{note}{_key_values('tags', version.tags)}")


def _stage(version: ModelVersion) -> str:
    return f'<span class="{"a" if version.stage else "m"}">{_text(version.stage or NO_STAGE)}</span>'


def _called(version: ModelVersion) -> str:
    return " ".join(f'<span class="g">@{_text(alias)}</span>' for alias in version.aliases)


def _page(body: str) -> str:
    return f'<div class="gitml-view">{_STYLE}{body}</div>'


def _text(text: str, longest: int = _LONGEST) -> str:
    return escape(clip(clean(text), longest))


def _status(run: Run) -> str:
    word = run.status.value
    return f'<span class="{_STATUS_CLASS[run.status]}" title="{word}">{PLAIN.mark(run.status)} {word}</span>'


def _code(run: Run) -> str:
    if run.code.commit is None:
        return ""
    dirty = " with uncommitted changes" if run.code.dirty else ""
    branch = f" on {_text(run.code.branch)}" if run.code.branch else ""
    return f'<span class="i">{_text(run.code.commit[:SHORT_ID])}</span>{branch}{dirty}'


def _metrics(run: Run, curves: Mapping[str, Sequence[Number]]) -> str:
    if not run.metrics:
        return ""
    shown = shown_metrics(run)
    heading = '<tr><th>metric</th><th class="n">last</th><th class="n">best</th><th class="n">at step</th><th></th></tr>'
    body = ""
    for key in shown:
        summary = run.metrics[key]
        best, step = best_point(key, summary)
        has_best = has_goal(key) and summary.count > 1
        body += (
            f'<tr><td>{_text(key)}{arrow(key)}</td><td class="n"><b>{format_number(summary.last)}</b></td>'
            f'<td class="n">{format_number(best) if has_best else ""}</td><td class="n">{step if has_best else ""}</td>'
            f'<td class="a">{svg_sparkline(curves.get(key, ()))}</td></tr>'
        )
    more = len(run.metrics) - len(shown)
    return f"<table>{heading}{body}</table>" + (
        f'<span class="m">… {plural(more, "more metric")}</span>' if more else ""
    )


def _key_values(title: str, values: Mapping[str, str]) -> str:
    if not values:
        return ""
    shown = list(values.items())[:_SHOWN_ROWS]
    body = "".join(f"<tr><td>{_text(key)}</td><td>{_text(value)}</td></tr>" for key, value in shown)
    more = len(values) - len(shown)
    rest = f'<tr><td class="m">… {more} more</td><td></td></tr>' if more else ""
    return f"<table><tr><th>{title}</th><th></th></tr>{body}{rest}</table>"


def _is_metric(name: str) -> bool:
    return name.startswith("metrics.")


def _title(runs: Sequence[Run], name: str) -> str:
    key = name.partition(".")[2]
    values = [value for run in runs if (value := field_value(run, name)) is not None]
    side = ' class="n"' if all(map(_is_number, values)) else ""  # as the cells below it
    return f"<th{side}>{_text(key, 24)}{arrow(key) if _is_metric(name) else ''}</th>"


def _numbers(runs: Iterable[Run], name: str) -> list[Number | None]:
    return [field_value(run, name) for run in runs]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cell(value: object, *, is_best: bool) -> str:
    if value is None:
        return f'<td class="m n">{MISSING}</td>'
    if isinstance(value, (int, float)) and _is_number(value):
        text = format_number(value)
        return f'<td class="n g"><b>{text}</b>*</td>' if is_best else f'<td class="n">{text}</td>'
    return f"<td>{_text(format_value(value), 32)}</td>"


def _diff_row(title: str, row: Row, count: int) -> str:
    values = "".join(f"<td>{_text(_diff_value(title, value))}</td>" for value in row.values[:count])
    change = describe_change(row.key, row.values[0], row.values[-1]) if title == "metrics" else Change()
    style = {"better": ' class="g"', "worse": ' class="b"'}.get(change.verdict, "")
    return f"<tr><td>{_text(row.key)}{arrow(row.key) if title == 'metrics' else ''}</td>{values}<td{style}>{change}</td></tr>"


def _diff_value(title: str, value: Value) -> str:
    if title == "metrics" and isinstance(value, (int, float)):
        return format_number(value)
    return file_value(value) if isinstance(value, FileContent) else format_value(value)
