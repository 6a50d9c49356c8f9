"""What a run is, after it was changed in two places at once.

`fold_runs` merges the newest records of one run, none of which descends from
another. It depends on the set of records only, not on their order or on how
often one is given, so every clone comes to the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from gitml.entities.run import DatasetInput, MetricSummary, Number, Run

T = TypeVar("T")
Record = tuple[int, str, Run]

# Facts that say something only together change together.
_GROUPS = (
    ("name",),
    ("experiment_id", "experiment"),
    ("status", "end_ms", "duration_s", "exit_code", "error"),
    ("start_ms",),
    ("parent_id",),
    ("user",),
    ("host",),
    ("entry_point", "command", "directory", "project"),
    ("code",),
    ("deleted_ms",),
    ("note",),
)
_ABSENT = object()


def fold_runs(records: Iterable[Record], base: Run | None = None) -> Run:
    """Merge states of one run, field by field.

    Of each field the value counts that was changed against the base; of
    several changed ones the latest, by time and then by commit. Without a base
    every value that is there counts as changed. Curves and data sets are united.

    Args:
        records: Commit time in ms, commit id, state; at least one.
        base: The newest state that all of them descend from, if there is one.

    Returns:
        The merged state; its `commit` is the latest record's.
    """
    latest_first = _sorted({commit: (time, commit, run) for time, commit, run in records}.values())
    states = [run for _, _, run in latest_first]
    if len(states) == 1:
        return states[0]
    fields: dict[str, Any] = {}
    for group in _GROUPS:
        fields.update(zip(group, _latest_change(states, base, _group_reader(group)), strict=True))
    return replace(
        states[0],
        **fields,
        params=_fold_mapping([run.params for run in states], None if base is None else base.params),
        tags=_fold_mapping([run.tags for run in states], None if base is None else base.tags),
        extra=_fold_mapping([run.extra for run in states], None if base is None else base.extra),
        metrics=_fold_metrics([run.metrics for run in states], None if base is None else base.metrics),
        inputs=_fold_inputs(states),
        incomplete=any(run.incomplete for run in states),
    )


def _sorted(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record[:2], reverse=True)


def _group_reader(group: Sequence[str]) -> Callable[[Run], tuple[Any, ...]]:
    return lambda run: tuple(getattr(run, name) for name in group)


def _latest_change(states: Sequence[Run], base: Run | None, read: Callable[[Run], T]) -> T:
    values = [read(run) for run in states]
    if base is not None:
        before = read(base)
        return next((value for value in values if value != before), before)
    return next((value for value in values if any(value)), values[0])  # type: ignore[arg-type]


def _fold_mapping(states: Sequence[Mapping[str, T]], base: Mapping[str, T] | None) -> dict[str, T]:
    before: Mapping[str, Any] = {} if base is None else base
    names = list(dict.fromkeys(name for mapping in (before, *reversed(states)) for name in mapping))
    merged: dict[str, T] = {}
    for name in names:
        old = before.get(name, _ABSENT)
        values: list[Any] = [mapping.get(name, _ABSENT) for mapping in states]
        value = next((value for value in values if not _same(value, old)), old)
        if value is not _ABSENT:
            merged[name] = value
    return merged


def _same(one: object, other: object) -> bool:
    """Equal, of one type, and NaN is NaN: 1, 1.0 and true are different params."""
    return type(one) is type(other) and (one == other or repr(one) == repr(other))


def _fold_metrics(
    states: Sequence[Mapping[str, MetricSummary]], base: Mapping[str, MetricSummary] | None
) -> dict[str, MetricSummary]:
    """Summarize united curves: each state's points come on top of the base's."""
    before = base or {}
    merged: dict[str, MetricSummary] = {}
    for name in dict.fromkeys(name for mapping in (before, *reversed(states)) for name in mapping):
        old = before.get(name)
        # repr, because NaN is not equal to itself.
        changed = {
            repr(m[name]): m[name] for m in reversed(states) if name in m and repr(m[name]) != repr(old)
        }
        if changed:
            merged[name] = _unite(list(changed.values()), 0 if old is None else old.count)
        elif old is not None:
            merged[name] = old
    return merged


def _unite(summaries: Sequence[MetricSummary], shared: int) -> MetricSummary:
    """Summarize several curves that have `shared` points in common, the latest recorded last."""
    last = max(reversed(summaries), key=lambda summary: (summary.step, summary.timestamp_ms))
    low = min(summaries, key=lambda summary: (_or(summary.min, math.inf), summary.min_step))
    high = min(summaries, key=lambda summary: (-_or(summary.max, -math.inf), summary.max_step))
    count = shared + sum(max(summary.count - shared, 0) for summary in summaries)
    return MetricSummary(
        last.last, last.step, last.timestamp_ms, low.min, low.min_step, high.max, high.max_step, count
    )


def _or(value: Number, instead: float) -> Number:
    return instead if value != value else value


def _fold_inputs(states: Sequence[Run]) -> tuple[DatasetInput, ...]:
    def identity(data: DatasetInput) -> Hashable:
        return (data.name, data.digest, data.context)

    return tuple({identity(data): data for run in reversed(states) for data in run.inputs}.values())
