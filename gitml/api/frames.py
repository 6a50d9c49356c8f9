"""Runs and curves as pandas DataFrames, with MLflow's column names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gitml.api.handles import artifact_uri, mlflow_tags

if TYPE_CHECKING:
    import pandas as pd

    from gitml.entities.run import MetricPoint, Run

_EXACT_IN_FLOATS = 2**53


def runs_frame(runs: Iterable[Run]) -> pd.DataFrame:
    """Make a table of runs, a row a run, in their order.

    Columns: `run_id`, `experiment_id`, `status`, `artifact_uri`, `start_time`
    and `end_time` (UTC, NaT while running), then `metrics.*` (floats, NaN where
    a run has none; objects where an integer is beyond 2**53), `params.*` (with the types they were logged with, None
    where a run has none) and `tags.*`, keys in the order first met.
    """
    import pandas as pd

    runs = list(runs)
    count = len(runs)
    metrics: dict[str, list[Any]] = {}
    params: dict[str, list[Any]] = {}
    tags: dict[str, list[Any]] = {}
    for row, run in enumerate(runs):
        _fill(metrics, row, count, ((key, summary.last) for key, summary in run.metrics.items()), float("nan"))
        _fill(params, row, count, run.params.items(), None)
        _fill(tags, row, count, mlflow_tags(run).items(), None)
    data: dict[str, Any] = {
        "run_id": [run.id for run in runs],
        "experiment_id": [run.experiment_id for run in runs],
        "status": [run.status.name for run in runs],
        "artifact_uri": [artifact_uri(run.id) for run in runs],
        "start_time": _times([run.start_ms for run in runs]),
        "end_time": _times([run.end_ms for run in runs]),
    }
    data.update((f"metrics.{key}", _numbers(column)) for key, column in metrics.items())
    data.update((f"params.{key}", _as_logged(column)) for key, column in params.items())
    data.update((f"tags.{key}", column) for key, column in tags.items())
    return pd.DataFrame(data)


def points_frame(points: Sequence[MetricPoint]) -> pd.DataFrame:
    """Make a table of a curve, a row a point, in the order logged.

    Columns: `step`, `timestamp` (UTC) and `value`.
    """
    import pandas as pd

    return pd.DataFrame(
        {
            "step": [point.step for point in points],
            "timestamp": _times([point.timestamp_ms for point in points]),
            "value": [point.value for point in points],
        }
    )


def _fill(columns: dict[str, list[Any]], row: int, count: int, items: Iterable[tuple[str, Any]], empty: Any) -> None:
    for key, value in items:
        column = columns.get(key)
        if column is None:
            column = columns[key] = [empty] * count
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
    return pd.Series(column) if alike and not isinstance(column[0], list) else pd.Series(column, dtype="object")


def _times(values: Sequence[int | None]) -> Any:
    import pandas as pd

    numbers = pd.array(values, dtype="Int64")
    return pd.to_datetime(pd.Series(numbers), unit="ms", utc=True)
