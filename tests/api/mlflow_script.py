"""A training script as people write it for MLflow; run under both, unchanged."""

import json
import os
import sys

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

if sys.argv[1] == "gitml":
    import gitml as mlflow
else:
    import mlflow

    mlflow.set_tracking_uri("sqlite:///mlflow.db")

experiment = mlflow.set_experiment("iris")
mlflow.set_experiment_tag("team", "flowers")

X = pd.DataFrame({"petal": [1.4, 4.7, 6.0], "sepal": [5.1, 7.0, 6.3]})
y = np.array([0, 1, 2])

with mlflow.start_run(run_name="parent", tags={"release": 1.2}, description="all of them") as parent:
    mlflow.log_params({"model": "forest", "trees": 100, "depth": None, "bootstrap": True, "lr": 0.1})
    mlflow.log_input(mlflow.data.from_pandas(X, source="iris.csv", name="iris"), context="training")
    for fold in range(3):
        with mlflow.start_run(run_name=f"fold-{fold}", nested=True) as child:
            mlflow.log_param("fold", fold)
            for epoch in range(5):
                mlflow.log_metric("loss", 1.0 / (epoch + 1 + fold), step=epoch)
            mlflow.log_metrics({"acc": 0.8 + fold / 100, "nan": float("nan"), "inf": float("inf")}, step=4)
    mlflow.log_metric("mean_acc", 0.81)
    mlflow.set_tag("stage", "done")
    mlflow.set_tags({"a": 1, "b": True, "temporary": "x"})
    mlflow.delete_tag("temporary")
    mlflow.log_text("precision 0.9\n", "reports/text.txt")
    mlflow.log_dict({"labels": ["a", "b"], "n": 2}, "labels.json")
    mlflow.log_dict({"labels": ["a", "b"], "n": 2}, "labels.yaml")
    figure, axes = plt.subplots()
    axes.plot([1, 2, 3])
    mlflow.log_figure(figure, "figures/curve.png")
    mlflow.log_image(np.zeros((8, 8, 3), dtype=np.uint8), "images/black.png")
    mlflow.log_table({"q": ["x", "y"], "n": [1, 2]}, "table.json")
    mlflow.log_table({"q": ["z"], "n": [3]}, "table.json")
    with open("weights.bin", "wb") as file:
        file.write(b"\x00" * 200_000)
    mlflow.log_artifact("weights.bin", artifact_path="model")
    os.makedirs("out/sub", exist_ok=True)
    with open("out/sub/a.txt", "w") as file:
        file.write("a")
    mlflow.log_artifacts("out")
    assert mlflow.active_run().info.run_id == parent.info.run_id

try:
    with mlflow.start_run(run_name="broken") as broken:
        mlflow.log_param("p", 1)
        mlflow.log_param("p", 2)
except mlflow.MlflowException:
    pass

with mlflow.start_run(run_id=parent.info.run_id):
    mlflow.log_metric("mean_acc", 0.82, step=1)

client = mlflow.MlflowClient()
by_hand = client.create_run(experiment.experiment_id, run_name="by hand", tags={"k": "v"})
client.log_metric(by_hand.info.run_id, "m", 1.5, timestamp=1_700_000_000_000, step=3)
client.log_param(by_hand.info.run_id, "p", "q")
client.set_terminated(by_hand.info.run_id, "KILLED")
client.set_tag(by_hand.info.run_id, "late", "yes")


def names(run_id, path=None):
    found = []
    for info in client.list_artifacts(run_id, path):
        found += names(run_id, info.path) if info.is_dir else [info.path]
    return sorted(found)


def facts(run):
    metrics = {}
    for key in run.data.metrics:
        history = client.get_metric_history(run.info.run_id, key)
        metrics[key] = [[point.step, repr(float(point.value))] for point in history]
    parent_run = mlflow.get_parent_run(run.info.run_id)
    return {
        "status": run.info.status,
        "stage": run.info.lifecycle_stage,
        "params": {key: str(value) for key, value in run.data.params.items()},
        "metrics": metrics,
        "last": {key: repr(float(value)) for key, value in run.data.metrics.items()},
        "tags": {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")},
        "note": run.data.tags.get("mlflow.note.content"),
        "source": os.path.basename(run.data.tags.get("mlflow.source.name", "")),
        "type": run.data.tags.get("mlflow.source.type"),
        "commit": run.data.tags.get("mlflow.source.git.commit"),
        "parent": parent_run and parent_run.info.run_name,
        "artifacts": names(run.info.run_id),
        "inputs": [
            [item.dataset.name, json.loads(item.dataset.schema), [[tag.key, tag.value] for tag in item.tags]]
            for item in run.inputs.dataset_inputs
        ],
    }


runs = mlflow.search_runs(output_format="list", order_by=["attributes.start_time ASC"])
table = mlflow.search_runs(
    filter_string="metrics.acc > 0.805 and params.fold != '9'", order_by=["metrics.acc DESC"]
)
local = mlflow.artifacts.download_artifacts(run_id=parent.info.run_id, artifact_path="model/weights.bin")
answer = {
    "runs": {run.info.run_name: facts(run) for run in runs},
    "found": table["tags.mlflow.runName"].tolist(),
    "accs": table["metrics.acc"].tolist(),
    "columns": sorted(column for column in table.columns if not column.startswith("tags.mlflow.")),
    "text": mlflow.artifacts.load_text(parent.info.artifact_uri + "/reports/text.txt"),
    "dict": mlflow.artifacts.load_dict(parent.info.artifact_uri + "/labels.json"),
    "table": mlflow.load_table("table.json", run_ids=[parent.info.run_id]).to_dict("list"),
    "weights": os.path.getsize(local),
    "experiment": [experiment.name, dict(mlflow.get_experiment_by_name("iris").tags)],
    "experiments": [found.name for found in mlflow.search_experiments(filter_string="name LIKE 'ir%'")],
}
print("ANSWER " + json.dumps(answer, sort_keys=True))
