"""A store with many runs: the same runs for gitml and for the peer.

    python synthetic.py gitml REPOSITORY COUNT
    python synthetic.py mlflow DATABASE COUNT
    python synthetic.py fingerprints

gitml's are written by `git fast-import`, with gitml's own encoders, so that they
are what recording them would have left. The peer's go straight into the tables
that it made itself. Either is some hundred times faster than recording, and
what is measured on these stores is how runs are read, not how they are written.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

START_MS = 1_760_000_000_000
INTERVAL_MS = 60_000
USER = "Ada <ada@example.org>"
COMMAND = ("python", "train.py")
_BATCH = 5000
_ENVIRONMENT = {
    "environment/python-version": b"3.11.7\n",
    "environment/requirements.txt": b"".join(b"package-%d==1.%d.0\n" % (n, n) for n in range(60)),
    "environment/system.yaml": b"platform: Linux-6.1-x86_64\ncpu_count: 8\nmemory_gib: 64\n",
}


@dataclass(frozen=True, slots=True)
class SyntheticRun:
    """What both stores hold of a run: 10 params and 10 metrics of one point each."""

    id: str
    name: str
    start_ms: int
    params: dict[str, Any]
    metrics: dict[str, float]

    @property
    def end_ms(self) -> int:
        """Half an interval after the start."""
        return self.start_ms + INTERVAL_MS // 2


def synthetic_runs(count: int) -> Iterator[SyntheticRun]:
    """Make runs, oldest first; the same ones each time."""
    dice = random.Random(20)  # noqa: S311 - to be repeatable, not secret
    for number in range(count):
        yield SyntheticRun(
            id=f"{dice.getrandbits(128):032x}",
            name=f"run-{number}",
            start_ms=START_MS + number * INTERVAL_MS,
            params=_params(dice, number),
            metrics=_metrics(dice),
        )


def _params(dice: random.Random, number: int) -> dict[str, Any]:
    return {
        "lr": dice.choice((0.1, 0.03, 0.01, 0.003, 0.001)),
        "batch_size": dice.choice((32, 64, 128, 256)),
        "optimizer": dice.choice(("adam", "sgd", "lamb")),
        "layers": dice.randint(2, 48),
        "dropout": round(dice.uniform(0, 0.5), 2),
        "weight_decay": dice.choice((0.0, 1e-05, 0.0001)),
        "warmup": dice.choice((0, 500, 1000)),
        "augment": dice.random() < 0.5,
        "model": dice.choice(("resnet", "vit", "convnext")),
        "seed": number,
    }


def _metrics(dice: random.Random) -> dict[str, float]:
    names = ("loss", "val_loss", "f1", "precision", "recall", "auc", "seconds", "grad_norm", "perplexity")
    return {"accuracy": dice.random(), **{name: dice.random() for name in names}}


# gitml


def fill_gitml(repository: Path, count: int) -> None:
    """Put runs onto the branch of a repository that has a commit and no runs."""
    ask = ["git", "-C", str(repository), "rev-parse"]
    commit, tree = subprocess.run(
        [*ask, "HEAD", "HEAD^{tree}"], check=True, capture_output=True, text=True
    ).stdout.split()
    importer = ["git", "-C", str(repository), "fast-import", "--quiet", "--done"]
    with subprocess.Popen(importer, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for run in synthetic_runs(count):
            _write_commit(process.stdin, run, commit, tree)
        process.stdin.write(b"done\n")
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, importer)


def _write_commit(stream: IO[bytes], run: SyntheticRun, commit: str, tree: str) -> None:
    from gitml.formats import commit_message, run_tree

    entity = _entity(run, commit, tree)
    message = commit_message.run_message(entity).encode()
    who = f"{USER} {run.end_ms // 1000} +0000"
    stream.write(
        b"commit refs/heads/gitml/runs\nauthor %b\ncommitter %b\ndata %d\n%b\ndeleteall\n"
        % (who.encode(), who.encode(), len(message), message)
    )
    for name, data in {**run_tree.encode_run(entity), **_history(run), **_ENVIRONMENT}.items():
        stream.write(b"M 100644 inline %b\ndata %d\n%b\n" % (name.encode(), len(data), data))
    stream.write(b"M 040000 %b code\n\n" % tree.encode())


def _history(run: SyntheticRun) -> dict[str, bytes]:
    from gitml.formats import history, names

    return {
        f"history/{names.metric_path(key)}": history.encode_point(0, run.end_ms, value)
        for key, value in run.metrics.items()
    }


def _entity(run: SyntheticRun, commit: str, tree: str) -> Any:
    from gitml.entities.run import CodeState, MetricSummary, Run, RunStatus

    return Run(
        id=run.id,
        name=run.name,
        status=RunStatus.FINISHED,
        start_ms=run.start_ms,
        end_ms=run.end_ms,
        duration_s=(run.end_ms - run.start_ms) / 1000,
        user=USER,
        command=COMMAND,
        code=CodeState(commit=commit, tree=tree, branch="main"),
        params=run.params,
        metrics={
            key: MetricSummary(value, 0, run.end_ms, value, 0, value, 0, 1)
            for key, value in run.metrics.items()
        },
    )


# The peer

_Row = tuple[object, ...]
_RUN_COLUMNS = (
    "run_uuid, name, user_id, start_time, end_time, artifact_uri, "
    "source_name, source_type, entry_point_name, source_version, status, lifecycle_stage, experiment_id"
)
_COMMON = (COMMAND[1], "LOCAL", "", "", "FINISHED", "active", 0)
_TABLES: dict[str, tuple[str, Callable[[SyntheticRun, str], list[_Row]]]] = {
    "runs": (
        _RUN_COLUMNS,
        lambda run, artifacts: [
            (run.id, run.name, "ada", run.start_ms, run.end_ms, f"{artifacts}/{run.id}/artifacts", *_COMMON)
        ],
    ),
    "params": (
        "key, value, run_uuid",
        lambda run, _: [(key, str(value), run.id) for key, value in run.params.items()],
    ),
    "metrics": (
        "key, value, timestamp, run_uuid, step, is_nan",
        lambda run, _: [(key, value, run.end_ms, run.id, 0, 0) for key, value in run.metrics.items()],
    ),
    "latest_metrics": (
        "key, value, timestamp, step, is_nan, run_uuid",
        lambda run, _: [(key, value, run.end_ms, 0, 0, run.id) for key, value in run.metrics.items()],
    ),
    "tags": (
        "key, value, run_uuid",
        lambda run, _: [
            ("mlflow.runName", run.name, run.id),
            ("mlflow.user", "ada", run.id),
            ("mlflow.source.name", COMMAND[1], run.id),
            ("mlflow.source.type", "LOCAL", run.id),
        ],
    ),
}


def fill_mlflow(database: Path, count: int) -> None:
    """Put runs into a database that the peer made and that has none."""
    artifacts = str(database.with_name("mlruns") / "0")
    runs = synthetic_runs(count)
    with sqlite3.connect(database) as connection:
        while batch := list(islice(runs, _BATCH)):
            for table, (columns, rows) in _TABLES.items():
                marks = ", ".join("?" * len(columns.split(",")))
                connection.executemany(
                    f"INSERT INTO {table} ({columns}) VALUES ({marks})",  # noqa: S608 - names from above
                    [row for run in batch for row in rows(run, artifacts)],
                )
    connection.close()


def add_curve_to_mlflow(database: Path, run_id: str, metric: str, points: int) -> None:
    """Give a run of the peer's a curve, point for point what `workloads.curve` logs."""
    with sqlite3.connect(database) as connection:
        connection.executemany(
            "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
            ((metric, 1 / (step + 1), START_MS + step, run_id, step) for step in range(points)),
        )
    connection.close()


def fingerprints() -> dict[str, str]:
    """Hash what the first runs look like in either store."""
    stream = io.BytesIO()
    rows = []
    for run in synthetic_runs(100):
        _write_commit(stream, run, "0" * 40, "0" * 40)
        rows.append([make(run, "") for _, make in _TABLES.values()])
    tables = repr(rows).encode()
    return {"gitml": _hash(stream.getvalue()), "mlflow": _hash(tables)}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def main() -> None:
    what, *arguments = sys.argv[1:]
    if what == "fingerprints":
        print(json.dumps(fingerprints()))
        return
    target, count = arguments
    {"gitml": fill_gitml, "mlflow": fill_mlflow}[what](Path(target), int(count))
    print(json.dumps({"runs": int(count)}))


if __name__ == "__main__":
    main()
