"""Reading many runs: the newest, those that a filter finds, all of them."""

from __future__ import annotations

from pathlib import Path

from context import Context
from measure import BrokenBenchmarkError, Result, Target, interleave, result
from workloads import FILTER, ORDER

_NEWEST = 20
_SEARCHES, _PEER_SEARCHES = 15, 3


def finding(context: Context) -> list[Result]:
    """Three questions to a store with many runs of 20 keys."""
    repository = context.full_repository()
    store = context.full_mlflow_store()
    log = [*context.gitml_command, "log", "-n", str(_NEWEST)]
    context.run(log, repository)  # builds the index
    return [
        _size(context, repository, store),
        *_newest(context, log, repository, store),
        *_search(context, repository, store),
        *_frame(context, repository, store),
    ]


def _size(context: Context, repository: Path, store: Path | None) -> Result:
    index = (repository / ".git" / "gitml" / "index.sqlite").stat().st_size / 1e6
    packs = (file.stat().st_size for file in (repository / ".git" / "objects").rglob("*") if file.is_file())
    return result(
        "store_size",
        f"disk that {context.sizes.runs:,} runs × 20 keys take, packed",
        "MB",
        [sum(packs) / 1e6],
        peer=[(store / "mlflow.db").stat().st_size / 1e6] if store else [],
        note=f"the index, which can be deleted at any time, takes another {index:,.0f} MB",
    )


def _newest(context: Context, log: list[str], repository: Path, store: Path | None) -> list[Result]:
    sizes = context.sizes
    ours, theirs = interleave(
        (lambda: context.run(log, repository).wall_s, sizes.start_rounds),
        (lambda: context.mlflow("newest", store, count=_NEWEST).wall_s, sizes.peer_rounds) if store else None,
    )
    return [
        result(
            "log_newest",
            f"`gitml log -n {_NEWEST}`, the whole process, {sizes.runs:,} runs",
            "s",
            ours,
            peer=theirs,
            target=Target(0.3),
            peer_what=f"a script that prints search_runs(max_results={_NEWEST}); MLflow has no such command",
        )
    ]


def _search(context: Context, repository: Path, store: Path | None) -> list[Result]:
    sizes = context.sizes
    ours, theirs = interleave(
        (lambda: context.gitml("search", repository, repeats=_SEARCHES).answer, sizes.rounds),
        (lambda: context.mlflow("search", store, repeats=_PEER_SEARCHES).answer, 1) if store else None,
    )
    for answer in theirs:
        if answer["found"] != ours[0]["found"]:
            raise BrokenBenchmarkError("gitml and the peer found different runs")
    return [
        result(
            "search",
            f"{FILTER}, ordered, at most 100, {sizes.runs:,} runs",
            "ms",
            [answer["ms"] for answer in ours],
            peer=[answer["ms"] for answer in theirs],
            target=Target(100),
            note=f"by {ORDER[0]}; in process, median of {_SEARCHES} calls after the first (the peer's of {_PEER_SEARCHES}); both found the same runs",
        ),
        result(
            "search_first",
            "… the first call of a process",
            "ms",
            [answer["first_ms"] for answer in ours],
            peer=[answer["first_ms"] for answer in theirs],
        ),
    ]


def _frame(context: Context, repository: Path, store: Path | None) -> list[Result]:
    sizes = context.sizes
    ours, theirs = interleave(
        (lambda: context.gitml("frame", repository, runs=sizes.runs), sizes.rounds),
        (lambda: context.mlflow("frame", store, runs=sizes.runs), 1) if store else None,
    )
    for child in [*ours, *theirs]:
        if (child.answer["rows"], child.answer["keys"]) != (sizes.runs, 20):
            raise BrokenBenchmarkError(f"the table is {child.answer}, not {sizes.runs} runs of 20 keys")
    peak = max(child.peak_bytes for child in ours) / 1e6
    return [
        result(
            "all_runs_frame",
            f"all {sizes.runs:,} runs × 20 keys as a DataFrame",
            "s",
            [child.answer["s"] for child in ours],
            peer=[child.answer["s"] for child in theirs],
            target=Target(5),
            note=f"the only call of its process, pandas loaded before; peak memory {peak:,.0f} MB",
        )
    ]
