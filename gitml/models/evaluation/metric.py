"""Metrics of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitml.errors import UsageError


@dataclass(frozen=True, slots=True)
class MetricValue:
    """What a metric found.

    Attributes:
        scores: A score for each row; they are kept in the table of the evaluation.
        justifications: A reason for each score.
        aggregate_results: Numbers for all rows together, by name; these are logged as metrics.
    """

    scores: Sequence[float | str | None] | None = None
    justifications: Sequence[str | None] | None = None
    aggregate_results: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class EvaluationMetric:
    """A metric to compute besides the usual ones; `make_metric` makes it.

    Attributes:
        eval_fn: Computes it: a number, or a `MetricValue`. What it is given depends on what its
            arguments are called: `predictions`, `targets`, `metrics` (those so far), a column of the
            data, a key of `evaluator_config`, or another metric. With two arguments of other names it
            gets a table with the columns `prediction` and `target`, and the metrics so far.
        name: What it is logged as.
        greater_is_better: Whether more of it is better.
        long_name: A name for people.
        version: Its version; becomes part of the name.
    """

    eval_fn: Callable[..., Any]
    name: str
    greater_is_better: bool
    long_name: str | None = None
    version: str | None = None

    @property
    def logged_name(self) -> str:
        """What it is called among the metrics of a run."""
        return f"{self.name}/{self.version}" if self.version else self.name


def make_metric(
    *, eval_fn: Callable[..., Any], greater_is_better: bool, name: str | None = None,
    long_name: str | None = None, version: str | None = None, metric_details: Any = None,
    metric_metadata: Any = None, genai_metric_args: Any = None,
) -> EvaluationMetric:  # fmt: skip
    """Make a metric of a function.

    Args:
        eval_fn: Computes it; see `EvaluationMetric`.
        greater_is_better: Whether more of it is better.
        name: What it is logged as; the function's name if not given.
        long_name: A name for people.
        version: Its version.
        metric_details: Has no effect, as the next two; they are MLflow's.
        metric_metadata: As above.
        genai_metric_args: As above.

    Raises:
        UsageError: The function has no name, and none was given.

    Example:
        >>> make_metric(eval_fn=lambda predictions, targets: 1.0, greater_is_better=True, name="one").name
        'one'
    """
    del metric_details, metric_metadata, genai_metric_args
    found = name if name is not None else getattr(eval_fn, "__name__", None)
    if found is None or found == "<lambda>":
        raise UsageError("a metric made of a lambda needs a name", hint="make_metric(…, name='…')")
    if not found.isidentifier():
        raise UsageError(f"'{found:.80}' can't be a metric's name", hint="use letters, digits and '_'")
    return EvaluationMetric(eval_fn, found, greater_is_better, long_name, version)
