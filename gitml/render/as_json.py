"""The stable JSON shape of what gitml prints: "schema": 1.

Keys are only ever added within a schema number. Times are RFC 3339 in UTC.
JSON has no NaN and no infinities: they are the strings "NaN", "Infinity" and
"-Infinity".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from gitml.entities.project import ProjectState
from gitml.entities.run import CodeState, DatasetInput, Experiment, MetricPoint, MetricSummary, Run
from gitml.render.numbers import utc_text

SCHEMA = 1


def dump_json(kind: str, content: Any) -> str:
    """Write one JSON document: `{"schema": 1, "<kind>": content}`, with a line end."""
    return (
        json.dumps({"schema": SCHEMA, kind: plain(content)}, ensure_ascii=False, allow_nan=False, indent=2)
        + "\n"
    )


def dump_json_line(document: Mapping[str, Any]) -> str:
    """Write a document as one line of JSON, without a line end."""
    return json.dumps({"schema": SCHEMA, **plain(document)}, ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """Make a value that JSON can hold: numbers that it can't become strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, str):
        # Lone surrogates stand for bytes that were no UTF-8.
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)  # what YAML knows and JSON does not, such as a date in a hand-edited run


def run_document(run: Run) -> dict[str, Any]:
    """Describe a run."""
    return {
        "id": run.id,
        "name": run.name,
        "experiment": {"id": run.experiment_id, "name": run.experiment},
        "status": run.status.value,
        "live": run.live,
        "start": utc_text(run.start_ms),
        "end": _time(run.end_ms),
        "duration_s": run.duration_s,
        "parent": run.parent_id,
        "user": run.user,
        "host": run.host,
        "entry_point": run.entry_point,
        "command": list(run.command),
        "exit_code": run.exit_code,
        "error": run.error,
        "incomplete": run.incomplete,
        "deleted": _time(run.deleted_ms),
        "code": _code(run.code),
        "directory": run.directory,
        "project": None if run.project is None else _project(run.project),
        "params": dict(run.params),
        "metrics": {name: summary_document(summary) for name, summary in run.metrics.items()},
        "tags": dict(run.tags),
        "inputs": [_input(data) for data in run.inputs],
        "note": run.note,
        "commit": run.commit,
    }


def summary_document(summary: MetricSummary) -> dict[str, Any]:
    """Describe what a metric's curve comes to."""
    return {
        "last": summary.last,
        "step": summary.step,
        "time": utc_text(summary.timestamp_ms),
        "min": summary.min,
        "min_step": summary.min_step,
        "max": summary.max,
        "max_step": summary.max_step,
        "count": summary.count,
    }


def point_document(point: MetricPoint) -> dict[str, Any]:
    """Describe one point of a curve."""
    return {"step": point.step, "time": utc_text(point.timestamp_ms), "value": point.value}


def experiment_document(experiment: Experiment) -> dict[str, Any]:
    """Describe an experiment."""
    return {
        "id": experiment.id,
        "name": experiment.name,
        "created": utc_text(experiment.created_ms),
        "updated": utc_text(experiment.updated_ms),
        "deleted": _time(experiment.deleted_ms),
        "tags": dict(experiment.tags),
    }


def _time(ms: int | None) -> str | None:
    return None if ms is None else utc_text(ms)


def _code(code: CodeState) -> dict[str, Any]:
    return {
        "commit": code.commit,
        "tree": code.tree,
        "branch": code.branch,
        "dirty": code.dirty,
        "remote": code.remote,
        "left_out": list(code.left_out),
    }


def _project(project: ProjectState) -> dict[str, Any]:
    return {
        "entry_point": project.entry_point,
        "parameters": dict(project.parameters),
        "uri": project.uri,
        "version": project.version,
        "environment": project.manager,
        "definition": project.definition.value,
        "backend": project.backend,
        "submodules": project.submodules,
    }


def _input(data: DatasetInput) -> dict[str, Any]:
    return {
        "name": data.name,
        "digest": data.digest,
        "source_type": data.source_type,
        "source": data.source,
        "context": data.context,
        "schema": data.schema,
        "profile": data.profile,
        "tags": dict(data.tags),
    }
