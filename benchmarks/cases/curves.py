"""One long curve, read as a DataFrame."""

from __future__ import annotations

import math

from context import Context
from measure import BrokenBenchmarkError, Result, Target, interleave, result
from synthetic import add_curve_to_mlflow


def curve(context: Context) -> list[Result]:
    """All points of one metric of one run."""
    sizes = context.sizes
    repository = context.new_repository()
    run_id = context.gitml("gitml_curve", repository, points=sizes.points).answer["run_id"]
    store = context.new_mlflow_store()
    if store:
        peer_id = context.mlflow("mlflow_empty_run", store).answer["run_id"]
        add_curve_to_mlflow(store / "mlflow.db", peer_id, "loss", sizes.points - 1)
    ours, theirs = interleave(
        (lambda: context.gitml("gitml_read_curve", repository, run_id=run_id).answer, sizes.rounds),
        (lambda: context.mlflow("mlflow_read_curve", store, run_id=peer_id).answer, 1) if store else None,
    )
    for answer in [*ours, *theirs]:
        if answer["rows"] != sizes.points:
            raise BrokenBenchmarkError(f"{answer['rows']:,} points were read, {sizes.points:,} were logged")
    total = sum(1 / step for step in range(1, sizes.points + 1))
    if not math.isclose(ours[0]["sum"], total):
        raise BrokenBenchmarkError(f"the points add up to {ours[0]['sum']}, not to {total}")
    return [
        result(
            "curve_frame",
            f"{sizes.points:,} points of one metric as a DataFrame",
            "s",
            [answer["s"] for answer in ours],
            peer=[answer["s"] for answer in theirs],
            peer_what="get_metric_history and a DataFrame of it",
            target=Target(0.3),
            note="the only call of its process, pandas loaded before",
        )
    ]
