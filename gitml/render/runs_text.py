"""Other shapes of a list of runs: one line each, one key a line, grouped, and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gitml.entities.run import Run
from gitml.render.as_json import run_document
from gitml.render.better import arrow
from gitml.render.fields import ATTRIBUTES, SHORT_ID, field_title, field_value, known_fields
from gitml.render.ink import STATUS_STYLE, Ink
from gitml.render.listing import Listing
from gitml.render.numbers import (
    MISSING,
    format_age,
    format_number,
    format_param,
    mean_and_deviation,
    mean_and_spread,
)
from gitml.render.runs_table import Selection
from gitml.render.table import Cell, Column, Table
from gitml.render.text import clean, clip, shorten, width
from gitml.tracking.direction import has_goal

PORCELAIN_FIELDS = (
    "id", "status", "name", "experiment", "start", "duration_s", "code.commit", "code.dirty", "user", "parent",
)  # fmt: skip
_CSV_FIELDS = (
    "id", "name", "experiment", "status", "start", "end", "duration_s", "user", "code.commit", "code.branch",
    "code.dirty", "parent", "command", "exit_code", "error", "note", "experiment_id", "host", "entry_point",
    "live", "deleted", "commit",
)  # fmt: skip
_HEADLINE_METRICS = 3
_LONGEST = 40


def runs_listing(runs: Sequence[Run], columns: Sequence[str] | None, selection: Selection) -> Listing:
    """Make runs ready for programs.

    Args:
        runs: The runs.
        columns: Fields that were asked for; None for all there are.
        selection: The columns of the table, which Markdown shows too.
    """
    fields = [*_CSV_FIELDS, *known_fields(runs)] if columns is None else ["id", "name", *columns]
    names = list(dict.fromkeys((*ATTRIBUTES, *fields, *selection.columns)))
    return Listing(
        kind="runs",
        documents=[run_document(run) for run in runs],
        records=[
            {name: field_value(run, name) for name in names} | {"run": run.id[:SHORT_ID]} for run in runs
        ],
        fields=tuple(dict.fromkeys(fields)),
        porcelain=(*PORCELAIN_FIELDS, *(columns or ())),
        markdown=("run", "name", "status", *selection.columns),
    )


def one_line(run: Run, selection: Selection, ink: Ink, now_ms: int, cells: int | None = None) -> str:
    """Write a run as git's `--oneline` does: id, name, headline metrics, age."""
    name = clean(f"{run.experiment}/{run.name}")
    age = f"({format_age(run.start_ms, now_ms)})"
    middle = f"{clip(name, 40) if cells else name} {headline(run, selection, ink)}".rstrip()
    if cells is not None:
        middle = clip(middle, max(10, cells - SHORT_ID - width(age) - 4))
    mark = ink.paint(ink.mark(run.status), STATUS_STYLE[run.status])
    return f"{mark} {ink.paint(run.id[:SHORT_ID], 'yellow')} {middle} {ink.paint(age, 'dim')}"


def headline(run: Run, selection: Selection, ink: Ink) -> str:
    """Write the first few metrics of a run: those that vary among its neighbours first."""
    wanted = [name[len("metrics.") :].strip("`") for name in selection.columns if name.startswith("metrics.")]
    keys = [key for key in dict.fromkeys((*wanted, *run.metrics)) if key in run.metrics and has_goal(key)]
    return " ".join(
        f"{clean(key)}={ink.sign(format_number(run.metrics[key].last))}" for key in keys[:_HEADLINE_METRICS]
    )


def vertical(runs: Sequence[Run], fields: Sequence[str]) -> str:
    """Write one key a line, each with the run's id before it, so that `grep` keeps its context."""
    blocks = []
    for run in runs:
        names = [*(name for name in _CSV_FIELDS if name != "id"), *(fields or known_fields([run]))]
        values = {name: field_value(run, name) for name in dict.fromkeys(names)}
        blocks.append(
            "".join(
                f"{run.id[:SHORT_ID]} {clean(name)}: {clean(_text(value))}\n"
                for name, value in values.items()
                if value is not None
            )
        )
    return "\n".join(blocks)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else format_param(value)


def group_runs(runs: Sequence[Run], field: str) -> list[tuple[Any, list[Run]]]:
    """Put runs with the same value of a field together, in the order of first sight."""
    groups: dict[str, tuple[Any, list[Run]]] = {}
    for run in runs:
        value = field_value(run, field)
        groups.setdefault(f"{type(value).__name__} {value}", (value, []))[1].append(run)
    return list(groups.values())


def groups_table(
    groups: Sequence[tuple[Any, list[Run]]],
    field: str,
    metrics: Sequence[str],
    ink: Ink,
    *,
    whole: bool = False,
) -> Table:
    """Set groups of runs: how many, and mean ± standard deviation of each metric.

    Where not all runs of a group have a metric, the number of those that do stands beside it.

    Args:
        groups: Values with the runs that have them.
        field: What they are values of.
        metrics: Which metrics.
        ink: How to write.
        whole: Whether nothing is cut, however long.
    """
    longest = None if whole else _LONGEST
    columns = [Column(clean(field_title(field))), Column("n", right=True)]
    columns += [
        Column(shorten(clean(key), longest) + ink.sign(arrow(key)), right=True, drop=20, name=clean(key))
        for key in metrics
    ]
    rows = [
        (
            Cell(ink.sign(MISSING) if value is None else shorten(format_param(value), longest)),
            Cell(str(len(members))),
            *(Cell(ink.sign(_mean_text(members, key))) for key in metrics),
        )
        for value, members in groups
    ]
    return Table(tuple(columns), tuple(rows))


def _mean_text(members: Sequence[Run], metric: str) -> str:
    known = _known(members, metric)
    counted = f" (n {len(known)})" if 0 < len(known) < len(members) else ""
    return mean_and_spread(known) + counted


def groups_listing(groups: Sequence[tuple[Any, list[Run]]], field: str, metrics: Sequence[str]) -> Listing:
    """Make groups ready for programs."""
    records = []
    for value, members in groups:
        record: dict[str, Any] = {field: value, "n": len(members)}
        for key in metrics:
            mean, deviation = mean_and_deviation(_known(members, key))
            record |= {f"metrics.{key}.mean": mean, f"metrics.{key}.sd": deviation}
        record |= {f"metrics.{key}.n": len(_known(members, key)) for key in metrics}
        records.append(record)
    return Listing.of("groups", records)


def _known(runs: Sequence[Run], metric: str) -> list[Any]:
    values = (field_value(run, f"metrics.{metric}") for run in runs)
    return [value for value in values if value is not None]
