"""What is measured: each workload in a process of its own, with either library.

    python workloads.py LIBRARY WORKLOAD [JSON-ARGUMENTS]

gitml has MLflow's names, so one program is run with both: `ml` is gitml or
mlflow. What it prints last is a JSON object. The few workloads that only one
of them has say so in their names.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import os
import signal
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any

FILTER = "metrics.accuracy > 0.9 and params.lr = '0.01'"
ORDER = ["metrics.accuracy DESC"]
_CHUNK = 4 * 1024**2


def versions(_: Any, packages: list[str]) -> dict[str, str]:
    """Find out which versions of packages are installed."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def prepare(ml: Any) -> dict[str, Any]:
    """Let the library make its store."""
    ml.search_experiments()
    return {}


# Recording


def log_metric(ml: Any, calls: int) -> dict[str, Any]:
    """Time single calls of `log_metric`: microseconds at the median."""
    with ml.start_run():
        ml.log_metric("loss", 1.0, step=0)
        log = ml.log_metric
        took = []
        for step in range(1, calls + 1):
            value = 1 / step
            start = perf_counter_ns()
            log("loss", value, step=step)
            took.append(perf_counter_ns() - start)
    return {"us": statistics.median(took) / 1000}


def plain_append(_: Any, calls: int) -> dict[str, Any]:
    """Time single appends of a ready-made line of a curve: microseconds at the median."""
    line = b"12345\t1760000000000\t0.000123456789\n"
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    took = []
    file = os.open("curve.tsv", flags)
    for _step in range(calls):
        start = perf_counter_ns()
        os.write(file, line)
        took.append(perf_counter_ns() - start)
    os.close(file)
    return {"us": statistics.median(took) / 1000}


def log_until_killed(ml: Any, points: int) -> None:
    """Log points and die of SIGKILL with the last call."""
    run = ml.start_run()
    print(json.dumps({"run_id": run.info.run_id}), flush=True)
    for step in range(points):
        ml.log_metric("loss", 1 / (step + 1), step=step)
    os.kill(os.getpid(), signal.SIGKILL)


def count_points(ml: Any, run_id: str) -> dict[str, Any]:
    """Count the points of a run as a fresh process finds them."""
    return {"points": len(ml.MlflowClient().get_metric_history(run_id, "loss"))}


def short_runs(ml: Any, files: list[str]) -> dict[str, Any]:
    """Record a whole run a file, the first to warm up: milliseconds at the median."""
    took = []
    for number, file in enumerate(files):
        start = perf_counter()
        _short_run(ml, number, file)
        took.append(perf_counter() - start)
    return {"ms": statistics.median(took[1:]) * 1000}


def _short_run(ml: Any, number: int, file: str) -> None:
    with ml.start_run():
        ml.log_params({f"param_{key}": number + key for key in range(10)})
        ml.log_metrics({f"metric_{key}": 1 / (number + key + 1) for key in range(10)}, step=0)
        ml.log_artifact(file)


def plain_runs(_: Any, files: list[str]) -> dict[str, Any]:
    """Write the same facts into a plain folder a file: milliseconds at the median."""
    took = []
    for number, file in enumerate(files):
        start = perf_counter()
        folder = Path(f"plain-run-{number}")
        (folder / "history").mkdir(parents=True)
        (folder / "params.json").write_text(json.dumps({f"param_{key}": number + key for key in range(10)}))
        for key in range(10):
            (folder / "history" / f"metric_{key}.tsv").write_text(
                f"0\t1760000000000\t{1 / (number + key + 1)}\n"
            )
        (folder / Path(file).name).write_bytes(Path(file).read_bytes())
        took.append(perf_counter() - start)
    return {"ms": statistics.median(took[1:]) * 1000}


# Finding


def search(ml: Any, repeats: int) -> dict[str, Any]:
    """Search with two conditions and an ordering: milliseconds of the calls after the first."""
    took = []
    for _ in range(repeats + 1):
        start = perf_counter()
        found = ml.search_runs(filter_string=FILTER, order_by=ORDER, max_results=100, output_format="list")
        took.append((perf_counter() - start) * 1000)
    return {
        "ms": statistics.median(took[1:]),
        "first_ms": took[0],
        "found": [[run.info.run_name, run.data.metrics["accuracy"]] for run in found],
    }


def newest(ml: Any, count: int) -> dict[str, Any]:
    """Print the newest runs."""
    for run in ml.search_runs(max_results=count, output_format="list"):
        print(run.info.run_name, run.data.params, run.data.metrics)
    return {}


def frame(ml: Any, runs: int) -> dict[str, Any]:
    """Read all runs as a DataFrame: seconds of the only call."""
    import pandas as pd

    ml.search_runs(max_results=1)
    start = perf_counter()
    table = ml.search_runs(max_results=runs)
    took = perf_counter() - start
    assert isinstance(table, pd.DataFrame)
    return {
        "s": took,
        "rows": len(table),
        "keys": sum(str(name).startswith(("metrics.", "params.")) for name in table),
    }


def gitml_build_index(_: Any) -> dict[str, Any]:
    """Build the index from nothing: seconds."""
    from gitml.repo import Repo

    repo = Repo.open()
    for file in repo.root.glob("index.sqlite*"):
        file.unlink()
    start = perf_counter()
    repo.index.catch_up()
    took = perf_counter() - start
    return {"s": took, "params": len(repo.index.param_names()), "metrics": len(repo.index.metric_names())}


def gitml_update_index(ml: Any, repeats: int) -> dict[str, Any]:
    """Bring the index up to date after each of some runs: milliseconds at the median."""
    from gitml.repo import Repo
    from gitml.tracking.history import refresh

    repo = Repo.open()
    refresh(repo)
    took = []
    for number in range(repeats + 1):
        with ml.start_run() as run:
            ml.log_params({f"param_{key}": number + key for key in range(10)})
            ml.log_metrics({f"metric_{key}": 1 / (number + key + 1) for key in range(10)}, step=0)
        start = perf_counter()
        refresh(repo)
        took.append((perf_counter() - start) * 1000)
        assert repo.index.get(run.info.run_id) is not None
    return {"ms": statistics.median(took[1:]), "first_ms": took[0]}


# Curves


def gitml_curve(ml: Any, points: int) -> dict[str, Any]:
    """Record a curve."""
    with ml.start_run() as run:
        for step in range(points):
            ml.log_metric("loss", 1 / (step + 1), step=step)
    return {"run_id": run.info.run_id}


def mlflow_empty_run(ml: Any) -> dict[str, Any]:
    """Record a run whose curve is put into the database from outside."""
    with ml.start_run() as run:
        ml.log_metric("loss", 1.0, step=0, timestamp=0)
    return {"run_id": run.info.run_id}


def gitml_read_curve(ml: Any, run_id: str) -> dict[str, Any]:
    """Read a curve as a DataFrame: seconds of the only call."""
    import pandas as pd

    assert pd.__version__
    ml.get_run(run_id)
    start = perf_counter()
    table = ml.get_metric_frame(run_id, "loss")
    took = perf_counter() - start
    return {"s": took, "rows": len(table), "sum": float(table["value"].sum())}


def mlflow_read_curve(ml: Any, run_id: str) -> dict[str, Any]:
    """Read a curve as a DataFrame: seconds of the only call."""
    import pandas as pd

    client = ml.MlflowClient()
    client.get_run(run_id)
    start = perf_counter()
    points = client.get_metric_history(run_id, "loss")
    table = pd.DataFrame([(point.step, point.timestamp, point.value) for point in points])
    took = perf_counter() - start
    return {"s": took, "rows": len(table)}


# Files


def log_artifact(ml: Any, file: str) -> dict[str, Any]:
    """Keep one file: seconds of the call."""
    with ml.start_run():
        start = perf_counter()
        ml.log_artifact(file)
        took = perf_counter() - start
    return {"s": took}


def log_model(ml: Any, file: str) -> dict[str, Any]:
    """Log a Python function that has a large file, in a run of its own: seconds."""
    import importlib

    pyfunc = importlib.import_module(f"{ml.__name__}.pyfunc")

    class Weighed(pyfunc.PythonModel):  # type: ignore[misc,name-defined]
        def predict(self, _context: Any, model_input: list[float]) -> list[float]:
            return model_input

    with ml.start_run():
        start = perf_counter()
        pyfunc.log_model(
            name="model", python_model=Weighed(), artifacts={"weights": file}, pip_requirements=["numpy"]
        )
        took = perf_counter() - start
    return {"s": took}


def gitml_make_version(_: Any) -> dict[str, Any]:
    """Train a small model, and bring it into production."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    import gitml
    import gitml.sklearn

    features, target = load_iris(return_X_y=True)
    with gitml.start_run():
        gitml.sklearn.log_model(
            LogisticRegression(max_iter=500).fit(features, target),
            name="model",
            registered_model_name="iris",
            pip_requirements=["scikit-learn"],
        )
    gitml.MlflowClient().transition_model_version_stage("iris", 1, "Production")
    (file,) = Path(gitml.artifacts.download_artifacts("models:/iris/1", dst_path=".")).rglob("*.skops")
    return {"file": str(file)}


def gitml_load_version(_: Any, file: str) -> dict[str, Any]:
    """Load a file, and the model that has it by its stage, when all that either imports is there: seconds."""
    import skops.io

    import gitml.sklearn

    took: dict[str, Any] = {}
    skops.io.load(file, trusted=[])  # imports scikit-learn
    start = perf_counter()
    skops.io.load(file, trusted=[])
    took["file_s"] = perf_counter() - start
    start = perf_counter()
    gitml.sklearn.load_model("models:/iris/Production")
    took["stage_s"] = perf_counter() - start
    return took


def reference_copy(_: Any, file: str) -> dict[str, Any]:
    """Hash and copy a file in one pass: seconds."""
    start = perf_counter()
    digest = hashlib.sha256()
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    with Path(file).open("rb", buffering=0) as source, Path(file + ".copy").open("wb", buffering=0) as target:
        while count := source.readinto(buffer):
            digest.update(view[:count])
            assert target.write(view[:count]) == count
    return {"s": perf_counter() - start, "sha256": digest.hexdigest()}


def gitml_registry(_: Any, repeats: int) -> dict[str, Any]:
    """Ask the registry, the first time and again, and promote: seconds and milliseconds at the median."""
    from gitml.registry import models, names, stages, versions
    from gitml.repo import Repo

    repo = Repo.open()
    start = perf_counter()
    found = models.list_models(repo)
    first = perf_counter() - start
    name = found[len(found) // 2].name

    def median_ms(ask: Callable[[int], Any]) -> float:
        took = []
        for number in range(repeats):
            start = perf_counter()
            ask(number)
            took.append(perf_counter() - start)
        return statistics.median(took) * 1000

    answer = {
        "first_s": first,
        "models": len(found),
        "versions": len(versions.list_versions(repo)),
        "events": len(stages.history(repo, name)),
        "list_ms": median_ms(lambda _: models.list_models(repo)),
        "versions_ms": median_ms(lambda _: versions.list_versions(repo)),
        "resolve_ms": median_ms(lambda _: names.find_version(repo, f"models:/{name}/Production")),
        "history_ms": median_ms(lambda _: stages.history(repo, name)),
    }
    if repeats > 1:
        other = found[0].name
        answer["promote_ms"] = median_ms(
            lambda number: stages.promote(repo, other, number % 2 + 1, "Production")
        )
        for event in stages.history(repo, other)[-repeats:]:  # as it was before
            assert repo.git.move_ref(event.ref, event.oid, None)
    repo.close()
    return answer


WORKLOADS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        versions,
        prepare,
        log_metric,
        plain_append,
        log_until_killed,
        count_points,
        short_runs,
        plain_runs,
        search,
        newest,
        frame,
        gitml_build_index,
        gitml_update_index,
        gitml_curve,
        mlflow_empty_run,
        gitml_read_curve,
        mlflow_read_curve,
        log_artifact,
        log_model,
        gitml_make_version,
        gitml_load_version,
        reference_copy,
        gitml_registry,
    )
}


def main() -> None:
    library, workload, *rest = sys.argv[1:]
    arguments = json.loads(rest[0]) if rest else {}
    ml = importlib.import_module(library) if library != "-" else None
    if library == "mlflow":
        logging.getLogger("mlflow").setLevel(logging.WARNING)
    print(json.dumps(WORKLOADS[workload](ml, **arguments)))


if __name__ == "__main__":
    main()
