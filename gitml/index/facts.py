"""What the tables want to know of a run: plain tuples, ready to be written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from gitml.entities.run import MetricSummary, Run
from gitml.index.values import ParamRow, param_row

# In the order of MetricSummary's fields; of a metric with one point only the first three, which say all.
PointRow = tuple[object, object, object]
MetricRow = PointRow | tuple[object, object, object, object, object, object, object, object]
POINT = 3
T = TypeVar("T")
# Names and values apart, because names are what many runs have in common.
Keyed = tuple[tuple[str, ...], Sequence[T]]
DatasetRow = tuple["str | None", "str | None", "str | None"]
EXPERIMENT_ID, EXPERIMENT = 2, 3


class Facts(NamedTuple):
    """A run as rows.

    `row` are the columns of the table of runs from `run_id` to `live`;
    `datasets` are name, digest and context.
    """

    row: tuple[object, ...]
    metrics: Keyed[MetricRow]
    params: Keyed[ParamRow]
    tags: Keyed[str]
    datasets: list[DatasetRow]
    note: str

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.row[0])


def facts_of(run: Run) -> Facts:
    """Take a run apart."""
    code = run.code
    row = (
        run.id,
        _text(run.name),
        _text(run.experiment_id),
        _text(run.experiment),
        run.status.value,
        run.start_ms,
        run.end_ms,
        _number(run.duration_s),
        _text(run.parent_id),
        _text(run.user),
        _text(run.host),
        _text(run.entry_point),
        _number(run.exit_code),
        _text(run.error),
        run.deleted_ms,
        _text(code.commit),
        _text(code.branch),
        int(code.dirty),
        int(run.live),
    )
    return Facts(
        row,
        (tuple(run.metrics), [_metric_row(metric) for metric in run.metrics.values()]),
        (tuple(run.params), [param_row(value) for value in run.params.values()]),
        (tuple(run.tags), list(run.tags.values())),
        [(_text(data.name), _text(data.digest), _text(data.context)) for data in run.inputs],
        run.note,
    )


def _metric_row(m: MetricSummary) -> MetricRow:
    # The spelling tells 1 from 1.0 and 0.0 from -0.0, and NaN is itself.
    if m.count == 1 and m.min_step == m.step == m.max_step and repr(m.min) == repr(m.last) == repr(m.max):
        return (m.last, m.step, m.timestamp_ms)
    return (m.last, m.step, m.timestamp_ms, m.min, m.min_step, m.max, m.max_step, m.count)


def whole_row(row: tuple[object, ...]) -> tuple[object, ...]:
    """Spell out what the row of a metric with one point leaves out."""
    if len(row) != POINT:
        return row
    last, step, _ = row
    return (*row, last, step, last, step, 1)


def _text(value: object) -> str | None:
    return str(value) if value else None


def _number(value: object) -> int | float | None:
    return value if isinstance(value, (int, float)) else None
