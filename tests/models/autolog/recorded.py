"""What a run has recorded, for gitml's client and for MLflow's."""

from __future__ import annotations

from typing import Any


def recorded(client: Any, run: Any) -> dict[str, Any]:
    """Params as text, metrics with their steps, tags that are not MLflow's own, files, uses of data, status."""
    run_id = run.info.run_id
    return {
        "params": {name: str(value) for name, value in run.data.params.items()},
        "metrics": {
            name: [[one.step, one.value] for one in client.get_metric_history(run_id, name)]
            for name in run.data.metrics
        },
        "tags": {name: tag for name, tag in run.data.tags.items() if not name.startswith("mlflow.")},
        "files": sorted(file.path for file in client.list_artifacts(run_id)),
        "inputs": sorted(tag.value for used in run.inputs.dataset_inputs for tag in used.tags),
        "status": run.info.status,
    }


def steps(record: dict[str, Any]) -> dict[str, list[int]]:
    """At which steps each metric was recorded."""
    return {name: [step for step, _ in values] for name, values in record["metrics"].items()}


def differing(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Metrics that both have, and that say something else, but for the last digits and for durations."""
    return {
        name: (values, theirs[name])
        for name, values in ours.items()
        if name in theirs
        and not name.endswith(("_runtime", "_per_second"))
        and not _alike(values, theirs[name])
    }


def _alike(ours: list[list[float]], theirs: list[list[float]]) -> bool:
    return len(ours) == len(theirs) and all(
        step == other and abs(value - another) <= 1e-3 * max(1.0, abs(another))
        for (step, value), (other, another) in zip(ours, theirs, strict=True)
    )
