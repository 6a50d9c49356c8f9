"""Second step: a line through the points, with a little ridge."""

import argparse
import csv
import os

if os.environ.get("GITML_RUN_ID"):
    import gitml as mlflow
else:
    import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True, help="folder with houses.csv")
parser.add_argument("--ridge", type=float, default=0.0)
args = parser.parse_args()
assert os.path.isabs(args.data), f"{args.data} is not absolute"

with open(os.path.join(args.data, "houses.csv"), newline="") as file:
    points = [(float(row["area"]), float(row["price"])) for row in csv.DictReader(file)]
mean_x = sum(x for x, _ in points) / len(points)
mean_y = sum(y for _, y in points) / len(points)
slope = sum((x - mean_x) * (y - mean_y) for x, y in points)
slope /= sum((x - mean_x) ** 2 for x, _ in points) + args.ridge
intercept = mean_y - slope * mean_x

with mlflow.start_run():
    error = sum((y - intercept - slope * x) ** 2 for x, y in points) / len(points)
    mlflow.log_metrics({"slope": slope, "intercept": intercept, "mse": error})
    mlflow.log_dict({"slope": slope, "intercept": intercept}, "line.json")
