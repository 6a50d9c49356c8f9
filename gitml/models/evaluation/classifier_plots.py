"""Curves of a classifier: receiver operating characteristic, precision and recall, lift, calibration."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from gitml.models import plots
from gitml.models.evaluation.evaluation import Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_CLASSES = 10
_UP = ((0.0, 1.0), (0.0, 1.0))
_DOWN = ((0.0, 1.0), (1.0, 0.0))


def draw_curves(evaluation: Evaluation, labels: Any, positive: Any, column: int) -> None:
    """Draw the curves of a classifier that knows chances.

    Args:
        evaluation: What was predicted.
        labels: The classes.
        positive: The positive one of two; None if there are more.
        column: Where its chance is.
    """
    most = int(evaluation.config.get("max_classes_for_multiclass_roc_pr", _MOST_CLASSES))
    pairs = [(positive, column)]
    if len(labels) > 2:
        targets = evaluation.examples.targets
        pairs = [(label, at) for at, label in enumerate(labels) if (targets == label).any()]
    if len(labels) <= most:
        evaluation.draw("roc_curve_plot", partial(_roc, evaluation, pairs))
        evaluation.draw("precision_recall_curve_plot", partial(_precision, evaluation, pairs))
    if len(labels) == 2:
        evaluation.draw("lift_curve_plot", partial(_lift, evaluation, labels, column))
    evaluation.draw("calibration_curve_plot", partial(_calibration, evaluation, pairs))


def _cases(evaluation: Evaluation, pairs: list[tuple[Any, int]]) -> Iterator[tuple[Any, Any, Any]]:
    """For each class: it, which examples are of it, and their chances."""
    for label, column in pairs:
        yield label, evaluation.examples.targets == label, evaluation.predicted.chances[:, column]


def _roc(evaluation: Evaluation, pairs: list[tuple[Any, int]]) -> Figure:
    from sklearn import metrics

    lines = {}
    for label, is_it, score in _cases(evaluation, pairs):
        wrong, right, _ = metrics.roc_curve(is_it, score, sample_weight=evaluation.weights)
        area = metrics.roc_auc_score(is_it, score, sample_weight=evaluation.weights)
        lines[f"{label} (AUC={area:.3f})"] = (wrong, right)
    names = ("ROC curve", "False Positive Rate", "True Positive Rate")
    return plots.curves(lines, *names, _UP, steps=True)


def _precision(evaluation: Evaluation, pairs: list[tuple[Any, int]]) -> Figure:
    from sklearn import metrics

    lines = {}
    for label, is_it, score in _cases(evaluation, pairs):
        precise, recalled, _ = metrics.precision_recall_curve(is_it, score, sample_weight=evaluation.weights)
        found = metrics.average_precision_score(is_it, score, sample_weight=evaluation.weights)
        lines[f"{label} (AP={found:.3f})"] = (recalled, precise)
    return plots.curves(lines, "Precision recall curve", "Recall", "Precision", _DOWN, steps=True)


def _lift(evaluation: Evaluation, labels: Any, column: int) -> Figure:
    """How many more of a class are found among those with the best chances than by chance."""
    import numpy as np

    lines = {}
    share = np.arange(1, len(evaluation.examples) + 1) / len(evaluation.examples)
    pairs = [(labels[1], column), (labels[0], 1 - column)]
    for label, is_it, score in _cases(evaluation, pairs):
        if not is_it.any():
            raise ValueError(f"there is no example of class {label}")
        found = np.cumsum(is_it[np.argsort(-score, kind="stable")]) / is_it.sum()
        lines[f"{label}"] = (share, found / share)
    names = ("Lift curve", "Share of the examples", "Lift")
    return plots.curves(lines, *names, ((0.0, 1.0), (1.0, 1.0)))


def _calibration(evaluation: Evaluation, pairs: list[tuple[Any, int]]) -> Figure:
    from sklearn.calibration import calibration_curve

    bins = int(evaluation.config.get("calibration_n_bins", 10))
    lines = {}
    for label, is_it, score in _cases(evaluation, pairs):
        true, said = calibration_curve(is_it, score, n_bins=bins)
        lines[f"{label}"] = (said, true)
    name = evaluation.config.get("calibration_classifier_name", "Classifier")
    names = (f"{name} calibration", "Mean predicted chance", "Share of the class")
    return plots.curves(lines, *names, _UP, marker="o")
