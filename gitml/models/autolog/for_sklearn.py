"""What is logged when scikit-learn fits an estimator."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import partial
from types import ModuleType
from typing import Any

from gitml.models.autolog import sklearn_later, sklearn_scores, sklearn_search
from gitml.models.autolog.models import head, log_dataset, log_model
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import Call, Logger, Training, is_nested, muted, quiet

_METHODS = ("fit", "fit_predict", "fit_transform")
# Only parts of something else, as in MLflow: fitting them alone is no training.
_PARTS = (
    "sklearn.compose._column_transformer", "sklearn.feature_extraction", "sklearn.feature_selection",
    "sklearn.impute", "sklearn.preprocessing",
)  # fmt: skip
_WITH_THEIR_OWN = ("catboost", "lightgbm", "xgboost")


def patch(module: ModuleType, patches: Patches, logger: Logger) -> None:
    """Log what is fitted by classes of scikit-learn, and of others that build on them."""
    if module.__name__ == "sklearn.metrics":
        if logger.options.log_post_training_metrics:
            sklearn_later.patch_metrics(module, patches, logger)
        return
    from sklearn.base import BaseEstimator
    from sklearn.utils import parallel

    steps = partial(fit_steps, flavor="sklearn", done=partial(_done, patches, logger))
    observed = partial(logger.observed, steps)
    names = dict.fromkeys(_METHODS)
    patches.replace_in_subclasses(BaseEstimator, names, quiet, _is_part)
    patches.replace_in_subclasses(BaseEstimator, names, observed, _is_model)
    _follow_threads(parallel, patches)


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def _is_part(kind: type) -> bool:
    if kind.__module__.startswith(_PARTS):
        return True
    return _package(kind) != "sklearn" and not hasattr(kind, "predict") and not hasattr(kind, "fit_predict")


def _is_model(kind: type) -> bool:
    return not _is_part(kind) and _package(kind) not in _WITH_THEIR_OWN


def _follow_threads(parallel: Any, patches: Patches) -> None:
    """Let work that a training hands to threads know that it is part of it."""
    work = getattr(parallel, "_FuncWrapper", None)
    if work is None:
        return

    def marked(piece: Any) -> Any:
        if isinstance(piece[0], work):
            piece[0].part_of_training = True
        return piece

    def marking(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, iterable: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
            # Asked here: joblib takes pieces of work from the iterable in any thread.
            return original(self, map(marked, iterable) if is_nested() else iterable, *args, **kwargs)

        return call

    def heeding(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if not getattr(self, "part_of_training", False) or is_nested():
                return original(self, *args, **kwargs)
            with muted():
                return original(self, *args, **kwargs)

        return call

    patches.replace(parallel.Parallel, "__call__", marking)
    patches.replace(work, "__call__", heeding)


def fit_steps(
    training: Training, call: Call, *, flavor: str, done: Callable[[Training, Any], None] | None = None,
    first: Callable[[Any], Any] = head,
) -> Generator[None, Any, None]:  # fmt: skip
    """Log an estimator that is being fitted: params, scores, plots, the model, and what a search tried.

    Args:
        training: The training.
        call: Its call: a method of the estimator.
        flavor: How the model is written.
        done: What else is to be done with the fitted estimator.
        first: Copies the first rows of its data.
    """
    estimator, options = call.args[0], training.options
    features, targets = call.given("X"), call.given("y", "Y")
    weights = call.given("sample_weight")
    is_search = sklearn_search.is_search(estimator)
    training.log_params(training.attempt("params", lambda: estimator.get_params(deep=not is_search)) or {})
    training.set_tags(sklearn_search.tags_of(estimator))
    example = training.attempt("the input example", lambda: first(features))
    log_dataset(training, features, targets)
    training.attempt("the data sets", lambda: _log_eval_sets(training, call, features))
    yield
    with muted():
        # A frame of pandas, an array, a matrix or a list is still there; what could be read once is not.
        if targets is not None and hasattr(features, "__getitem__") and hasattr(estimator, "predict"):
            sklearn_scores.log_scores(training, estimator, features, targets, weights)
        if flavor == "sklearn":
            training.log_text("the estimator's page", "estimator.html", lambda: _page(estimator))
        predict = getattr(estimator, "predict", None) or getattr(estimator, "transform", None)
        log = partial(log_estimator, training, flavor, example=example, predict=predict)
        log(estimator)
        if is_search:
            sklearn_search.log_search(training, estimator)
            if options.log_models and hasattr(estimator, "best_estimator_"):
                log(estimator.best_estimator_, "best_estimator")
        if done is not None:
            training.attempt("later metrics", lambda: done(training, estimator))


def _log_eval_sets(training: Training, call: Call, features: Any) -> None:
    """Record the data that boosting libraries evaluate on, but for what they train with."""
    given, inputs, outputs = call.given("eval_set"), call.given("eval_X"), call.given("eval_y")
    pairs = list(given) if isinstance(given, list) else [given]
    pairs += zip(inputs, outputs, strict=False) if isinstance(inputs, tuple) else [(inputs, outputs)]
    for pair in pairs:
        if isinstance(pair, list | tuple) and len(pair) >= 2 and pair[0] is not features:
            log_dataset(training, pair[0], pair[1], "eval")


def log_estimator(
    training: Training, flavor: str, estimator: Any, name: str = "model", *, example: Any, predict: Any
) -> None:
    """Keep a fitted estimator."""
    options: dict[str, Any] = {}
    instead = None
    if flavor == "sklearn":
        options = {"serialization_format": training.options.serialization_format}
        # Lambdas and the like are code; skops has no words for them.
        instead = {"serialization_format": "cloudpickle"} if options["serialization_format"] is None else None
    elif flavor == "xgboost":
        options = {"model_format": training.options.model_format}
    log_model(
        training, flavor, estimator, name, example=example, predict=predict, options=options, instead=instead
    )


def _page(estimator: Any) -> str:
    from sklearn.utils import estimator_html_repr

    return str(estimator_html_repr(estimator))


def _done(patches: Patches, logger: Logger, training: Training, estimator: Any) -> None:
    if training.options.log_post_training_metrics:
        sklearn_later.follow(patches, logger, estimator, training.run_id)
