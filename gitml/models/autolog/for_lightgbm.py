"""What is logged when LightGBM trains: boosters, and estimators after scikit-learn's manner."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from types import ModuleType
from typing import Any

from gitml.models.autolog.boosting import arguments_of, joining, log_importance, log_iteration
from gitml.models.autolog.for_sklearn import fit_steps
from gitml.models.autolog.models import head, log_dataset, log_model
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import Call, Logger, Training

_NO_PARAMS = (
    "params", "train_set", "valid_sets", "valid_names", "feval", "init_model", "callbacks", "fobj",
    "evals_result",
)  # fmt: skip


def patch(module: ModuleType, patches: Patches, logger: Logger) -> None:
    """Log what `lightgbm.train` and estimators train."""
    patches.replace(module, "train", partial(logger.observed, _steps))
    patches.replace_in_subclasses(
        module.LGBMModel,
        ("fit",),
        partial(logger.observed, partial(fit_steps, flavor="lightgbm", done=_finish_estimator)),
        lambda _: True,
    )
    patches.replace(module.sklearn, "train", joining("lightgbm", _add_callback))


def _steps(training: Training, call: Call) -> Generator[None, Any, None]:
    dataset = call.given("train_set")
    data = getattr(dataset, "data", None)
    example = training.attempt("the input example", lambda: head(data))
    training.log_params({**(call.given("params") or {}), **arguments_of(call, _NO_PARAMS)})
    training.attempt("metrics by iteration", lambda: _add_callback(training, call))
    log_dataset(training, data, None)
    booster = yield
    if booster.best_iteration > 0:
        _log_best(training, booster)
    _log_importance(training, booster)
    log_model(training, "lightgbm", booster, example=example, predict=booster.predict)


def _add_callback(training: Training, call: Call) -> None:
    def log_metrics(env: Any) -> None:
        found = {f"{item[0]}-{item[1]}": item[2] for item in env.evaluation_result_list or ()}
        log_iteration(training, env.iteration, found)

    # Before those that end a training by an exception, such as early stopping.
    log_metrics.order = 0  # type: ignore[attr-defined]
    call.change(callbacks=[log_metrics, *(call.given("callbacks") or ())])


def _finish_estimator(training: Training, model: Any) -> None:
    if model.booster_.best_iteration > 0:
        _log_best(training, model.booster_)
    _log_importance(training, model.booster_)


def _log_best(training: Training, booster: Any) -> None:
    training.log_metrics(
        {"stopped_iteration": booster.current_iteration(), "best_iteration": booster.best_iteration}
    )
    training.log_metrics(
        {
            f"best-{data}-{metric}": value
            for data, of in booster.best_score.items()
            for metric, value in of.items()
        }
    )


def _log_importance(training: Training, booster: Any) -> None:
    for kind in training.options.importance_types or ("split", "gain"):
        log_importance(training, kind, partial(_importance, booster, kind))


def _importance(booster: Any, kind: str) -> dict[str, float]:
    return dict(zip(booster.feature_name(), booster.feature_importance(importance_type=kind), strict=True))
