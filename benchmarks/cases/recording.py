"""Writing: one metric at a time, and whole short runs."""

from __future__ import annotations

import json
import os
import statistics
from pathlib import Path

from context import FULL, Context
from measure import Result, Target, interleave, result
from quiet import wait_until_quiet


def log_metric(context: Context) -> list[Result]:
    """What a training loop pays for a point, and whether the point survives the process."""
    sizes = context.sizes
    repository, store = context.new_repository(), context.new_mlflow_store()
    appends, ours, theirs = interleave(
        (lambda: context.plain("plain_append", context.folder, calls=sizes.calls).answer["us"], sizes.rounds),
        (lambda: context.gitml("log_metric", repository, calls=sizes.calls).answer["us"], sizes.rounds),
        (
            lambda: context.mlflow("log_metric", store, calls=sizes.peer_calls).answer["us"],
            sizes.peer_rounds,
        )
        if store
        else None,
    )
    call = result(
        "log_metric",
        "one call of log_metric in a training loop",
        "µs",
        ours,
        peer=theirs,
        target=Target(3),
        reference=statistics.median(appends),
        reference_what="one write of such a line, ready-made, to an open file",
        note=f"median of {sizes.calls:,} calls, the peer's of {sizes.peer_calls:,}, in each repeat",
    )
    results = [call]
    if call.ratio is not None:
        ratios = [statistics.median(theirs) / own for own in ours]
        target = Target(100, at_least=True)
        results.append(result("log_metric_ratio", "… times faster than MLflow", "×", ratios, target=target))
    return [*results, _survival(context, repository, store)]


def _survival(context: Context, repository: Path, store: Path | None) -> Result:
    points = context.sizes.peer_calls
    killed = context.gitml("log_until_killed", repository, points=points, expect=-9)
    run_id = json.loads(killed.output)["run_id"]
    ours = context.gitml("count_points", repository, run_id=run_id).answer["points"]
    theirs = []
    if store:
        killed = context.mlflow("log_until_killed", store, points=points, expect=-9)
        run_id = json.loads(killed.output)["run_id"]
        theirs = [context.mlflow("count_points", store, run_id=run_id).answer["points"]]
    what = f"of {points:,} points found after kill -9"
    return result("points_kept", what, "points", [ours], peer=theirs, target=Target(points, at_least=True))


def short_run(context: Context) -> list[Result]:
    """A whole run in one process, into an empty store and on top of many runs."""
    sizes = context.sizes
    files = _artifacts(context)
    few, many = context.new_repository(), context.full_repository()
    few_peer, many_peer = context.new_mlflow_store(), context.full_mlflow_store()

    def ours(repository: Path) -> float:
        return float(context.gitml("short_runs", repository, files=files).answer["ms"])

    def theirs(store: Path) -> float:
        return float(context.mlflow("short_runs", store, files=files).answer["ms"])

    def plain() -> float:
        return float(context.plain("plain_runs", context.new_folder("plain"), files=files).answer["ms"])

    if sizes == FULL:
        wait_until_quiet(context.new_folder("quiet"))
    floor, *found = interleave(
        (plain, sizes.rounds),
        (lambda: ours(few), sizes.rounds),
        (lambda: theirs(few_peer), sizes.peer_rounds) if few_peer else None,
        (lambda: ours(many), sizes.rounds),
        (lambda: theirs(many_peer), sizes.peer_rounds) if many_peer else None,
    )
    return [
        _short_run_result(context, ("short_run_first", "no runs"), floor, *found[:2]),
        _short_run_result(context, ("short_run_many", f"{sizes.runs:,} runs"), floor, *found[2:]),
    ]


def _short_run_result(
    context: Context, names: tuple[str, str], floor: list[float], ours: list[float], theirs: list[float]
) -> Result:
    name, before = names
    return result(
        name,
        f"a whole short run in one process, {before} before it",
        "ms",
        ours,
        peer=theirs,
        target=Target(12),
        reference=statistics.median(floor),
        reference_what="the same facts as 12 plain files in a new folder, without git",
        note=f"10 params, 10 metrics, a 10 kB artifact; median of {context.sizes.short_runs} runs in each repeat",
    )


def _artifacts(context: Context) -> list[str]:
    folder = context.new_folder("artifacts")
    files = [folder / f"model-{number}.bin" for number in range(context.sizes.short_runs + 1)]
    for file in files:
        file.write_bytes(os.urandom(10_000))
    return [str(file) for file in files]
