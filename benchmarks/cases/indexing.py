"""The index: built from nothing, and brought up to date after one run."""

from __future__ import annotations

from context import Context
from measure import BrokenBenchmarkError, Result, Target, interleave, result

_UPDATES = 15


def indexing(context: Context) -> list[Result]:
    """The peer has no index: its database is its only copy."""
    sizes = context.sizes
    repository = context.full_repository()
    (built,) = interleave((lambda: context.gitml("gitml_build_index", repository), min(3, sizes.rounds)))
    for child in built:
        if (child.answer["params"], child.answer["metrics"]) != (10, 10):
            raise BrokenBenchmarkError(f"the index has {child.answer}, not 10 params and 10 metrics")
    (updated,) = interleave(
        (lambda: context.gitml("gitml_update_index", repository, repeats=_UPDATES).answer["ms"], 3)
    )
    many = f"{sizes.runs:,} runs × 20 keys"
    return [
        result(
            "index_build",
            f"building the index from nothing, {many}",
            "runs/s",
            [sizes.runs / child.answer["s"] for child in built],
            target=Target(8000, at_least=True),
        ),
        result(
            "index_build_memory",
            "… peak memory of its largest process",
            "MB",
            [child.peak_bytes / 1e6 for child in built],
            target=Target(500),
        ),
        result(
            "index_update",
            f"updating it after one run, {many}",
            "ms",
            updated,
            target=Target(20),
            note=f"median of {_UPDATES} updates in each repeat",
        ),
    ]
