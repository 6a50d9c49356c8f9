"""Jobs as a table, and as records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gitml.render.ink import Ink
from gitml.render.listing import Listing
from gitml.render.numbers import format_age, utc_text
from gitml.render.table import Cell, Column, Table, draw
from gitml.render.text import clean

if TYPE_CHECKING:
    from gitml.execution.backends.jobs import KnownJob

_STYLES = {"running": "green", "failed": "red", "pending": "yellow", "unknown": "dim", "cancelled": "dim"}
_FIELDS = (
    "run_id",
    "name",
    "backend",
    "id",
    "state",
    "exit_code",
    "reason",
    "submitted",
    "run_status",
    "remote",
)


def jobs_listing(jobs: Sequence[KnownJob]) -> Listing:
    """Make jobs records for programs."""
    return Listing.of("jobs", [_document(job) for job in jobs], _FIELDS)


def _document(job: KnownJob) -> dict[str, Any]:
    record, status = job.record, job.status
    return {
        "run_id": record.run_id,
        "name": record.name,
        "backend": record.backend,
        "id": record.id,
        "state": status.state.value,
        "exit_code": status.exit_code,
        "reason": status.reason,
        "submitted": utc_text(record.submitted_ms),
        "run_status": None if job.run is None else job.run.status.value,
        "remote": record.remote,
    }


def jobs_lines(jobs: Sequence[KnownJob], now_ms: int, *, cells: int | None, ink: Ink) -> list[str]:
    """Draw jobs as a table."""
    columns = (
        Column("RUN"),
        Column("NAME", narrowest=12, drop=3),
        Column("BACKEND", drop=2),
        Column("ID", drop=1),
        Column("STATE"),
        Column("EXIT", right=True),
        Column("SUBMITTED", right=True, drop=4),
        Column("", narrowest=12, drop=5),
    )
    rows = tuple(_row(job, now_ms) for job in jobs)
    return list(draw(Table(columns, rows), cells=cells, ink=ink).lines)


def _row(job: KnownJob, now_ms: int) -> tuple[Cell, ...]:
    record, status = job.record, job.status
    state = status.state.value
    return (
        Cell(record.run_id[:7], "yellow"),
        Cell(clean(record.name)),
        Cell(clean(record.backend)),
        Cell(clean(record.id)),
        Cell(state, _STYLES.get(state, "")),
        Cell("" if status.exit_code is None else str(status.exit_code)),
        Cell(format_age(record.submitted_ms, now_ms)),
        Cell(clean(status.reason or "")),
    )
