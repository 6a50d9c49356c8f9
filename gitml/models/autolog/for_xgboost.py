"""What is logged when XGBoost trains: boosters, and estimators after scikit-learn's manner."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator
from functools import partial
from types import ModuleType
from typing import Any

from gitml.models.autolog.boosting import arguments_of, joining, log_importance, log_iteration
from gitml.models.autolog.for_sklearn import fit_steps
from gitml.models.autolog.models import head, log_dataset, log_model
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import Call, Logger, Training
from gitml.models.flavors.shared import import_module

_NO_PARAMS = (
    "params", "dtrain", "evals", "obj", "feval", "custom_metric", "evals_result", "xgb_model", "callbacks",
)  # fmt: skip
_heads: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()  # first rows, of each matrix


def patch(module: ModuleType, patches: Patches, logger: Logger) -> None:
    """Log what `xgboost.train` and estimators train."""
    patches.replace(module, "train", partial(logger.observed, _steps))
    for matrix in (module.DMatrix, getattr(module, "QuantileDMatrix", None)):
        if matrix is not None:
            patches.replace(matrix, "__init__", partial(_noting, logger))
    patches.replace_in_subclasses(
        module.XGBModel,
        ("fit",),
        partial(logger.observed, partial(fit_steps, flavor="xgboost", done=_finish_estimator)),
        lambda _: True,
    )
    patches.replace(module.sklearn, "train", joining("xgboost", _add_callback))


def _noting(logger: Logger, original: Callable[..., None]) -> Callable[..., None]:
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        data = args[0] if args else kwargs.get("data")
        if logger.is_on() and (first := head(data)) is not None:
            _heads[self] = first

    return init


def _steps(training: Training, call: Call) -> Generator[None, Any, None]:
    matrix = call.given("dtrain")
    example = _heads.get(matrix)
    params = dict(call.given("params") or {})
    training.log_params({**params, **arguments_of(call, _NO_PARAMS)})
    training.attempt("metrics by iteration", lambda: _add_callback(training, call))
    log_dataset(training, example, None)
    booster = yield
    if call.given("early_stopping_rounds") is not None:
        _log_best(training, booster, booster.num_boosted_rounds())
    _log_importance(training, booster)

    def predict(data: Any) -> Any:
        return booster.predict(_xgboost().DMatrix(data))

    options = {"model_format": training.options.model_format}
    log_model(training, "xgboost", booster, example=example, predict=predict, options=options)


def _xgboost() -> Any:
    return import_module("xgboost", "its callback", "xgboost")


def _add_callback(training: Training, call: Call) -> None:
    class Metrics(_xgboost().callback.TrainingCallback):  # type: ignore[misc]
        """Logs what each iteration measured."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            del model
            found = {
                f"{data}-{metric}": values[-1] if not isinstance(values[-1], tuple) else values[-1][0]
                for data, metrics in evals_log.items()
                for metric, values in metrics.items()
            }
            log_iteration(training, epoch, found)
            return False

    call.change(callbacks=[*(call.given("callbacks") or ()), Metrics()])


def _finish_estimator(training: Training, model: Any) -> None:
    booster = model.get_booster()
    if getattr(model, "early_stopping_rounds", None) is not None:
        _log_best(training, booster, booster.num_boosted_rounds())
    _log_importance(training, booster)


def _log_best(training: Training, booster: Any, rounds: int) -> None:
    training.log_metrics(
        {
            "stopped_iteration": rounds - 1,
            "best_iteration": booster.best_iteration,
            "best_score": booster.best_score,
        }
    )


def _log_importance(training: Training, booster: Any) -> None:
    for kind in training.options.importance_types or ("weight",):
        log_importance(training, kind, partial(booster.get_score, importance_type=kind))
