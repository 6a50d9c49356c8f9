"""What gradient boosting libraries have in common: metrics by iteration, importance of features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gitml.models import plots
from gitml.models.autolog.training import Call, Training, current


def joining(flavor: str, add: Callable[[Training, Call], None]) -> Callable[[Callable[..., Any]], Any]:
    """Have the inner training of an estimator report to the estimator's training.

    Args:
        flavor: Whose trainings.
        add: Adds a callback to the call of the inner training.
    """

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def train(*args: Any, **kwargs: Any) -> Any:
            training = current()
            if training is None or training.flavor != flavor:
                return original(*args, **kwargs)
            call = Call(original, args, dict(kwargs))
            training.attempt("metrics by iteration", lambda: add(training, call))
            return original(*call.args, **call.kwargs)

        return train

    return make


def log_iteration(training: Training, iteration: int, metrics: Mapping[str, Any]) -> None:
    """Log the metrics of an iteration, if it is one of those that are wanted."""
    if iteration % training.options.epochs == 0:
        training.log_metrics(metrics, iteration)


def log_importance(training: Training, kind: str, find: Callable[[], Mapping[str, Any]]) -> None:
    """Keep how important features are, as JSON and as a plot.

    Args:
        training: The training.
        kind: How it was measured: `weight`, `gain`, `split` …
        find: Measures it: name of a feature → its importance.
    """
    found = training.attempt(f"the {kind} importance", find)
    if not found:
        return
    scores = {str(name): float(score) for name, score in found.items()}
    file = f"feature_importance_{kind}"
    training.log_dict(f"the {kind} importance", f"{file}.json", lambda: scores)
    training.log_figure(f"the {kind} importance", f"{file}.png", lambda: plots.importance(scores, kind))


def arguments_of(call: Call, without: tuple[str, ...]) -> dict[str, Any]:
    """Name the arguments of a call that are params of the training, defaults too."""
    return {name: value for name, value in call.arguments(defaults=True).items() if name not in without}
