"""Run by a Python that has mlflow and not gitml: let it log trainings, and tell what it logged.

python mlflow_autolog.py TRAINING... FOLDER
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
from recorded import recorded  # noqa: E402
from trainings import TRAININGS  # noqa: E402


def main() -> None:
    *names, folder = sys.argv[1:]
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    said = {}
    for name in names:
        flavor, train = TRAININGS[name]
        mlflow.create_experiment(name, artifact_location=f"file://{folder}/{name}")
        mlflow.set_experiment(name)
        importlib.import_module(f"mlflow.{flavor}").autolog(log_models=False)
        train()
        (run,) = mlflow.search_runs(output_format="list")
        said[name] = recorded(mlflow.MlflowClient(), run)
    print("\nANSWER", json.dumps(said))


main()
