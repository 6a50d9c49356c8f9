"""All steps one after the other, each a run of its own under this one."""

import os
import sys

if os.environ.get("GITML_RUN_ID"):
    import gitml as mlflow
else:
    import mlflow


def run_step(entry_point, **parameters):
    print(f"starting {entry_point} with {parameters}")
    submitted = mlflow.run(".", entry_point, parameters=parameters, env_manager="local")
    return mlflow.MlflowClient().get_run(submitted.run_id)


rows, ridge = int(sys.argv[1]), float(sys.argv[2])
with mlflow.start_run():
    prepared = run_step("prepare", rows=rows)
    table = os.path.join(prepared.info.artifact_uri, "table")
    trained = run_step("train", data=table, ridge=ridge)
    mlflow.log_metric("mse", trained.data.metrics["mse"])
    mlflow.set_tag("trained by", trained.data.tags["mlflow.project.entryPoint"])
