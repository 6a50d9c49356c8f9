"""What is logged when CatBoost fits."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from types import ModuleType
from typing import Any

from gitml.models.autolog.boosting import Iterations, log_importance
from gitml.models.autolog.for_sklearn import fit_steps
from gitml.models.autolog.models import EXAMPLE_ROWS, head
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import Call, Logger, Training

_IMPORTANCE = "PredictionValuesChange"  # what needs no data


def patch(module: ModuleType, patches: Patches, logger: Logger) -> None:
    """Log what CatBoost's estimators fit."""
    observed = partial(logger.observed, partial(_steps, module))
    patches.replace_in_subclasses(module.CatBoost, ("fit",), observed, lambda _: True)


def _steps(catboost: Any, training: Training, call: Call) -> Generator[None, Any, None]:
    before = training.attempt("the model it goes on with", lambda: _trees(catboost, call.given("init_model")))
    done, first = partial(_finish, before or 0), partial(_head, catboost)
    yield from fit_steps(training, call, flavor="catboost", done=done, first=first)


def _trees(catboost: Any, model: Any) -> int:
    """Count the trees of a model, or of its file."""
    if model is None:
        return 0
    return int(
        (model if hasattr(model, "tree_count_") else catboost.CatBoost().load_model(model)).tree_count_
    )


def _head(catboost: Any, data: Any) -> Any:
    """Copy the first rows; of a pool if it holds nothing but numbers that it did not sort into bins."""
    if not isinstance(data, catboost.Pool):
        return head(data)
    import pandas as pd

    try:
        part = data.slice(list(range(min(EXAMPLE_ROWS, data.num_row()))))
        # A pool has made narrower numbers of what it was given.
        return pd.DataFrame(part.get_features(), columns=data.get_feature_names(), dtype="float64")
    except catboost.CatBoostError:
        return None


def _finish(before: int, training: Training, model: Any) -> None:
    # Callbacks don't work everywhere, on GPUs for one; what each iteration measured is kept anyway.
    training.attempt("metrics by iteration", lambda: _log_iterations(before, training, model))
    log_importance(training, _IMPORTANCE, partial(_importance, model))


def _importance(model: Any) -> dict[str, float]:
    scores = model.get_feature_importance(type=_IMPORTANCE)
    return dict(zip(model.feature_names_, scores, strict=True))


def _log_iterations(before: int, training: Training, model: Any) -> None:
    series = {
        f"{data}-{metric}": values
        for data, metrics in model.get_evals_result().items()
        for metric, values in metrics.items()
    }
    iterations = Iterations(training)
    for iteration in range(max(map(len, series.values()), default=0)):
        found = {name: values[iteration] for name, values in series.items() if iteration < len(values)}
        iterations.log(before + iteration, found)
    if model.get_best_iteration() is not None:  # only with data to evaluate on
        iterations.log_best(before + model.get_best_iteration())
