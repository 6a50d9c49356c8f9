"""Markdown of runs, a comparison, a model and a version, for notebook views that show no HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gitml.entities.registry import NO_STAGE, ModelVersion, RegisteredModel
from gitml.entities.run import Run
from gitml.render.better import arrow, best_point
from gitml.render.diff_table import diff_records
from gitml.render.diff_text import format_value
from gitml.render.failure import failure_text
from gitml.render.fields import SHORT_ID, field_value
from gitml.render.listing import markdown_table
from gitml.render.numbers import format_duration, format_number, format_param, local_text
from gitml.render.runs_table import RunsView, select_fields
from gitml.render.text import clean, clip
from gitml.tracking.diff import RunDiff
from gitml.tracking.direction import has_goal

_SHOWN_RUNS = 20
_SHOWN_COLUMNS = 10
_SHOWN_ROWS = 30
_LONGEST = 60


def run_markdown(run: Run) -> str:
    """Write what a run was, with its metrics and params."""
    code = (run.code.commit or "")[:SHORT_ID] + (" with uncommitted changes" if run.code.dirty else "")
    facts = {
        "run": run.id[:SHORT_ID],
        "status": run.status.value,
        "experiment": run.experiment,
        "started": f"{local_text(run.start_ms)}, {format_duration(run.duration_s)}",
        "code": code if run.code.commit else "",
        "command": run.command_line,
        "error": failure_text(run.error, run.exit_code),
        "note": run.note,
    }
    metrics = []
    for key, summary in run.metrics.items():
        best, step = best_point(key, summary)
        has_best = has_goal(key) and summary.count > 1
        shown = [format_number(best), str(step)] if has_best else ["", ""]
        metrics.append([_text(key, arrow(key)), format_number(summary.last), *shown])
    params = [[_text(key), _text(format_param(value))] for key, value in run.params.items()]
    return _joined(
        _facts(run.name, facts),
        _table(["metric", "last", "best", "at step"], metrics, [False, True, True, True]),
        _table(["param", "value"], params),
        _facts("tags", run.tags) if run.tags else "",
    )


def runs_markdown(runs: Sequence[Run]) -> str:
    """Write a list of runs: the first 20, with the columns that tell them apart."""
    shown = runs[:_SHOWN_RUNS]
    if not shown:
        return "no runs\n"
    fields = select_fields(shown, RunsView()).columns[:_SHOWN_COLUMNS]
    values = {name: [field_value(run, name) for run in shown] for name in fields}
    apart = len({run.experiment for run in shown}) > 1
    heading = [
        "run",
        "name",
        *(["experiment"] if apart else []),
        "status",
        "started",
        "time",
        *(_text(name.partition(".")[2]) for name in fields),
    ]
    rows = [
        [
            run.id[:SHORT_ID],
            _text(run.name),
            *([_text(run.experiment)] if apart else []),
            run.status.value,
            local_text(run.start_ms),
            format_duration(run.duration_s),
            *(_value(values[name][i]) for name in fields),
        ]
        for i, run in enumerate(shown)
    ]
    right = [False] * (5 if apart else 4) + [True, *(_is_numeric(values[name]) for name in fields)]
    return _table(heading, rows, right) + _more(len(runs) - len(shown))


def diff_markdown(diff: RunDiff) -> str:
    """Write a comparison: the rows that differ."""
    ids = [str(i) for i in range(len(diff.runs))]  # the beginnings of two ids can be the same
    records = diff_records(diff, ids, everything=False)
    rows = [
        [
            _text(str(record["section"])),
            _text(str(record["key"])),
            *(_value(record.get(i)) for i in ids[:_SHOWN_COLUMNS]),
            _text(str(record["change"])),
        ]
        for record in records
    ]
    if not rows:
        return "nothing differs\n"
    heads = [f"{_text(run.name, longest=24)} {run.id[:SHORT_ID]}" for run in diff.runs[:_SHOWN_COLUMNS]]
    return _table(["", "", *heads, "change"], rows)


def model_markdown(model: RegisteredModel, latest: Sequence[ModelVersion]) -> str:
    """Write a registered model with its newest version in each stage."""
    rows = [
        [
            f"v{version.version}",
            _text(version.stage or NO_STAGE),
            _called(version),
            version.run_id[:SHORT_ID],
            local_text(version.created_ms),
            _text(version.author),
        ]
        for version in reversed(latest)
    ]
    facts = {"versions": f"{model.versions:,}", "description": model.description or "", **model.tags}
    heading = ["version", "stage", "aliases", "run", "registered", "by"]
    return _joined(_facts(model.name, facts), _table(heading, rows))


def version_markdown(version: ModelVersion) -> str:
    """Write a version of a model."""
    facts = {
        "stage": version.stage or NO_STAGE,
        "aliases": _called(version),
        "run": f"{version.run_id[:SHORT_ID]} {version.path}",
        "copy of": version.source or "",
        "registered": f"{local_text(version.created_ms)} by {version.author}",
        "digest": version.digest[:23] + "…",
        "description": version.description or "",
    }
    return _joined(_facts(f"{version.name} v{version.version}", {**facts, **version.tags}))


def _called(version: ModelVersion) -> str:
    return _text(" ".join(f"@{alias}" for alias in version.aliases))


def _facts(title: str, facts: Mapping[str, str]) -> str:
    return _table([_text(title), ""], [[_text(key), _text(value)] for key, value in facts.items() if value])


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool] = ()) -> str:
    if not rows:
        return ""
    table = markdown_table(heading, rows[:_SHOWN_ROWS], right or [False] * len(heading))
    return table + _more(len(rows) - _SHOWN_ROWS)


def _more(count: int) -> str:
    return f"\n… {count:,} more\n" if count > 0 else ""


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _value(value: Any) -> str:
    if value is None:
        return ""
    return format_number(value) if _is_number(value) else _text(format_value(value))


def _is_numeric(values: Sequence[Any]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(map(_is_number, present))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(text: str, mark: str = "", *, longest: int = _LONGEST) -> str:
    return clip(clean(text), longest) + mark
