"""The report of a branch in Markdown, for a comment of its pull request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gitml.entities.run import Run
from gitml.render.as_json import run_document
from gitml.render.better import arrow
from gitml.render.diff_listing import diff_document
from gitml.render.diff_table import diff_records
from gitml.render.fields import SHORT_ID
from gitml.render.listing import markdown_table
from gitml.render.numbers import format_number
from gitml.render.text import clean, plural
from gitml.tracking.branch_runs import BranchRuns
from gitml.tracking.diff import RunDiff
from gitml.tracking.direction import has_goal

# By this the workflow finds the comment again that it wrote before.
MARK = "<!-- gitml report -->"
_RUNS, _METRICS, _ROWS, _CELL = 20, 6, 40, 80
_SECTIONS = ("metrics", "params", "data", "packages")


def report_text(found: BranchRuns, diff: RunDiff | None) -> str:
    """Write the report.

    Args:
        found: The runs.
        diff: What differs between the run of the base and the branch's own, in this order.
    """
    parts = [MARK, "### Runs of this branch", _summary(found)]
    if found.runs:
        parts.append(_table(found.runs))
    if diff is not None and found.candidate is not None and found.against is not None:
        how = f"the best by {_inline(found.metric)}" if found.metric else "the newest"
        parts.append(
            f"### {_inline(found.candidate.name)} against {_inline(found.against.name)}, {how} of the base"
        )
        parts.append(_changes(diff))
    elif found.runs:
        parts.append("There is no run of the base to compare with.")
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _summary(found: BranchRuns) -> str:
    commits = f"{plural(found.commits, 'commit')} above `{found.base[:SHORT_ID]}`"
    if not found.runs:
        return f"No runs were made from {commits}. `gitml run` records one, `gitml push` shares it."
    more = f", the newest {_RUNS} of them" if len(found.runs) > _RUNS else ""
    return f"{plural(len(found.runs), 'run')} made from {commits}{more}:"


def _table(runs: Sequence[Run]) -> str:
    shown = runs[:_RUNS]
    names = list(dict.fromkeys(name for run in shown for name in run.metrics if has_goal(name)))[:_METRICS]
    heading = ["run", "id", "code", "status", *(f"{name} {arrow(name)}".strip() for name in names)]
    rows = [
        [
            run.name,
            run.id[:SHORT_ID],
            (run.code.commit or "")[:SHORT_ID] + ("+" if run.code.dirty else ""),
            run.status.value,
            *(format_number(run.metrics[name].last) if name in run.metrics else "" for name in names),
        ]
        for run in shown
    ]
    return _markdown(heading, rows, [False] * 4 + [True] * len(names))


def _changes(diff: RunDiff) -> str:
    records = diff_records(diff, ["before", "after"], everything=False)
    chosen = [record for section in _SECTIONS for record in records if record["section"] == section]
    if not chosen:
        return "Metrics, params, data and packages are the same."
    fields = ("section", "key", "before", "after", "change")
    rows = [[_cell(record.get(field)) for field in fields] for record in chosen[:_ROWS]]
    more = f"\n… and {len(chosen) - _ROWS} more" if len(chosen) > _ROWS else ""
    return _markdown(["", *fields[1:]], rows, [False, False, True, True, True]) + more


def _cell(value: Any) -> str:
    return "" if value is None else format_number(value) if isinstance(value, float) else str(value)


def _markdown(heading: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    short = [[_quiet(_clipped(clean(text))) for text in row] for row in rows]
    return markdown_table([_quiet(clean(text)) for text in heading], short, right)


def _clipped(text: str) -> str:
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"


def _inline(text: str | None) -> str:
    """Write a value within a line: it stays text, whatever it looks like."""
    escaped = re.sub(r"([\\`*_{}\[\]<>#|~!()+.-])", r"\\\1", _clipped(clean(text or "")))
    return _quiet(escaped)


def _quiet(text: str) -> str:
    """Keep hosts from notifying people, and from linking what only looks like a link."""
    return text.replace("@", "@\N{WORD JOINER}").replace("://", ":\N{WORD JOINER}//")


def report_document(found: BranchRuns, diff: RunDiff | None) -> dict[str, Any]:
    """Describe the report for programs."""
    return {
        "base": found.base,
        "head": found.head,
        "commits": found.commits,
        "metric": found.metric,
        "runs": [run_document(run) for run in found.runs],
        "candidate": found.candidate.id if found.candidate else None,
        "against": found.against.id if found.against else None,
        "diff": diff_document(diff, everything=False) if diff else None,
    }
