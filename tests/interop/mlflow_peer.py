"""Run by a Python that has mlflow: writes into a tracking store, or says what is in one.

python mlflow_peer.py write URI | read URI | url
"""

from __future__ import annotations

import json
import os
import sys

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, ViewType


def write() -> None:
    import pandas as pd

    client = MlflowClient()
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("churn", tags={"team": "growth"}))
    with mlflow.start_run(
        run_name="first", tags={"a": "b", "sp ace": "x"}, description="why\nand how"
    ) as run:
        mlflow.log_params(
            {"lr": 0.1, "depth": 6, "opt/name": "adam", "flag": True, "none": None, "e": "1e-3"}
        )
        points = [Metric("val/loss", 1 / (step + 3), 1_700_000_000_000 + step, step) for step in range(2500)]
        for start in range(0, len(points), 1000):
            client.log_batch(run.info.run_id, metrics=points[start : start + 1000])
        client.log_metric(run.info.run_id, "odd", float("nan"), timestamp=5, step=3)
        client.log_metric(run.info.run_id, "tiny", 5e-324, timestamp=6, step=-1)
        mlflow.log_text("hi", "notes/a b.txt")
        mlflow.log_text("x" * 200_000, "big.txt")
        frame = pd.DataFrame({"a": [1, 2]})
        data = mlflow.data.from_pandas(frame, name="train", source="/data/train.parquet")
        mlflow.log_input(data, context="training", tags={"k": "v"})
        with mlflow.start_run(run_name="1e5", nested=True):
            mlflow.log_metric("acc", 0.5)

        class Model(mlflow.pyfunc.PythonModel):
            def predict(self, context, model_input, params=None):
                return model_input

        mlflow.pyfunc.log_model(
            name="model", python_model=Model(), pip_requirements=[], registered_model_name="churn-model"
        )
    with mlflow.start_run(run_name="deleted") as gone:
        pass
    client.delete_run(gone.info.run_id)
    other = mlflow.create_experiment("gone")
    client.create_run(other, run_name="of a deleted experiment")
    client.delete_experiment(other)
    client.set_registered_model_alias("churn-model", "champion", 1)
    client.set_model_version_tag("churn-model", 1, "checked", "yes")
    client.update_model_version("churn-model", 1, "good one")
    client.transition_model_version_stage("churn-model", 1, "Staging")
    client.create_registered_model("empty", description="no versions")


def read() -> None:
    client = MlflowClient()
    answer: dict = {"experiments": {}, "runs": {}, "models": {}}
    for experiment in client.search_experiments(view_type=ViewType.ALL):
        answer["experiments"][experiment.name] = [experiment.lifecycle_stage, experiment.tags]
        for run in client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL):
            run_id = run.info.run_id
            answer["runs"][run_id] = {
                "name": run.info.run_name,
                "experiment": experiment.name,
                "status": run.info.status,
                "stage": run.info.lifecycle_stage,
                "times": [run.info.start_time, run.info.end_time],
                "params": run.data.params,
                "tags": run.data.tags,
                "metrics": {
                    key: [[p.step, p.timestamp, repr(p.value)] for p in client.get_metric_history(run_id, key)]
                    for key in run.data.metrics
                },
                "inputs": [
                    [i.dataset.name, i.dataset.digest, json.loads(i.dataset.source), i.dataset.profile,
                     i.dataset.schema, {tag.key: tag.value for tag in i.tags}]
                    for i in run.inputs.dataset_inputs
                ],
                "files": files(client, run_id),
            }  # fmt: skip
    for model in client.search_registered_models():
        versions = client.search_model_versions(f"name = '{model.name}'")
        answer["models"][model.name] = {
            "description": model.description,
            "aliases": {alias: int(version) for alias, version in model.aliases.items()},
            "versions": {
                int(v.version): [v.run_id, v.description, v.tags, v.current_stage, v.run_link, v.model_id]
                for v in versions
            },
        }
    print("ANSWER", json.dumps(answer))


def files(client: MlflowClient, run_id: str) -> dict[str, str]:
    """All files of a run and of the models that it logged, with their content."""
    found = {}
    folders = ["", "model"]
    while folders:
        for entry in client.list_artifacts(run_id, folders.pop() or None):
            if entry.is_dir:
                folders.append(entry.path)
            else:
                path = mlflow.artifacts.download_artifacts(artifact_uri=f"runs:/{run_id}/{entry.path}")
                with open(path, "rb") as stream:
                    found[entry.path] = stream.read().hex()[:400]
    return found


if __name__ == "__main__":
    mlflow.set_tracking_uri(sys.argv[2])
    {"write": write, "read": read}[sys.argv[1]]()
