# /// script
# requires-python = ">=3.10"
# dependencies = ["gitml", "pyyaml>=6"]
# ///
"""A forecast from a sum of waves, as one file that says what it needs."""

import math
import os
import sys

import yaml

if os.environ.get("GITML_RUN_ID"):
    import gitml as mlflow
else:
    import mlflow

options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
months = int(options.get("--months", "6"))
with open("settings.yaml") as file:
    waves = yaml.safe_load(file)["waves"]
with mlflow.start_run():
    for month in range(months):
        value = sum(wave["amplitude"] * math.sin(2 * math.pi * month / wave["period"]) for wave in waves)
        mlflow.log_metric("demand", round(value, 9), step=month)
    mlflow.log_dict({"months": months, "waves": waves}, "forecast.json")
