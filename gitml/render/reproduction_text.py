"""Whether a run came out the same when it was done again: a page for people, a document for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gitml.execution.reproduction.inputs import InputCheck
from gitml.execution.reproduction.reproducing import Reproduction
from gitml.execution.reproduction.verdict import Comparison, Difference, MetricComparison, Verdict
from gitml.render.as_json import summary_document
from gitml.render.diff_listing import rows_document
from gitml.render.diff_text import file_value, format_value
from gitml.render.fields import SHORT_ID
from gitml.render.ink import Ink
from gitml.render.numbers import MISSING, format_duration, format_number
from gitml.render.table import Cell, Column, Table, draw
from gitml.render.text import clean, clip, plural
from gitml.tracking.diff import Row, Value

_STYLES = {
    Verdict.IDENTICAL: "green",
    Verdict.WITHIN_TOLERANCE: "green",
    Verdict.DIFFERENT: "red",
}
_LONGEST = 48
_SHOWN = 20  # metrics and files that differ, of each


def reproduction_text(done: Reproduction, ink: Ink, cells: int | None) -> str:
    """Write how a run came out when it was done again.

    Args:
        done: The run and what came of it.
        ink: How to write.
        cells: How wide; None for as wide as it needs.
    """
    found = done.comparison
    diff = found.diff
    names = [f"{ink.paint(run.id[:SHORT_ID], 'yellow')} {clean(run.name)}" for run in diff.runs]
    params = [row for row in diff.params if row.key not in found.changed_on_purpose]
    lines = [
        f"run {names[0]}  {ink.sign('→')}  {names[1]}",
        "",
        *_rows("ended", found.outcome, ink, cells, quiet=True),
        *_rows("params", params, ink, cells, note=_set(found)),
        *_rows("data", diff.data, ink, cells),
        *_metrics(found, ink, cells),
        *_rows("artifacts", found.artifacts, ink, cells, note=_ignored(found)),
        *_children(found, ink),
        *_packages(found, done.environment.manager, ink),
        _duration(found, ink),
        "",
        _verdict(found, ink),
    ]
    return "\n".join(lines) + "\n"


def _rows(
    title: str, rows: Sequence[Row], ink: Ink, cells: int | None, *, note: str = "", quiet: bool = False
) -> list[str]:
    differing = [row for row in rows if not row.same]
    if not differing:
        told = "the same" if rows or note else "none"
        return [] if quiet else [_label(title, ", ".join(filter(None, (told, note))), ink)]
    body = [
        (
            Cell(f"  {clip(clean(row.key), _LONGEST)}"),
            Cell(ink.sign(_value(row.values[0]))),
            Cell(ink.sign("→"), "dim"),
            Cell(ink.sign(_value(row.values[1])), "red"),
        )
        for row in differing[:_SHOWN]
    ]
    columns = (
        Column("", narrowest=16),
        Column("", right=True, narrowest=8),
        Column(""),
        Column("", narrowest=8),
    )
    same = len(rows) - len(differing)
    parts = (plural(len(differing), "difference"), f"{same:,} the same" if same else "", note)
    lines = [_label(title, ", ".join(filter(None, parts)), ink)]
    return lines + draw(Table(columns, tuple(body), heading=False), cells=cells, ink=ink).lines


def _value(value: Value) -> str:
    size = file_value(value)
    return size if size != MISSING else format_value(value)


def _metrics(found: Comparison, ink: Ink, cells: int | None) -> list[str]:
    if not found.metrics:
        return [_label("metrics", "none", ink)]
    counted = [one for one in found.metrics if one.counts]
    count = {verdict: sum(one.verdict is verdict for one in counted) for verdict in Verdict}
    told = [f"{number:,} {verdict.value}" for verdict, number in count.items() if number]
    others = len(found.metrics) - len(counted)
    if others:
        told.append(f"{others:,} not counted (times, the machine, or ignored)")
    short = sum(not one.whole_curve for one in counted)
    if short:
        told.append(f"{short:,} by last, least and greatest value only")
    body = [_metric_row(one, ink) for one in counted if one.verdict is not Verdict.IDENTICAL][:_SHOWN]
    columns = (
        Column("", narrowest=16), Column("", right=True), Column(""), Column(""),
        Column("", drop=2), Column("", drop=1),
    )  # fmt: skip
    lines = [_label("metrics", ", ".join(told), ink)]
    return lines + (
        draw(Table(columns, tuple(body), heading=False), cells=cells, ink=ink).lines if body else []
    )


def _metric_row(one: MetricComparison, ink: Ink) -> tuple[Cell, ...]:
    last = [format_number(summary.last if summary else None) for summary in (one.before, one.after)]
    apart = "" if one.distance is None else f"apart by {one.distance:.2g} at most"
    how = one.reason or (f"from step {one.step:,} on" if one.step is not None else "")
    return (
        Cell(f"  {clip(clean(one.name), _LONGEST)}"),
        Cell(ink.sign(last[0])),
        Cell(ink.sign("→"), "dim"),
        Cell(ink.sign(last[1]), _STYLES[one.verdict]),
        Cell(f"{one.verdict.value}: {how}" if how else one.verdict.value, _STYLES[one.verdict]),
        Cell(apart, "dim"),
    )


def _children(found: Comparison, ink: Ink) -> list[str]:
    if not (found.children or found.alone):
        return []
    verdicts = [child.verdict for child in found.children]
    told = [f"{verdicts.count(verdict):,} {verdict.value}" for verdict in Verdict if verdict in verdicts]
    told += [f"{len(found.alone):,} only in one of them"] if found.alone else []
    lines = [_label("contains", f"{plural(len(verdicts), 'pair')} of runs: {', '.join(told)}", ink)]
    differing = [child for child in found.children if child.verdict is Verdict.DIFFERENT]
    for child in differing[:_SHOWN]:
        before, after = (ink.paint(run.id[:SHORT_ID], "yellow") for run in child.diff.runs)
        where = ", ".join(_place(one) for one in child.differences[:4])
        lines.append(f"  {before} {ink.sign('→')} {after}  {ink.sign(where)}")
    return lines


def _packages(found: Comparison, manager: str, ink: Ink) -> list[str]:
    differing = [row for row in (*found.diff.packages, *_python(found)) if not row.same]
    if not differing:
        if not found.diff.packages:
            return []
        return [_label("packages", "the same" if manager == "local" else f"the same, by {manager}", ink)]
    shown = ", ".join(
        f"{clean(row.key)} {format_value(row.values[0])} {ink.sign('→')} {format_value(row.values[1])}"
        for row in differing[:5]
    )
    more = f" and {len(differing) - 5:,} more" if len(differing) > 5 else ""
    return [_label("packages", f"{plural(len(differing), 'difference')}: {shown}{more}", ink)]


def _python(found: Comparison) -> list[Row]:
    return [row for row in found.diff.system if row.key == "python"]


def _duration(found: Comparison, ink: Ink) -> str:
    before, after = (format_duration(run.duration_s) for run in found.diff.runs)
    ratio = found.duration_ratio
    times = "" if ratio is None else f" ({ratio:.2f} times as long)"
    return _label("duration", f"{before} → {after}{times}, not counted", ink)


def _verdict(found: Comparison, ink: Ink) -> str:
    verdict = found.verdict
    text = verdict.value
    if verdict is Verdict.DIFFERENT:
        where = found.differences
        text += ": " + ", ".join(_place(one) for one in where[:8])
        text += f" and {len(where) - 8:,} more" if len(where) > 8 else ""
    elif verdict is Verdict.WITHIN_TOLERANCE:
        usual = found.tolerances.usual
        text += f" (relative {usual.relative:g}, absolute {usual.absolute:g}, unless named)"
    return ink.paint(text, f"bold {_STYLES[verdict]}")


def _place(one: Difference) -> str:
    where = one.name if one.kind == "status" else f"{one.kind} {clean(one.name)}"
    return f"{where} of {one.run[:SHORT_ID]}" if one.run and one.kind != "run" else where


def _set(found: Comparison) -> str:
    return (
        f"set: {', '.join(map(clean, sorted(found.changed_on_purpose)))}" if found.changed_on_purpose else ""
    )


def _ignored(found: Comparison) -> str:
    return f"{len(found.ignored_artifacts):,} ignored" if found.ignored_artifacts else ""


def _label(title: str, text: str, ink: Ink) -> str:
    return ink.paint(f"{title:<10}", "dim") + ink.sign(text)


def reproduction_document(done: Reproduction) -> dict[str, Any]:
    """Describe how a run came out when it was done again."""
    found = done.comparison
    names = ("original", "reproduction")
    return {
        "verdict": found.verdict.value,
        "original": {"id": found.diff.runs[0].id, "name": found.diff.runs[0].name},
        "reproduction": {
            "id": done.result.run_id,
            "name": done.result.name,
            "status": done.result.status.value,
            "exit_code": done.result.exit_code,
            "error": done.result.error,
        },
        "differences": [
            {"kind": one.kind, "name": one.name, "how": one.how, "run": one.run or None}
            for one in found.differences
        ],
        "tolerance": {
            "relative": found.tolerances.usual.relative,
            "absolute": found.tolerances.usual.absolute,
            "metrics": {
                name: {"relative": given.relative, "absolute": given.absolute}
                for name, given in found.tolerances.named.items()
            },
            "ignored": list(found.tolerances.ignored),
        },
        "set": sorted(found.changed_on_purpose),
        "metrics": [_metric_document(one) for one in found.metrics],
        "outcome": rows_document("outcome", found.outcome, names, everything=True),
        "params": rows_document("params", found.diff.params, names, everything=True),
        "data": rows_document("data", found.diff.data, names, everything=True),
        "artifacts": rows_document("files", found.artifacts, names, everything=True),
        "ignored_artifacts": rows_document("files", found.ignored_artifacts, names, everything=True),
        "packages": rows_document("packages", found.diff.packages, names, everything=False),
        "system": rows_document("system", found.diff.system, names, everything=False),
        "children": [
            {
                "original": child.diff.runs[0].id,
                "reproduction": child.diff.runs[-1].id,
                "verdict": child.verdict.value,
                "metrics": [_metric_document(one) for one in child.metrics],
            }
            for child in found.children
        ],
        "environment": done.environment.manager,
        "duration": {
            **{name: run.duration_s for name, run in zip(names, found.diff.runs, strict=True)},
            "ratio": found.duration_ratio,
        },
        "inputs": [_input_document(check) for check in done.inputs],
        "notes": list(done.notes),
    }  # fmt: skip


def _metric_document(one: MetricComparison) -> dict[str, Any]:
    return {
        "name": one.name,
        "verdict": one.verdict.value,
        "counts": one.counts,
        "how": one.reason,
        "distance": one.distance,
        "step": one.step,
        "whole_curve": one.whole_curve,
        "original": None if one.before is None else summary_document(one.before),
        "reproduction": None if one.after is None else summary_document(one.after),
    }


def _input_document(check: InputCheck) -> dict[str, Any]:
    return {
        "name": check.data.name,
        "context": check.data.context,
        "digest": check.data.digest,
        "state": check.state.value,
        "found": check.found,
        "reason": check.reason or None,
    }
