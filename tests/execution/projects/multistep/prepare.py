"""First step: make the table that the second one learns from."""

import csv
import os
import random
import sys
import tempfile

if os.environ.get("GITML_RUN_ID"):
    import gitml as mlflow
else:
    import mlflow

rows, noise = int(sys.argv[1]), float(sys.argv[2])
chance = random.Random(11)

with mlflow.start_run(), tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "houses.csv")
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["area", "price"])
        for _ in range(rows):
            area = chance.uniform(0.4, 2.5)
            writer.writerow([f"{area:.4f}", f"{0.3 + 1.7 * area + chance.gauss(0, noise):.4f}"])
    mlflow.log_artifact(path, "table")
    mlflow.log_metric("rows", rows)
