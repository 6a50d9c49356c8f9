"""A rule on two features that come from the submodule at the top of the repository."""

import json
import os
import sys
from pathlib import Path

if os.environ.get("GITML_RUN_ID"):
    import gitml as mlflow
else:
    import mlflow

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "shared" / "features"))
from features import recency, tenure  # noqa: E402

threshold = float(sys.argv[1])
customers = json.loads(Path("customers.json").read_text())
right = sum((recency(c) - tenure(c) > threshold) == c["left"] for c in customers)
with mlflow.start_run():
    mlflow.log_metric("accuracy", right / len(customers))
    mlflow.log_text(f"{right} of {len(customers)}\n", "report.txt")
