"""What is logged when CatBoost fits."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

from gitml.models.autolog.boosting import Iterations, log_importance
from gitml.models.autolog.for_sklearn import fit_steps
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import Logger, Training

_IMPORTANCE = "PredictionValuesChange"  # what needs no data


def patch(module: ModuleType, patches: Patches, logger: Logger) -> None:
    """Log what CatBoost's estimators fit."""
    steps = partial(fit_steps, flavor="catboost", done=_finish)
    observed = partial(logger.observed, steps)
    patches.replace_in_subclasses(module.CatBoost, ("fit",), observed, lambda _: True)


def _finish(training: Training, model: Any) -> None:
    # Callbacks don't work everywhere, on GPUs for one; what each iteration measured is kept anyway.
    training.attempt("metrics by iteration", lambda: _log_iterations(training, model))
    log_importance(training, _IMPORTANCE, partial(_importance, model))


def _importance(model: Any) -> dict[str, float]:
    scores = model.get_feature_importance(type=_IMPORTANCE)
    return dict(zip(model.feature_names_, scores, strict=True))


def _log_iterations(training: Training, model: Any) -> None:
    series = {
        f"{data}-{metric}": values
        for data, metrics in model.get_evals_result().items()
        for metric, values in metrics.items()
    }
    iterations = Iterations(training)
    for iteration in range(max(map(len, series.values()), default=0)):
        found = {name: values[iteration] for name, values in series.items() if iteration < len(values)}
        iterations.log(iteration, found)
    if model.get_best_iteration() is not None:  # only with data to evaluate on
        iterations.log_best(model.get_best_iteration())
