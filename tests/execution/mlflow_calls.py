"""Run by a Python that has mlflow: calls `mlflow.projects.run` a number of times.

python mlflow_calls.py PROJECT < CALLS

CALLS is a JSON list of [file that the project writes to, entry point, parameters]; printed is, for each, None or
what was raised.
"""

from __future__ import annotations

import json
import os
import sys

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"

import mlflow

results = []
for seen, entry_point, parameters in json.load(sys.stdin):
    os.environ["SEEN"] = seen
    try:
        mlflow.projects.run(sys.argv[1], entry_point, parameters=parameters, env_manager="local")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what a user of MLflow sees
        results.append(f"{type(error).__name__}: {error}")
    else:
        results.append(None)
print("ANSWER", json.dumps(results))
