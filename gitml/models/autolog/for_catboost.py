"""What is logged when CatBoost fits."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

from gitml.models.autolog.boosting import log_importance, log_iteration
from gitml.models.autolog.for_sklearn import fit_steps
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import Logger, Training


def patch(module: ModuleType, patches: Patches, logger: Logger) -> None:
    """Log what CatBoost's estimators fit."""
    steps = partial(fit_steps, flavor="catboost", done=_finish)
    observed = partial(logger.observed, steps)
    patches.replace_in_subclasses(module.CatBoost, ("fit",), observed, lambda _: True)


def _finish(training: Training, model: Any) -> None:
    # Callbacks don't work everywhere, on GPUs for one; what each iteration measured is kept anyway.
    training.attempt("metrics by iteration", lambda: _log_iterations(training, model.get_evals_result()))
    if model.get_best_iteration() is not None:
        training.log_metrics(
            {"best_iteration": model.get_best_iteration(), "stopped_iteration": model.tree_count_ - 1}
        )
    log_importance(
        training,
        "PredictionValuesChange",
        lambda: dict(zip(model.feature_names_, model.get_feature_importance(), strict=True)),
    )


def _log_iterations(training: Training, results: dict[str, dict[str, list[float]]]) -> None:
    series = {
        f"{data}-{metric}": values for data, metrics in results.items() for metric, values in metrics.items()
    }
    for iteration in range(max(map(len, series.values()), default=0)):
        found = {name: values[iteration] for name, values in series.items() if iteration < len(values)}
        log_iteration(training, iteration, found)
