"""A list of runs as a table: one line a run, only the columns that tell them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from gitml.entities.run import Run, RunStatus
from gitml.render.better import arrow, best_indices, mark_best
from gitml.render.failure import short_failure_text
from gitml.render.fields import SHORT_ID, field_title, field_value, known_fields
from gitml.render.ink import STATUS_STYLE, Ink
from gitml.render.numbers import MISSING, format_age, format_duration, format_number, format_param
from gitml.render.table import Cell, Column, Table
from gitml.render.text import clean, clip, shorten

# What goes first when there is no room: the highest.
_DROP_CONSTANT, _DROP_TAG, _DROP_PARAM, _DROP_ATTRIBUTE, _DROP_METRIC, _DROP_NOTE = 60, 50, 40, 30, 20, 45
_DROP_ASKED = 1
_BEHIND = 100  # what was not asked for goes before all that was
_LONGEST_VALUE, _NARROWEST_KEPT = 40, 8
# Fields that have a column of their own already.
_FIXED = frozenset({"id", "name", "experiment", "start", "duration_s", "code.commit"})


class RunsView(NamedTuple):
    """What of the runs is to be seen.

    Attributes:
        columns: Full names of the fields to show; None to choose those that vary.
        keep: Fields that are shown first and dropped last, the first of them never: what was sorted by.
        everything: Whether constant fields, tags and system metrics are columns too.
        now_ms: What "now" is.
        most: How many fields are chosen at most; None for all that vary.
        whole: Whether no value is cut, however long.
    """

    columns: tuple[str, ...] | None = None
    keep: tuple[str, ...] = ()
    everything: bool = False
    now_ms: int = 0
    most: int | None = None
    whole: bool = False

    @property
    def longest(self) -> int | None:
        """How many cells a value takes at most."""
        return None if self.whole else _LONGEST_VALUE


@dataclass(frozen=True, slots=True)
class Selection:
    """Which fields are columns, which are the same in all runs, and which were too many."""

    columns: tuple[str, ...]
    constant: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


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
    columns = tuple(dict.fromkeys((*view.keep, *varying)))
    return Selection(
        columns[: view.most], constant if len(runs) > 1 else {}, columns[len(columns[: view.most]) :]
    )


def _values(runs: Sequence[Run], name: str) -> list[Any]:
    return [field_value(run, name) for run in runs]


def _is_constant(values: Sequence[Any]) -> bool:
    # 1, 1.0 and True are equal to Python but are different params; NaN equals itself here.
    return len(values) > 1 and all(
        type(value) is type(values[0]) and (value == values[0] or (value != value and values[0] != values[0]))
        for value in values[1:]
    )


def runs_table(runs: Sequence[Run], selection: Selection, view: RunsView, ink: Ink) -> Table:
    """Set runs as a table, best values marked."""
    fixed: list[tuple[Column, list[Cell]]] = [
        (Column(""), [Cell(ink.mark(run.status), STATUS_STYLE[run.status]) for run in runs]),
        (Column("RUN"), [Cell(run.id[:SHORT_ID], "yellow") for run in runs]),
        (
            _fixed(view, Column("NAME", narrowest=12, name="name")),
            [Cell(clean(run.name), "dim" if run.deleted_ms else "") for run in runs],
        ),
    ]
    if len({run.experiment for run in runs}) > 1:
        cells = [Cell(clean(run.experiment)) for run in runs]
        column = Column("EXPERIMENT", drop=_DROP_ATTRIBUTE, narrowest=10, name="experiment")
        fixed.append((_fixed(view, column), cells))
    fixed += [
        (
            _fixed(view, Column("WHEN", right=True, drop=10), "start"),
            [Cell(format_age(run.start_ms, view.now_ms)) for run in runs],
        ),
        (
            _fixed(view, Column("TIME", right=True, drop=11, name="time"), "duration_s"),
            [Cell(format_duration(_seconds(run, view))) for run in runs],
        ),
    ]
    asked = _FIXED.intersection(view.columns or ())
    names = [name for name in selection.columns if name not in _FIXED or name in asked]
    data = [_data_column(runs, name, view, ink) for name in names]
    columns = [*fixed, *data, *_last_columns(runs, view)]
    return Table(
        tuple(column for column, _ in columns),
        tuple(tuple(cells[i] for _, cells in columns) for i in range(len(runs))),
    )


def _fixed(view: RunsView, column: Column, field: str = "") -> Column:
    """Give a column that nobody asked for its place in the order in which they go."""
    if (field or column.name) in view.keep:
        return column._replace(drop=0)
    behind = view.columns is not None or (view.everything and column.drop)
    return column._replace(drop=column.drop + _BEHIND) if behind else column


def _last_columns(runs: Sequence[Run], view: RunsView) -> list[tuple[Column, list[Cell]]]:
    last = []
    if any(run.code.commit for run in runs):
        column = Column("COMMIT", drop=15, name="code.commit")
        last.append((_fixed(view, column), [_commit(run) for run in runs]))
    notes = [_remark(run) for run in runs]
    if any(cell.text for cell in notes):
        column = Column("NOTE", drop=_DROP_NOTE, narrowest=12, name="note")
        last.append((_fixed(view, column), notes))
    return last


def _seconds(run: Run, view: RunsView) -> float | None:
    if run.duration_s is not None or run.status.is_final:
        return run.duration_s
    return max(0, view.now_ms - run.start_ms) / 1000


def _commit(run: Run) -> Cell:
    return Cell((run.code.commit or MISSING)[:SHORT_ID] + ("*" if run.code.dirty else ""), "dim")


def _remark(run: Run) -> Cell:
    """What is worth saying in the last column: an error, or the first line of the note."""
    if run.status in (RunStatus.FAILED, RunStatus.KILLED) and (run.error or run.exit_code):
        return Cell(clean(short_failure_text(run.status, run.error, run.exit_code)), "red")
    return Cell(clean(run.note.strip().partition("\n")[0]))


def _data_column(runs: Sequence[Run], name: str, view: RunsView, ink: Ink) -> tuple[Column, list[Cell]]:
    kind, title = name.partition(".")[0], clean(field_title(name))
    values = _values(runs, name)
    if name in view.keep[:1]:
        drop = 0
    elif name in view.keep or view.columns is not None:
        drop = _DROP_ASKED
    else:
        drop = _drop(kind, is_constant=view.everything and _is_constant(values))
    heading = shorten(title, view.longest)
    if kind != "metrics":
        cells = [Cell(_value_text(value, view.longest)) for value in values]
        right = all(isinstance(value, (int, float)) for value in values if value is not None)
        narrowest = None if drop or right else _NARROWEST_KEPT
        return Column(heading, right=right, drop=drop, narrowest=narrowest, name=title), cells
    texts, best = mark_best(title, values, [ink.sign(format_number(value)) for value in values])
    cells = [Cell(text, "bold green" if i in best else "") for i, text in enumerate(texts)]
    heading += ink.sign(arrow(title)) + (" " if best else "")
    return Column(heading, right=True, drop=drop, name=title), cells


def _drop(kind: str, *, is_constant: bool) -> int:
    if is_constant:
        return _DROP_CONSTANT
    return {"metrics": _DROP_METRIC, "params": _DROP_PARAM, "tags": _DROP_TAG}.get(kind, _DROP_ATTRIBUTE)


def _value_text(value: Any, longest: int | None) -> str:
    return MISSING if value is None else shorten(format_param(value), longest)


def leaders(runs: Sequence[Run], selection: Selection) -> list[tuple[str, Run]]:
    """Find the run with the best value of each metric shown, the first of equals."""
    return [(key, best[0]) for key, best in best_runs(runs, selection)]


def best_runs(runs: Sequence[Run], selection: Selection) -> list[tuple[str, list[Run]]]:
    """Find the runs with the best value of each metric shown."""
    found = []
    for name in selection.columns:
        if name.startswith("metrics."):
            key = field_title(name)
            best = best_indices(key, _values(runs, name))
            found += [(key, [runs[i] for i in best])] if best else []
    return found


def describe_constant(constant: Mapping[str, Any], *, shown: int = 3) -> str:
    """Name what is the same in all runs: `seed=7 optimizer=adam (+11)`."""
    texts = [
        f"{clean(name.partition('.')[2])}={clip(format_param(value), 24)}"
        for name, value in islice(constant.items(), shown)
    ]
    more = f" (+{len(constant) - shown})" if len(constant) > shown else ""
    return " ".join(texts) + more


def count_statuses(runs: Sequence[Run]) -> Counter[RunStatus]:
    """Count runs by status."""
    return Counter(run.status for run in runs)
