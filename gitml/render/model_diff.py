"""A comparison of versions, as text and for programs: that of their runs, with what the versions are."""

from __future__ import annotations

from typing import Any

from gitml.registry.comparison import ModelDiff
from gitml.render.diff_listing import (
    diff_document,
    distinct,
    exact_listing,
    exact_records,
    exact_rows,
    rows_document,
)
from gitml.render.diff_table import diff_records, rows_records, table_of
from gitml.render.diff_text import diff_text, section, whole_value
from gitml.render.ink import Ink
from gitml.render.listing import Listing
from gitml.render.model_documents import version_document
from gitml.render.text import clean, clip
from gitml.tracking.diff import Value

_DIGEST = 19  # as much of one as people compare


def model_diff_text(
    diff: ModelDiff, ink: Ink, cells: int | None, *, everything: bool = False, stat: bool = False
) -> str:
    """Write a comparison of versions."""
    names = [
        f"{ink.paint(clean(one.name), 'bold')} {ink.paint(f'v{one.version}', 'yellow')}"
        for one in diff.versions
    ]
    arrow = f"  {ink.sign('→')}  "
    heading = f"model {arrow.join(names)}" if len(names) == 2 else f"models {', '.join(names)}"
    lines = section("version", diff.model, _value, diff.runs.runs, ink, cells, everything=everything)
    text = diff_text(diff.runs, ink, cells, everything=everything, stat=stat)
    return "\n".join([heading, *lines]) + "\n" + text


def _value(value: Value) -> str:
    if isinstance(value, str) and value.startswith("sha256:"):
        return clip(value, _DIGEST)
    return whole_value(value)


def model_diff_document(diff: ModelDiff, *, everything: bool) -> dict[str, Any]:
    """Describe a comparison; the values in its rows are named by the versions' URIs."""
    names = [version.uri for version in diff.versions]
    return diff_document(diff.runs, everything=everything, names=names) | {
        "differs": diff.differs,
        "versions": [version_document(version) for version in diff.versions],
        "model": rows_document("model", diff.model, names, everything=everything),
    }


def model_diff_listing(diff: ModelDiff, *, everything: bool) -> Listing:
    """Make a comparison ready for CSV and scripts: one record a key, every number exact."""
    names = _names(diff)
    shown = [row for row in diff.model if everything or not row.same]
    records = [
        *exact_rows("model", shown, names),
        *exact_records(diff.runs, names, everything=everything),
    ]
    return exact_listing(model_diff_document(diff, everything=everything), records, names)


def model_diff_table(diff: ModelDiff, *, everything: bool) -> Listing:
    """Make a comparison ready for Markdown."""
    names = _names(diff)
    shown = [row for row in diff.model if everything or not row.same]
    records = [
        *rows_records("model", shown, names),
        *diff_records(diff.runs, names, everything=everything),
    ]
    return table_of(records, names)


def _names(diff: ModelDiff) -> list[str]:
    return distinct([f"{version.name}@v{version.version}" for version in diff.versions])
