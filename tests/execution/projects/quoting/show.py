"""Writes down how it was started."""

import json
import os
import sys

NAMES = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "COLOUR")
if os.environ.get("SEEN"):
    with open(os.environ["SEEN"], "a") as file:
        seen = {
            "arguments": sys.argv[1:],
            "folder": os.getcwd(),
            "variables": {n: os.environ.get(n) for n in NAMES},
        }
        file.write(json.dumps(seen) + "\n")
