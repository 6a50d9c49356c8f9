"""Runs and curves as pandas DataFrames, with MLflow's column names.

The table of a search is built column by column from the index, because
decoding a hundred thousand runs one by one takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gitml.api import reserved
from gitml.entities.run import RunStatus

if TYPE_CHECKING:
    import pandas as pd

    from gitml.entities.run import Run

Columns = dict[str, list[Any]]

_EXACT_IN_FLOATS = 2**53
_STATUS = {status.value: status.name for status in RunStatus}


def columns_frame(columns: Columns) -> pd.DataFrame:
    """Make a table of runs out of the index's columns; see `runs_frame`."""
    import pandas as pd

    data: dict[str, Any] = _fixed_columns(
        columns["run_id"], columns["experiment_id"], columns["status"], columns["start_ms"], columns["end_ms"]
    )
    for name, values in columns.items():
        if name.startswith("metrics."):
            data[name] = _numbers(values)
    for name, values in columns.items():
        if name.startswith("params."):
            data[name] = _as_logged(values)
    data.update(_tag_columns(columns))
    return pd.DataFrame(data)


def runs_frame(runs: Iterable[Run]) -> pd.DataFrame:
    """Make a table of runs, a row a run, in their order.

    Columns: `run_id`, `experiment_id`, `status`, `artifact_uri`, `start_time`
    and `end_time` (UTC, NaT while running), then `metrics.*` (floats, NaN where
    a run has none; objects where an integer is beyond 2**53), `params.*` (with
    the types they were logged with, None where a run has none) and `tags.*`.
    """
    import pandas as pd

    runs = list(runs)
    count = len(runs)
    metrics: Columns = {}
    params: Columns = {}
    tags: Columns = {}
    for row, run in enumerate(runs):
        _fill(metrics, row, count, ((key, summary.last) for key, summary in run.metrics.items()))
        _fill(params, row, count, run.params.items())
        _fill(tags, row, count, reserved.mlflow_tags(run).items())
    data = _fixed_columns(
        [run.id for run in runs],
        [run.experiment_id for run in runs],
        [run.status.value for run in runs],
        [run.start_ms for run in runs],
        [run.end_ms for run in runs],
    )
    data.update((f"metrics.{key}", _numbers(column)) for key, column in metrics.items())
    data.update((f"params.{key}", _as_logged(column)) for key, column in params.items())
    data.update((f"tags.{key}", column) for key, column in tags.items())
    return pd.DataFrame(data)


def _fixed_columns(
    ids: list[str], experiments: list[str], statuses: list[str], starts: list[int], ends: list[int | None]
) -> dict[str, Any]:
    return {
        "run_id": ids,
        "experiment_id": experiments,
        "status": [_STATUS[status] for status in statuses],
        "artifact_uri": [reserved.artifact_uri(run_id) for run_id in ids],
        "start_time": _times(starts),
        "end_time": _times(ends),
    }


def _tag_columns(columns: Columns) -> Columns:
    """Tags as logged, and MLflow's reserved ones where nobody set them."""
    logged = {name[len("tags.") :]: values for name, values in columns.items() if name.startswith("tags.")}
    nothing: list[Any] = [None] * len(columns["run_id"])
    commands = columns.get("command", nothing)
    program = {command: reserved.source_name(command or ()) for command in set(commands)}
    facts: Columns = {
        reserved.RUN_NAME_TAG: columns["name"],
        reserved.USER_TAG: columns["user"],
        reserved.SOURCE_TAG: [program[command] for command in commands],
        reserved.SOURCE_TYPE_TAG: [
            reserved.source_type(entry_point) for entry_point in columns["entry_point"]
        ],
        reserved.ENTRY_POINT_TAG: columns["entry_point"],
        reserved.COMMIT_TAG: columns["code.commit"],
        reserved.BRANCH_TAG: columns["code.branch"],
        reserved.REMOTE_TAG: columns.get("code.remote", nothing),
        reserved.DIRTY_TAG: [
            reserved.dirty_text(commit, dirty=dirty)
            for commit, dirty in zip(columns["code.commit"], columns["code.dirty"], strict=True)
        ],
        reserved.PARENT_TAG: columns["parent_id"],
        reserved.NOTE_TAG: [note or None for note in columns.get("note", nothing)],
    }
    for tag, values in facts.items():
        own = logged.pop(tag, nothing)
        merged = [value if given is None else given for value, given in zip(values, own, strict=True)]
        if any(value is not None for value in merged):
            logged[tag] = merged
    return {f"tags.{tag}": values for tag, values in logged.items()}


def _fill(columns: Columns, row: int, count: int, items: Iterable[tuple[str, Any]]) -> None:
    for key, value in items:
        column = columns.get(key)
        if column is None:
            column = columns[key] = [None] * count
        column[row] = value


def _numbers(column: list[Any]) -> Any:
    """Make floats, unless that would change an integer beyond 2**53."""
    import pandas as pd

    exact = not any(type(value) is int and abs(value) > _EXACT_IN_FLOATS for value in column)
    return pd.Series(column, dtype="float64" if exact else "object")


def _as_logged(column: list[Any]) -> Any:
    """Keep each param's own type where pandas would bend some to fit the others."""
    import pandas as pd

    alike = len({type(value) for value in column}) == 1
    return (
        pd.Series(column) if alike and not isinstance(column[0], list) else pd.Series(column, dtype="object")
    )


def _times(values: Sequence[int | None]) -> Any:
    import pandas as pd

    numbers = pd.array(values, dtype="Int64")
    return pd.to_datetime(pd.Series(numbers), unit="ms", utc=True)
