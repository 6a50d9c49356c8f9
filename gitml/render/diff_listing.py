"""A comparison of runs for programs: JSON, and flat records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gitml.render.listing import Listing
from gitml.tracking.diff import ABSENT, FileContent, Row, RunDiff, Value, judge, metric_change

SECTIONS = ("params", "metrics", "data", "packages", "system", "files", "tags", "facts")
_ABOUT_CHANGES = ("change", "share", "verdict", "added", "removed")


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
    for section in SECTIONS:
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
    return document | _change(section, row)


def _change(section: str, row: Row) -> dict[str, Any]:
    """Describe how a number went from the first run to the last; nothing of what is none."""
    before, after = row.values[0], row.values[-1]
    if not isinstance(before, (int, float)) or not isinstance(after, (int, float)):
        return {}
    if section not in ("metrics", "sizes"):
        return {}
    change, share = metric_change(before, after)
    judged = {"verdict": judge(row.key, before, after)} if section == "metrics" else {}
    return {"change": change, "share": share, **judged}


def _plain(value: Value) -> Any:
    if isinstance(value, FileContent):
        return {"size": value.size, "digest": value.digest}
    return value


def diff_listing(diff: RunDiff, *, everything: bool) -> Listing:
    """Make a comparison ready for CSV and scripts: one record a key, every number exact."""
    names = distinct([run.id for run in diff.runs])
    records = exact_records(diff, names, everything=everything)
    return exact_listing(diff_document(diff, everything=everything), records, names)


def exact_listing(
    document: Mapping[str, Any], records: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> Listing:
    """List records of `exact_records`, with a column for each name."""
    fields = ("section", "key", *names, *_ABOUT_CHANGES)
    return Listing("diff", [document], records, fields, fields)


def exact_records(diff: RunDiff, names: Sequence[str], *, everything: bool) -> list[Mapping[str, Any]]:
    """Write a comparison flat, with a field a run.

    A file has two records: its digests are in `files`, its sizes in `sizes`.
    """
    records: list[Mapping[str, Any]] = []
    for section in SECTIONS:
        rows: Sequence[Row] = getattr(diff, section)
        shown = [row for row in rows if everything or (not row.same and section != "facts")]
        records += exact_rows(section, shown, names)
        if section == "files":
            records += exact_rows("sizes", [_sizes(row) for row in shown], names)
    records += [
        {"section": "code", "key": change.path, "added": change.added, "removed": change.removed}
        for change in diff.code.changes
    ]
    return records


def exact_rows(section: str, rows: Sequence[Row], names: Sequence[str]) -> list[Mapping[str, Any]]:
    """Write what differs in one respect flat."""
    return [
        {"section": section, "key": row.key}
        | {name: _digest(value) for name, value in zip(names, row.values, strict=True)}
        | _change(section, row)
        for row in rows
    ]


def distinct(names: Sequence[str]) -> list[str]:
    """Make names of columns that all differ: the same run may be named twice."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _sizes(row: Row) -> Row:
    return Row(row.key, tuple(v.size if isinstance(v, FileContent) else ABSENT for v in row.values))


def _digest(value: Value) -> Any:
    if value is ABSENT:
        return None
    return value.digest if isinstance(value, FileContent) else value
