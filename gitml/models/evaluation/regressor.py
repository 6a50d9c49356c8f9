"""How well a regressor does; the metrics' names are MLflow's."""

from __future__ import annotations

from typing import Any

from gitml.models import plots
from gitml.models.evaluation.evaluation import Evaluation


def evaluate_regressor(evaluation: Evaluation) -> None:
    """Add the metrics and plots of a regressor."""
    true, predicted = evaluation.examples.targets, evaluation.predicted.values
    evaluation.measure("the metrics", lambda: _metrics(true, predicted, evaluation.weights))
    errors = true - predicted
    evaluation.draw("residuals_plot", lambda: plots.residuals(predicted, errors))
    evaluation.draw("predicted_and_true_plot", lambda: plots.predicted_and_true(predicted, true))


def _metrics(true: Any, predicted: Any, weights: Any) -> dict[str, Any]:
    import numpy as np
    from sklearn import metrics

    weighted = {"sample_weight": weights}
    squared = metrics.mean_squared_error(true, predicted, **weighted)
    total = np.sum(true if weights is None else true * np.asarray(weights))
    return {
        "example_count": len(true),
        "mean_absolute_error": metrics.mean_absolute_error(true, predicted, **weighted),
        "mean_squared_error": squared,
        "root_mean_squared_error": squared**0.5,
        "sum_on_target": total,
        "mean_on_target": total / len(true),
        "r2_score": metrics.r2_score(true, predicted, **weighted),
        "max_error": metrics.max_error(true, predicted),
        "mean_absolute_percentage_error": metrics.mean_absolute_percentage_error(true, predicted, **weighted),
    }
