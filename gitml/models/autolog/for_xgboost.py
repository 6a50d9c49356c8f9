"""What is logged when XGBoost trains: boosters, and estimators after scikit-learn's manner."""

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
from gitml.models.flavors.shared import import_module

_NO_PARAMS = (
    "params", "dtrain", "evals", "obj", "feval", "custom_metric", "evals_result", "xgb_model", "callbacks",
)  # fmt: skip
_MOST_CELLS = 10_000_000  # of a matrix that is read back to be described
_matrices = Holders()


def patch(module: ModuleType, patches: Patches, logger: Logger) -> None:
    """Log what `xgboost.train` and estimators train."""
    patches.replace(module, "train", partial(logger.observed, _steps))
    for matrix in (module.DMatrix, getattr(module, "QuantileDMatrix", None)):
        if matrix is not None:
            patches.replace(matrix, "__init__", partial(_matrices.noting, logger))
    patches.replace_in_subclasses(
        module.XGBModel,
        ("fit",),
        partial(logger.observed, partial(fit_steps, flavor="xgboost", done=_finish_estimator)),
        lambda _: True,
    )
    patches.replace(module.sklearn, "train", joining("xgboost", _add_callback, _log_best))


def _steps(training: Training, call: Call) -> Generator[None, Any, None]:
    matrix = call.given("dtrain")
    example = _matrices.head(matrix)
    training.log_params({**(call.given("params") or {}), **arguments_of(call, _NO_PARAMS)})
    iterations = Iterations(training)
    training.attempt("metrics by iteration", lambda: _add_callback(call, iterations))
    training.attempt("the data sets", lambda: _log_datasets(training, matrix, call.given("evals") or ()))
    booster = yield
    training.attempt("the best iteration", lambda: _log_best(booster, iterations))
    _log_importance(training, booster)

    def predict(data: Any) -> Any:
        return booster.predict(_xgboost().DMatrix(data))

    options = {"model_format": training.options.model_format}
    log_model(training, "xgboost", booster, example=example, predict=predict, options=options)


def _xgboost() -> Any:
    return import_module("xgboost", "its callback", "xgboost")


def _log_datasets(training: Training, matrix: Any, evals: Any) -> None:
    if not training.options.log_datasets:
        return
    log_dataset(training, _features(matrix), None)
    for other, name in evals:
        if other is not matrix:
            log_dataset(training, _features(other), None, "eval", name)


def _features(matrix: Any) -> Any:
    data = _matrices.data(matrix)
    if data is not None or matrix.num_row() * matrix.num_col() > _MOST_CELLS:
        return data
    return matrix.get_data().toarray()


def _add_callback(call: Call, iterations: Iterations) -> None:
    class Metrics(_xgboost().callback.TrainingCallback):  # type: ignore[misc]
        """Logs what each iteration measured; one that goes on with a booster counts on."""

        def before_training(self, model: Any) -> Any:
            self.before = iterations.training.attempt("the step", model.num_boosted_rounds) or 0
            return model

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            del model
            found = {
                f"{data}-{metric}": values[-1] if not isinstance(values[-1], tuple) else values[-1][0]
                for data, metrics in evals_log.items()
                for metric, values in metrics.items()
            }
            iterations.log(self.before + epoch, found)
            return False

    # Before those that end a training, such as early stopping.
    call.change(callbacks=[Metrics(), *(call.given("callbacks") or ())])


def _log_best(booster: Any, iterations: Iterations) -> None:
    best = getattr(booster, "best_iteration", None)  # only after early stopping
    if best is not None:
        iterations.log_best(best)
        iterations.training.log_metrics({"best_score": booster.best_score})


def _finish_estimator(training: Training, model: Any) -> None:
    _log_importance(training, model.get_booster())


def _log_importance(training: Training, booster: Any) -> None:
    for kind in training.options.importance_types or ("weight",):
        log_importance(training, kind, partial(booster.get_score, importance_type=kind))
