"""Runs with readable data, for whoever needs one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitml.entities.run import MetricSummary, Number, Run, RunStatus

NOW_MS = 1_764_000_000_000
HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\x07\u202egnp.exe\r\n\t| `#` 🚀 \u05e2\u05d1\u05e8 \x00 \ud800"


def make_summary(
    last: Number, *, low: Number | None = None, high: Number | None = None, count: int = 40
) -> MetricSummary:
    """A metric that was logged at steps 0 … count - 1."""
    return MetricSummary(
        last=last, step=count - 1, timestamp_ms=NOW_MS, min=last if low is None else low, min_step=count - 2,
        max=last if high is None else high, max_step=count - 3, count=count,
    )  # fmt: skip


def make_run(name: str = "calm-otter", *, metrics: Mapping[str, Number] | None = None, **fields: Any) -> Run:
    """A finished run that started an hour before NOW_MS."""
    facts: dict[str, Any] = {
        "id": f"{abs(hash(name)) % 16**12:012x}".ljust(32, "0"),
        "name": name,
        "status": RunStatus.FINISHED,
        "start_ms": NOW_MS - 3_600_000,
        "end_ms": NOW_MS - 3_500_000,
        "duration_s": 100.0,
        "user": "Ada <ada@example.org>",
    }
    summaries = {key: make_summary(value) for key, value in (metrics or {}).items()}
    return Run(**{**facts, "metrics": summaries, **fields})
