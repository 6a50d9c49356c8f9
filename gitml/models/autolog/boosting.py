"""What gradient boosting libraries have in common: metrics by iteration, importance of features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitml.models import plots
from gitml.models.autolog.training import Call, Training, current


@dataclass(slots=True, eq=False)
class Iterations:
    """What each iteration of a training measured.

    Attributes:
        training: The training.
        found: Iteration → name of a metric → its value.
    """

    training: Training
    found: dict[int, dict[str, Any]] = field(default_factory=dict)

    def log(self, iteration: int, metrics: Mapping[str, Any]) -> None:
        """Log the metrics of an iteration, if it is one of those that are wanted."""
        # As MLflow says `ndcg@3`, which it can't have in names.
        named = {name.replace("@", "_at_"): value for name, value in metrics.items()}
        self.found[iteration] = named
        if iteration % self.training.options.epochs == 0:
            self.training.log_metrics(named, iteration)

    def log_best(self, best: int, *, first: int = 0) -> None:
        """Log which iteration was the best, and its metrics once more, at the step after the last one.

        Args:
            best: The iteration.
            first: How the library calls the first iteration where it says which is the best.
        """
        last = max(self.found, default=best)
        self.training.log_metrics({"stopped_iteration": last + first, "best_iteration": best + first})
        self.training.log_metrics(self.found.get(best, {}), last + 1)


Add = Callable[[Call, Iterations], None]
Done = Callable[[Any, Iterations], None]


def joining(flavor: str, add: Add, done: Done) -> Callable[[Callable[..., Any]], Any]:
    """Have the inner training of an estimator report to the estimator's training.

    Args:
        flavor: Whose trainings.
        add: Adds a callback to the call of the inner training.
        done: Logs what is known of its result.
    """

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def train(*args: Any, **kwargs: Any) -> Any:
            training = current()
            if training is None or training.flavor != flavor:
                return original(*args, **kwargs)
            call, iterations = Call(original, args, dict(kwargs)), Iterations(training)
            training.attempt("metrics by iteration", lambda: add(call, iterations))
            booster = original(*call.args, **call.kwargs)
            training.attempt("the best iteration", lambda: done(booster, iterations))
            return booster

        return train

    return make


def log_importance(training: Training, kind: str, find: Callable[[], Mapping[str, Any]]) -> None:
    """Keep how important features are, as JSON and as a plot.

    Args:
        training: The training.
        kind: How it was measured: `weight`, `gain`, `split` …
        find: Measures it: name of a feature → its importance, or one for each class.
    """
    what = f"the {kind} importance"
    scores = training.attempt(what, lambda: {str(name): _plain(score) for name, score in find().items()})
    if not scores:
        return
    sizes = {
        name: score if isinstance(score, float) else sum(map(abs, score)) for name, score in scores.items()
    }
    file = f"feature_importance_{kind}"
    training.log_dict(what, f"{file}.json", lambda: scores)
    training.log_figure(what, f"{file}.png", lambda: plots.importance(sizes, kind))


def _plain(score: Any) -> float | list[float]:
    return [float(one) for one in score] if isinstance(score, list | tuple) else float(score)


def arguments_of(call: Call, without: tuple[str, ...]) -> dict[str, Any]:
    """Name the arguments of a call that are params of the training, defaults too."""
    return {name: value for name, value in call.arguments(defaults=True).items() if name not in without}
