"""A comparison of runs for programs: JSON, flat records, a Markdown table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gitml.render.fields import SHORT_ID
from gitml.render.listing import Listing
from gitml.render.numbers import format_change, format_percent
from gitml.render.text import clean
from gitml.tracking.diff import ABSENT, FileContent, Row, RunDiff, Value, judge, metric_change

_SECTIONS = ("params", "metrics", "data", "packages", "system", "files", "tags", "facts")


def diff_document(
    diff: RunDiff, *, everything: bool = True, names: Sequence[str] | None = None
) -> dict[str, Any]:
    """Describe a comparison; a value that a run lacks is left out of its row's `values`.

    Args:
        diff: The comparison.
        everything: Whether what is the same is there too.
        names: What the runs are called in `values`, if not by their ids.
    """
    called = names or [run.id for run in diff.runs]
    document: dict[str, Any] = {
        "runs": [{"id": run.id, "name": run.name, "commit": run.commit} for run in diff.runs],
        "differs": diff.differs,
    }
    for section in _SECTIONS:
        rows: Sequence[Row] = getattr(diff, section)
        document[section] = rows_document(section, rows, called, everything=everything)
    document["code"] = {
        "known": diff.code.known,
        "same": diff.code.same,
        "trees": list(diff.code.trees),
        "files": [
            {"path": change.path, "added": change.added, "removed": change.removed}
            for change in diff.code.changes
        ],
    }
    return document


def rows_document(
    section: str, rows: Sequence[Row], names: Sequence[str], *, everything: bool
) -> list[dict[str, Any]]:
    """Describe what differs in one respect."""
    return [_row(section, row, names) for row in rows if everything or not row.same]


def _row(section: str, row: Row, names: Sequence[str]) -> dict[str, Any]:
    pairs = zip(names, row.values, strict=True)
    document: dict[str, Any] = {
        "key": row.key,
        "same": row.same,
        "values": {name: _plain(value) for name, value in pairs if value is not ABSENT},
    }
    before, after = row.values[0], row.values[-1]
    if section == "metrics" and isinstance(before, (int, float)) and isinstance(after, (int, float)):
        change, share = metric_change(before, after)
        document |= {"change": change, "share": share, "verdict": judge(row.key, before, after)}
    return document


def _plain(value: Value) -> Any:
    if isinstance(value, FileContent):
        return {"size": value.size, "digest": value.digest}
    return value


def diff_listing(diff: RunDiff, *, everything: bool) -> Listing:
    """Make a comparison ready for CSV, Markdown and scripts: one record a key."""
    names = [f"{run.id[:SHORT_ID]}" for run in diff.runs]
    fields = ("section", "key", *dict.fromkeys(names), "change")
    records = diff_records(diff, names, everything=everything)
    return Listing("diff", [diff_document(diff, everything=everything)], records, fields, fields)


def diff_records(diff: RunDiff, names: Sequence[str], *, everything: bool) -> list[Mapping[str, Any]]:
    """Write a comparison flat, one record a key, with a field a run."""
    records: list[Mapping[str, Any]] = []
    for section in _SECTIONS:
        rows: Sequence[Row] = getattr(diff, section)
        shown = [row for row in rows if (everything or not row.same) and (everything or section != "facts")]
        records += rows_records(section, shown, names)
    records += [
        {"section": "code", "key": change.path, "change": f"+{change.added} -{change.removed}"}
        for change in diff.code.changes
    ]
    return records


def rows_records(section: str, rows: Sequence[Row], names: Sequence[str]) -> list[Mapping[str, Any]]:
    """Write what differs in one respect flat."""
    return [_record(section, row, names) for row in rows]


def _record(section: str, row: Row, names: Sequence[str]) -> dict[str, Any]:
    record: dict[str, Any] = {"section": section, "key": clean(row.key), "change": ""}
    record |= {name: _flat(value) for name, value in zip(names, row.values, strict=True)}
    before, after = row.values[0], row.values[-1]
    if (
        section == "metrics"
        and isinstance(before, (int, float))
        and isinstance(after, (int, float))
        and not row.same
    ):
        parts = (format_change(before, after), format_percent(before, after), judge(row.key, before, after))
        record["change"] = " ".join(part for part in parts if part)
    return record


def _flat(value: Value) -> Any:
    if value is ABSENT:
        return None
    return f"{value.size} {value.digest[:SHORT_ID]}" if isinstance(value, FileContent) else value
