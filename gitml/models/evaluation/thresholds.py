"""Thresholds that a model's metrics must reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitml.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from gitml.models.evaluation.result import EvaluationResult

_BETTER_BY = 1e-10  # than a baseline of 0, which nothing can be relative to


@dataclass(frozen=True)
class MetricThreshold:
    """What a metric must reach, by itself or compared with a baseline.

    Attributes:
        threshold: At least that much, or at most if less is better.
        min_absolute_change: So much better than the baseline; positive.
        min_relative_change: So much better than the baseline, as a share of its size; 0 to 1.
        greater_is_better: Whether more of the metric is better.
    """

    threshold: float | None = None
    min_absolute_change: float | None = None
    min_relative_change: float | None = None
    greater_is_better: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: A value can't be used, or there is none.
        """
        _check_number("threshold", self.threshold)
        _check_number("min_absolute_change", self.min_absolute_change)
        _check_number("min_relative_change", self.min_relative_change)
        if self.min_absolute_change is not None and self.min_absolute_change <= 0:
            raise _wrong("'min_absolute_change' is a positive number")
        if self.min_relative_change is not None and not 0 <= self.min_relative_change <= 1:
            raise _wrong("'min_relative_change' is between 0 and 1")
        if not isinstance(self.greater_is_better, bool):
            raise _wrong("it is to say whether greater_is_better")
        if (self.threshold, self.min_absolute_change, self.min_relative_change) == (None, None, None):
            raise _wrong("there is none: give 'threshold', 'min_absolute_change' or 'min_relative_change'")


def _check_number(name: str, value: object) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise _wrong(f"'{name}' is a number")


def _wrong(rule: str) -> UsageError:
    return UsageError(
        f"this can't be a threshold: {rule}",
        hint="MetricThreshold(threshold=0.8, greater_is_better=True)",
    )


class ModelValidationFailedError(RefusedError):
    """A model's metrics do not reach what they must; MLflow calls it ModelValidationFailedException.

    `failures` has a sentence for each, which names metric, value and threshold.
    """

    error_code = "BAD_REQUEST"

    def __init__(self, failures: list[str]) -> None:
        super().__init__(
            "\n".join(failures), hint="the model was not accepted; train another, or ask for less"
        )
        self.failures = tuple(failures)


def validate_evaluation_results(
    validation_thresholds: Mapping[str, MetricThreshold],
    candidate_result: EvaluationResult,
    baseline_result: EvaluationResult | None = None,
) -> None:
    """Hold the metrics of a model against thresholds, and against those of a baseline.

    Args:
        validation_thresholds: Name of a metric → what it must reach.
        candidate_result: The model's evaluation.
        baseline_result: The evaluation of the model to compare with.

    Raises:
        ModelValidationFailedError: A metric is missing, or does not reach its threshold.
        UsageError: The thresholds are no thresholds.
    """
    given: Any = validation_thresholds
    if not isinstance(given, Mapping) or not all(
        isinstance(name, str) and isinstance(threshold, MetricThreshold) for name, threshold in given.items()
    ):
        raise UsageError(
            "thresholds are a dictionary of names and MetricThresholds",
            hint="{'accuracy_score': MetricThreshold(threshold=0.8, greater_is_better=True)}",
        )
    known = {} if baseline_result is None else baseline_result.metrics
    failures = [
        failure
        for name, threshold in validation_thresholds.items()
        for failure in _failures(name, threshold, candidate_result.metrics, known)
    ]
    if failures:
        raise ModelValidationFailedError(failures)


def _failures(
    name: str, wanted: MetricThreshold, found: Mapping[str, float], baseline: Mapping[str, float]
) -> list[str]:
    if name not in found:
        return [f"metric '{name}' is not among those of the evaluation: {', '.join(sorted(found)) or 'none'}"]
    value, sign = found[name], 1 if wanted.greater_is_better else -1
    must = "at least" if wanted.greater_is_better else "at most"
    failures = []
    if wanted.threshold is not None and not value * sign >= wanted.threshold * sign:
        failures.append(f"metric '{name}' is {value}, it must be {must} {wanted.threshold}")
    if wanted.min_absolute_change is None and not wanted.min_relative_change:
        return failures
    if name not in baseline:
        return [
            *failures,
            f"metric '{name}' is not among those of the baseline, which it is to be compared with",
        ]
    before = baseline[name]
    limits = {}
    if wanted.min_absolute_change is not None:
        limits["min_absolute_change"] = before + sign * wanted.min_absolute_change
    if wanted.min_relative_change is not None:
        step = wanted.min_relative_change * abs(before) if before else _BETTER_BY
        limits["min_relative_change"] = before + sign * step
    for rule, limit in limits.items():
        if not value * sign >= limit * sign:
            failures.append(
                f"metric '{name}' is {value}, and {before} of the baseline: it must be {must} {limit} "
                f"({rule}={getattr(wanted, rule)})"
            )
    return failures
