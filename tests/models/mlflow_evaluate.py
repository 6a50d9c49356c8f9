"""The same evaluations and trainings by gitml or by mlflow, as JSON; `python mlflow_evaluate.py gitml|mlflow FILE`."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
NAME, OUTPUT = sys.argv[1:]
if NAME == "mlflow":
    import mlflow
    import mlflow.models
    import mlflow.sklearn

    assert "gitml" not in sys.modules
    mlflow.set_tracking_uri("sqlite:///runs.db")
else:
    import gitml as mlflow


def table(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values, columns=[f"c{number}" for number in range(values.shape[1])])


def hits(predictions, targets):
    return float((predictions == targets).sum())


def old(eval_df, builtin_metrics):
    return float((eval_df["prediction"] - eval_df["target"]).abs().max() + builtin_metrics["accuracy_score"])


TWO = make_classification(120, 4, flip_y=0.3, random_state=1)
THREE = make_classification(150, 6, n_classes=3, n_informative=4, flip_y=0.2, random_state=2)
NUMBERS = make_regression(80, 3, noise=20, random_state=3)
WORDS = TWO[0], np.where(TWO[1] == 1, "yes", "no")
WEIGHTS = np.linspace(0.2, 2, 150)
OWN = [mlflow.models.make_metric(eval_fn=each, greater_is_better=True) for each in (hits, old)]

# What it is evaluated on, the type, and how.
CASES: dict[str, tuple[Any, str, dict[str, Any], dict[str, Any]]] = {
    "two": (TWO, "classifier", {}, {}),
    "two, the other positive": (TWO, "classifier", {"pos_label": 0}, {}),
    "two, weighted": (TWO, "classifier", {"sample_weights": WEIGHTS[:120], "metric_prefix": "val_"}, {}),
    "words": (WORDS, "classifier", {"pos_label": "yes"}, {}),
    "two, given": (TWO, "classifier", {}, {"predictions": "said"}),
    "three": (THREE, "classifier", {}, {"extra_metrics": OWN}),
    "three, macro": (THREE, "classifier", {"average": "macro"}, {}),
    "three, weighted": (THREE, "classifier", {"sample_weights": WEIGHTS}, {}),
    "three, micro": (THREE, "classifier", {"average": "micro", "max_classes_for_multiclass_roc_pr": 2}, {}),
    "three, given": (THREE, "classifier", {}, {"predictions": "said"}),
    "numbers": (NUMBERS, "regressor", {}, {}),
    "numbers, weighted": (NUMBERS, "regressor", {"sample_weights": WEIGHTS[:80]}, {}),
    "numbers, given": (NUMBERS, "regressor", {}, {"predictions": "said"}),
}


def evaluations() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, (data, kind, config, more) in CASES.items():
        inputs = table(data[0])
        fitted = (LogisticRegression() if kind == "classifier" else Ridge()).fit(inputs, data[1])
        examples = inputs.assign(truth=data[1])
        options = {"targets": "truth", "model_type": kind, **more}
        with mlflow.start_run():
            model = None
            if "predictions" in more:
                examples["said"] = fitted.predict(inputs)
            else:
                model = mlflow.sklearn.log_model(
                    fitted, name="m", pip_requirements=["scikit-learn"]
                ).model_uri
            result = mlflow.models.evaluate(
                model,
                examples,
                evaluators="default",
                evaluator_config={**config, "log_model_explainability": False},
                **options,
            )
        report = result.artifacts.get("per_class_metrics")
        yield (
            name,
            {
                "metrics": {key: float(value) for key, value in result.metrics.items()},
                "artifacts": sorted(result.artifacts),
                "report": None if report is None else report.content.to_dict("list"),
            },
        )


def trainings() -> Iterator[tuple[str, dict[str, Any]]]:
    """What autologging records: names of params, metrics and files; values of metrics."""
    mlflow.sklearn.autolog(max_tuning_runs=2)
    x, y = table(THREE[0]), THREE[1]
    x2, y2 = table(TWO[0]), TWO[1]
    fits = {
        "two classes": lambda: LogisticRegression(C=2.0).fit(x2, y2),
        "a pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y),
        "numbers": lambda: LinearRegression().fit(x, y, sample_weight=WEIGHTS),
        "clusters": lambda: KMeans(3, random_state=0, n_init=1).fit(x),
        "a search": lambda: GridSearchCV(LogisticRegression(), {"C": [0.01, 0.1, 1.0]}, cv=2).fit(x, y),
    }
    client = mlflow.MlflowClient()
    for name, fit in fits.items():
        fit()
        run = mlflow.last_active_run()
        found = client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'")
        tries = sorted((each.data.metrics["rank_test_score"], sorted(each.data.params)) for each in found)
        yield (
            name,
            {
                "params": sorted(run.data.params),
                "metrics": dict(run.data.metrics),
                "tags": {
                    key: value
                    for key, value in run.data.tags.items()
                    if key.startswith(("estimator", "mlflow.auto"))
                },
                "files": sorted(
                    each.path for each in client.list_artifacts(run.info.run_id) if not each.is_dir
                ),
                "tries": tries,
                "names of tries": sorted({key for each in found for key in each.data.metrics}),
            },
        )


said = {"evaluations": dict(evaluations()), "trainings": dict(trainings())}
with open(OUTPUT, "w", encoding="utf-8") as stream:
    json.dump(said, stream)
