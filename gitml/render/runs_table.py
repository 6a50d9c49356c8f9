"""A list of runs as a table: one line a run, only the columns that tell them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gitml.entities.run import Run, RunStatus
from gitml.render.better import arrow, best_index, has_goal
from gitml.render.fields import SHORT_ID, field_value, known_fields
from gitml.render.ink import STATUS_STYLE, Ink
from gitml.render.numbers import MISSING, format_age, format_duration, format_number, format_param
from gitml.render.table import Cell, Column, Table
from gitml.render.text import clean, clip

# What goes first when there is no room: the highest.
_DROP_CONSTANT, _DROP_TAG, _DROP_PARAM, _DROP_ATTRIBUTE, _DROP_METRIC, _DROP_NOTE = 60, 50, 40, 30, 20, 45
_LONGEST_VALUE = 40


class RunsView(NamedTuple):
    """What of the runs is to be seen.

    Attributes:
        columns: Full names of the fields to show; None to choose those that vary.
        keep: Fields that are shown first and never dropped: what was sorted by.
        everything: Whether constant fields, tags and system metrics are columns too.
        now_ms: What "now" is.
    """

    columns: tuple[str, ...] | None = None
    keep: tuple[str, ...] = ()
    everything: bool = False
    now_ms: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """Which fields are columns, and which are the same in all runs."""

    columns: tuple[str, ...]
    constant: Mapping[str, Any] = field(default_factory=dict)


def select_fields(runs: Sequence[Run], view: RunsView) -> Selection:
    """Choose the metrics, params and tags worth a column."""
    if view.columns is not None:
        return Selection(tuple(dict.fromkeys((*view.columns, *view.keep))))
    fields = known_fields(runs)
    if view.everything:
        return Selection(tuple(dict.fromkeys((*view.keep, *fields))))
    interesting = [name for name in fields if not name.startswith(("tags.", "metrics.system/"))]
    constant = {name: values[0] for name in interesting if _is_constant(values := _values(runs, name))}
    varying = [name for name in interesting if name not in constant]
    constant = {name: value for name, value in constant.items() if name.startswith("params.")}
    return Selection(tuple(dict.fromkeys((*view.keep, *varying))), constant if len(runs) > 1 else {})


def _values(runs: Sequence[Run], name: str) -> list[Any]:
    return [field_value(run, name) for run in runs]


def _is_constant(values: Sequence[Any]) -> bool:
    # 1, 1.0 and True are equal to Python but are different params; NaN equals itself here.
    return len(values) > 1 and all(
        type(value) is type(values[0]) and (value == values[0] or (value != value and values[0] != values[0]))
        for value in values[1:]
    )


def runs_table(runs: Sequence[Run], selection: Selection, view: RunsView, ink: Ink) -> Table:
    """Set runs as a table, best values in bold."""
    fixed: list[tuple[Column, list[Cell]]] = [
        (Column(""), [Cell(ink.mark(run.status), STATUS_STYLE[run.status]) for run in runs]),
        (Column("RUN"), [Cell(run.id[:SHORT_ID], "yellow") for run in runs]),
        (
            Column("NAME", narrowest=12),
            [Cell(clean(run.name), "dim" if run.deleted_ms else "") for run in runs],
        ),
    ]
    if len({run.experiment for run in runs}) > 1:
        cells = [Cell(clean(run.experiment)) for run in runs]
        fixed.append((Column("EXPERIMENT", drop=_DROP_ATTRIBUTE, narrowest=10, name="experiment"), cells))
    fixed += [
        (Column("WHEN", right=True, drop=10), [Cell(format_age(run.start_ms, view.now_ms)) for run in runs]),
        (
            Column("TIME", right=True, drop=11, name="time"),
            [Cell(format_duration(_seconds(run, view))) for run in runs],
        ),
    ]
    data = [_data_column(runs, name, view, ink) for name in selection.columns]
    notes = [_remark(run) for run in runs]
    last: list[tuple[Column, list[Cell]]] = []
    if any(run.code.commit for run in runs):
        last.append((Column("COMMIT", drop=15, name="commit"), [_commit(run) for run in runs]))
    if any(cell.text for cell in notes):
        last.append((Column("NOTE", drop=_DROP_NOTE, narrowest=12, name="note"), notes))
    columns = [*fixed, *data, *last]
    return Table(
        tuple(column for column, _ in columns),
        tuple(tuple(cells[i] for _, cells in columns) for i in range(len(runs))),
    )


def _seconds(run: Run, view: RunsView) -> float | None:
    if run.duration_s is not None or run.status.is_final:
        return run.duration_s
    return max(0, view.now_ms - run.start_ms) / 1000


def _commit(run: Run) -> Cell:
    return Cell((run.code.commit or MISSING)[:SHORT_ID] + ("*" if run.code.dirty else ""), "dim")


def _remark(run: Run) -> Cell:
    """What is worth saying in the last column: an error, or the first line of the note."""
    if run.status in (RunStatus.FAILED, RunStatus.KILLED) and (run.error or run.exit_code):
        return Cell(clean(run.error or f"exit {run.exit_code}"), "red")
    return Cell(clean(run.note.strip().partition("\n")[0]))


def _data_column(runs: Sequence[Run], name: str, view: RunsView, ink: Ink) -> tuple[Column, list[Cell]]:
    kind, _, key = name.partition(".")
    values = _values(runs, name)
    drop = 0 if name in view.keep else _drop(kind, is_constant=view.everything and _is_constant(values))
    if kind != "metrics":
        cells = [Cell(_value_text(value)) for value in values]
        right = all(isinstance(value, (int, float)) for value in values if value is not None)
        title = key if kind in ("params", "tags") else name
        return Column(clip(clean(title), _LONGEST_VALUE), right=right, drop=drop, name=clean(title)), cells
    best = best_index(key, values)
    cells = [
        Cell(ink.sign(format_number(value)), "bold green" if i == best else "")
        for i, value in enumerate(values)
    ]
    title = clip(clean(key), _LONGEST_VALUE) + ink.sign(arrow(key))
    return Column(title, right=True, drop=drop, name=clean(key)), cells


def _drop(kind: str, *, is_constant: bool) -> int:
    if is_constant:
        return _DROP_CONSTANT
    return {"metrics": _DROP_METRIC, "params": _DROP_PARAM, "tags": _DROP_TAG}.get(kind, _DROP_ATTRIBUTE)


def _value_text(value: Any) -> str:
    return MISSING if value is None else clip(format_param(value), _LONGEST_VALUE)


def leaders(runs: Sequence[Run], selection: Selection) -> list[tuple[str, Run]]:
    """Find the run with the best value of each metric shown."""
    found = []
    for name in selection.columns:
        kind, _, key = name.partition(".")
        if kind == "metrics" and has_goal(key):
            best = best_index(key, _values(runs, name))
            if best is not None:
                found.append((key, runs[best]))
    return found


def describe_constant(constant: Mapping[str, Any], *, shown: int = 3) -> str:
    """Name what is the same in all runs: `seed=7 optimizer=adam (+11)`."""
    texts = [
        f"{clean(name.partition('.')[2])}={clip(format_param(value), 24)}" for name, value in constant.items()
    ]
    more = f" (+{len(texts) - shown})" if len(texts) > shown else ""
    return " ".join(texts[:shown]) + more


def count_statuses(runs: Sequence[Run]) -> Counter[RunStatus]:
    """Count runs by status."""
    return Counter(run.status for run in runs)
