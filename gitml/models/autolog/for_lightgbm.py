"""What is logged when LightGBM trains: boosters, and estimators after scikit-learn's manner."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from types import ModuleType
from typing import Any

from gitml.models.autolog.boosting import Iterations, arguments_of, joining, log_importance
from gitml.models.autolog.for_sklearn import fit_steps
from gitml.models.autolog.holders import Holders
from gitml.models.autolog.models import log_dataset, log_model
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import Call, Logger, Training

_NO_PARAMS = (
    "params", "train_set", "valid_sets", "valid_names", "feval", "init_model", "callbacks", "fobj",
    "evals_result",
)  # fmt: skip
_datasets = Holders()  # a data set may forget its data as soon as it is used


def patch(module: ModuleType, patches: Patches, logger: Logger) -> None:
    """Log what `lightgbm.train` and estimators train."""
    patches.replace(module, "train", partial(logger.observed, _steps))
    patches.replace(module.Dataset, "__init__", partial(_datasets.noting, logger))
    patches.replace_in_subclasses(
        module.LGBMModel,
        ("fit",),
        partial(logger.observed, partial(fit_steps, flavor="lightgbm", done=_finish_estimator)),
        lambda _: True,
    )
    patches.replace(module.sklearn, "train", joining("lightgbm", _add_callback, _log_best))


def _steps(training: Training, call: Call) -> Generator[None, Any, None]:
    dataset = call.given("train_set")
    example = _datasets.head(dataset)
    training.log_params({**(call.given("params") or {}), **arguments_of(call, _NO_PARAMS)})
    iterations = Iterations(training)
    training.attempt("metrics by iteration", lambda: _add_callback(call, iterations))
    training.attempt("the data sets", lambda: _log_datasets(training, dataset, call))
    booster = yield
    training.attempt("the best iteration", lambda: _log_best(booster, iterations))
    _log_importance(training, booster)
    log_model(training, "lightgbm", booster, example=example, predict=booster.predict)


def _log_datasets(training: Training, dataset: Any, call: Call) -> None:
    log_dataset(training, _datasets.data(dataset), None)
    given, names = call.given("valid_sets") or (), call.given("valid_names") or ()
    others = given if isinstance(given, list | tuple) else [given]
    names = [names] if isinstance(names, str) else names
    for number, other in enumerate(others):
        if other is not dataset:
            name = names[number] if number < len(names) else None
            log_dataset(training, _datasets.data(other), None, "eval", name)


def _add_callback(call: Call, iterations: Iterations) -> None:
    def log_metrics(env: Any) -> None:
        found = {f"{item[0]}-{item[1]}": item[2] for item in env.evaluation_result_list or ()}
        iterations.log(env.iteration, found)

    # Before those that end a training by an exception, such as early stopping.
    log_metrics.order = 0  # type: ignore[attr-defined]
    call.change(callbacks=[log_metrics, *(call.given("callbacks") or ())])


def _log_best(booster: Any, iterations: Iterations) -> None:
    if booster.best_iteration > 0:  # only after early stopping; the first iteration is 1 there
        iterations.log_best(booster.best_iteration - 1, first=1)


def _finish_estimator(training: Training, model: Any) -> None:
    _log_importance(training, model.booster_)


def _log_importance(training: Training, booster: Any) -> None:
    for kind in training.options.importance_types or ("split", "gain"):
        log_importance(training, kind, partial(_importance, booster, kind))


def _importance(booster: Any, kind: str) -> dict[str, float]:
    return dict(zip(booster.feature_name(), booster.feature_importance(importance_type=kind), strict=True))
