"""A random search over k nearest neighbours; each trial is a nested run."""

import argparse
import math
import os
import random

if os.environ.get("GITML_RUN_ID"):
    import gitml as mlflow
else:
    import mlflow

FOLDS = 3


def predict(points, x, k, power):
    nearest = sorted(points, key=lambda point: abs(point[0] - x))[:k]
    weights = [1 / (abs(px - x) + 1e-6) ** power for px, _ in nearest]
    return sum(w * y for w, (_, y) in zip(weights, nearest, strict=True)) / sum(weights)


def fold_error(points, fold, k, power):
    kept = [point for i, point in enumerate(points) if i % FOLDS != fold]
    held_out = points[fold::FOLDS]
    return math.sqrt(sum((predict(kept, x, k, power) - y) ** 2 for x, y in held_out) / len(held_out))


parser = argparse.ArgumentParser()
parser.add_argument("--trials", type=int, default=10)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--metric", default="rmse")
args = parser.parse_args()

chance = random.Random(args.seed)
points = [(x, math.sin(x) + chance.gauss(0, 0.1)) for x in (chance.uniform(0, 6) for _ in range(60))]

with mlflow.start_run() as search:
    for trial in range(args.trials):
        with mlflow.start_run(run_name=f"trial-{trial}", nested=True):
            k, power = chance.randint(1, 15), round(chance.uniform(0, 3), 3)
            mlflow.log_params({"k": k, "power": power})
            errors = [fold_error(points, fold, k, power) for fold in range(FOLDS)]
            for fold, error in enumerate(errors):
                mlflow.log_metric(f"{args.metric}_fold", error, step=fold)
            mlflow.log_metric(args.metric, sum(errors) / FOLDS)

    trials = mlflow.MlflowClient().search_runs(
        [search.info.experiment_id],
        f"tags.mlflow.parentRunId = '{search.info.run_id}'",
        order_by=[f"metrics.{args.metric} ASC"],
    )
    best = trials[0]
    mlflow.set_tag("best trial", best.data.tags["mlflow.runName"])
    mlflow.log_metric(f"best_{args.metric}", best.data.metrics[args.metric])
    mlflow.log_dict({"k": int(best.data.params["k"]), "power": float(best.data.params["power"])}, "best.json")
