"""How well an estimator does on what it was trained with; names and means are MLflow's."""

from __future__ import annotations

from typing import Any

from gitml.models import plots
from gitml.models.autolog.training import Training

_PREFIX = "training_"


def log_scores(training: Training, estimator: Any, features: Any, targets: Any, weights: Any) -> None:
    """Log the scores and plots of a fitted classifier or regressor, and the estimator's own score."""
    from sklearn.base import is_classifier, is_regressor

    metrics: dict[str, Any] = {}
    if training.attempt("training metrics", lambda: is_classifier(estimator)):
        predicted = training.attempt("training metrics", lambda: estimator.predict(features))
        if predicted is not None:
            chances = training.attempt("training metrics", lambda: _chances(estimator, features))
            scores = training.attempt(
                "training metrics",
                lambda: _classified(targets, predicted, weights, training.options.pos_label),
            )
            metrics.update(scores or {})
            if chances is not None:
                shown = training.attempt("training metrics", lambda: _by_chance(targets, chances, weights))
                metrics.update(shown or {})
            _draw(training, estimator, targets, predicted, chances, weights)
    elif training.attempt("training metrics", lambda: is_regressor(estimator)):
        found = training.attempt(
            "training metrics", lambda: _regressed(targets, estimator.predict(features), weights)
        )
        metrics.update(found or {})
    if hasattr(estimator, "score"):
        score = training.attempt("the training score", lambda: _score(estimator, features, targets, weights))
        if score is not None:
            metrics["score"] = score
    training.log_metrics({_PREFIX + name: value for name, value in metrics.items()})


def _score(estimator: Any, features: Any, targets: Any, weights: Any) -> Any:
    import inspect

    if weights is not None and "sample_weight" in inspect.signature(estimator.score).parameters:
        return estimator.score(features, targets, sample_weight=weights)
    return estimator.score(features, targets)


def _chances(estimator: Any, features: Any) -> Any:
    return estimator.predict_proba(features) if hasattr(estimator, "predict_proba") else None


def _classified(true: Any, predicted: Any, weights: Any, pos_label: Any) -> dict[str, Any]:
    from sklearn import metrics

    of_classes: dict[str, Any] = {"sample_weight": weights, "zero_division": 0}
    if pos_label is None:
        of_classes["average"] = "weighted"
    else:
        of_classes.update(average="binary", pos_label=pos_label)
    return {
        "precision_score": metrics.precision_score(true, predicted, **of_classes),
        "recall_score": metrics.recall_score(true, predicted, **of_classes),
        "f1_score": metrics.f1_score(true, predicted, **of_classes),
        "accuracy_score": metrics.accuracy_score(true, predicted, sample_weight=weights),
    }


def _by_chance(true: Any, chances: Any, weights: Any) -> dict[str, Any]:
    from sklearn import metrics

    binary = chances.shape[1] == 2
    return {
        "log_loss": metrics.log_loss(true, chances, sample_weight=weights),
        "roc_auc": metrics.roc_auc_score(
            true,
            chances[:, 1] if binary else chances,
            average="weighted",
            sample_weight=weights if binary else None,  # between each two classes there are no weights
            multi_class="ovo",
        ),
    }


def _regressed(true: Any, predicted: Any, weights: Any) -> dict[str, Any]:
    from sklearn import metrics

    squared = metrics.mean_squared_error(true, predicted, sample_weight=weights)
    return {
        "mean_squared_error": squared,
        "mean_absolute_error": metrics.mean_absolute_error(true, predicted, sample_weight=weights),
        "r2_score": metrics.r2_score(true, predicted, sample_weight=weights),
        "root_mean_squared_error": squared**0.5,
    }


def _draw(training: Training, estimator: Any, true: Any, predicted: Any, chances: Any, weights: Any) -> None:
    from sklearn import metrics

    def matrix() -> Any:
        labels = getattr(estimator, "classes_", None)
        shares = metrics.confusion_matrix(
            true, predicted, labels=labels, normalize="true", sample_weight=weights
        )
        return plots.confusion_matrix(shares, list(labels) if labels is not None else range(len(shares)))

    training.log_figure("the confusion matrix", "training_confusion_matrix.png", matrix)
    if chances is None or chances.shape[1] != 2:
        return
    positive, score = estimator.classes_[1], chances[:, 1]

    def roc() -> Any:
        wrong, right, _ = metrics.roc_curve(true, score, pos_label=positive, sample_weight=weights)
        area = metrics.auc(wrong, right)
        line = {f"{type(estimator).__name__} (AUC = {area:.3f})": (wrong, right)}
        names = ("ROC curve", "False Positive Rate", "True Positive Rate")
        return plots.curves(line, *names, ((0, 1), (0, 1)), steps=True)

    def precision() -> Any:
        precise, recalled, _ = metrics.precision_recall_curve(
            true, score, pos_label=positive, sample_weight=weights
        )
        found = metrics.average_precision_score(true, score, pos_label=positive, sample_weight=weights)
        line = {f"{type(estimator).__name__} (AP = {found:.3f})": (recalled, precise)}
        return plots.curves(line, "Precision recall curve", "Recall", "Precision", steps=True)

    training.log_figure("the ROC curve", "training_roc_curve.png", roc)
    training.log_figure("the precision recall curve", "training_precision_recall_curve.png", precision)
