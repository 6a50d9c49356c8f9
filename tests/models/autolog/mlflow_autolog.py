"""Run by a Python that has mlflow and not gitml: let it log a training, and tell what it logged.

python mlflow_autolog.py TRAINING FOLDER
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
import mlflow  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
from trainings import TRAININGS  # noqa: E402


def main() -> None:
    flavor, train = TRAININGS[sys.argv[1]]
    mlflow.set_tracking_uri(f"sqlite:///{sys.argv[2]}/mlflow.db")
    mlflow.create_experiment("all", artifact_location=f"file://{sys.argv[2]}/artifacts")
    mlflow.set_experiment("all")
    importlib.import_module(f"mlflow.{flavor}").autolog(log_models=False)
    train()
    (run,) = mlflow.search_runs(output_format="list")
    client = mlflow.MlflowClient()
    said = {
        "params": run.data.params,
        "metrics": {
            name: [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics
        },
        "tags": {name: tag for name, tag in run.data.tags.items() if not name.startswith("mlflow.")},
        "files": sorted(file.path for file in client.list_artifacts(run.info.run_id)),
        "inputs": sorted(tag.value for used in run.inputs.dataset_inputs for tag in used.tags),
        "status": run.info.status,
    }
    print("\nANSWER", json.dumps(said))


main()
