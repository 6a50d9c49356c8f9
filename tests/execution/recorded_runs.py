"""Says what runs a store of MLflow or a repository of gitml has, read through the calls that both have.

python recorded_runs.py mlflow URI | gitml FOLDER
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

if sys.argv[1] == "mlflow":
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    import mlflow
else:
    import gitml as mlflow

PARENT, ENTRY_POINT = "mlflow.parentRunId", "mlflow.project.entryPoint"


def describe(client, run) -> dict:
    """All of a run that does not differ from one time to the next."""
    with tempfile.TemporaryDirectory() as folder:
        client.download_artifacts(run.info.run_id, "", folder)
        files = {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in Path(folder).rglob("*")
            if path.is_file()
        }
    return {
        "id": run.info.run_id,
        "parent": run.data.tags.get(PARENT),
        "entry point": run.data.tags.get(ENTRY_POINT),
        "status": run.info.status,
        "params": {key: str(value) for key, value in run.data.params.items()},
        "tags": {
            key: value for key, value in run.data.tags.items() if not key.startswith(("mlflow.", "gitml."))
        },
        "metrics": {
            key: sorted(
                [point.step, repr(float(point.value))]
                for point in client.get_metric_history(run.info.run_id, key)
            )
            for key in run.data.metrics
        },
        "artifacts": files,
    }


if __name__ == "__main__":
    mlflow.set_tracking_uri(sys.argv[2])
    client = mlflow.MlflowClient()
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = sorted(client.search_runs(ids), key=lambda run: run.info.start_time)
    print("ANSWER", json.dumps([describe(client, run) for run in runs]))
