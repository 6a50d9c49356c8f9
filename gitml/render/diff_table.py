"""A comparison of runs as flat records for people, one a key: for Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gitml.render.change import describe_change
from gitml.render.diff_listing import SECTIONS, distinct
from gitml.render.fields import SHORT_ID
from gitml.render.listing import Listing
from gitml.render.text import clean
from gitml.tracking.diff import ABSENT, CodeChange, FileContent, Row, RunDiff, Value


def diff_table(diff: RunDiff, *, everything: bool) -> Listing:
    """Make a comparison ready for Markdown."""
    names = distinct([run.id[:SHORT_ID] for run in diff.runs])
    return table_of(diff_records(diff, names, everything=everything), names)


def table_of(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Listing:
    """List records of `diff_records`, with a column for each name."""
    return Listing.of("diff", records, ("section", "key", *names, "change"))


def diff_records(diff: RunDiff, names: Sequence[str], *, everything: bool) -> list[Mapping[str, Any]]:
    """Write a comparison flat, one record a key, with a field a run."""
    records: list[Mapping[str, Any]] = []
    for section in SECTIONS:
        rows: Sequence[Row] = getattr(diff, section)
        shown = [row for row in rows if everything or (not row.same and section != "facts")]
        records += rows_records(section, shown, names)
    records += [
        {"section": "code", "key": change.path, "change": line_counts(change)} for change in diff.code.changes
    ]
    return records


def rows_records(section: str, rows: Sequence[Row], names: Sequence[str]) -> list[Mapping[str, Any]]:
    """Write what differs in one respect flat."""
    return [_record(section, row, names) for row in rows]


def _record(section: str, row: Row, names: Sequence[str]) -> dict[str, Any]:
    record: dict[str, Any] = {"section": section, "key": clean(row.key), "change": ""}
    record |= {name: _flat(value) for name, value in zip(names, row.values, strict=True)}
    if section == "metrics":
        record["change"] = str(describe_change(row.key, row.values[0], row.values[-1]))
    return record


def _flat(value: Value) -> Any:
    if value is ABSENT:
        return None
    return f"{value.size} {value.digest[:SHORT_ID]}" if isinstance(value, FileContent) else value


def line_counts(change: CodeChange) -> str:
    """Say how many lines of a file of the source were added and removed."""
    return "binary" if change.added is None else f"+{change.added} -{change.removed}"
