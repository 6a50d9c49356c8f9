"""How well a classifier does; names and means of the metrics are MLflow's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gitml.errors import UsageError
from gitml.models import plots
from gitml.models.evaluation.classifier_plots import draw_curves
from gitml.models.evaluation.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes that there are.

    Attributes:
        labels: All of them, in the order of the chances; of two, the positive one is last.
        positive: The positive one of two; None if there are more.
        column: Where its chance is.
    """

    labels: Any
    positive: Any = None
    column: int = 1

    @property
    def binary(self) -> bool:
        """Whether there are two."""
        return len(self.labels) == 2


def evaluate_classifier(evaluation: Evaluation) -> None:
    """Add the metrics, tables and plots of a classifier.

    Raises:
        UsageError: There are fewer than two classes, or the positive one is none of them.
    """
    true, made = evaluation.examples.targets, evaluation.predicted
    classes = find_classes(evaluation)
    weights, chances = evaluation.weights, made.chances
    counted = {"example_count": len(true)}
    evaluation.measure("the number of examples", lambda: counted)
    if classes.binary:
        evaluation.measure(
            "the counts of right and wrong", lambda: confusion(true, made.values, classes.labels)
        )
        how: dict[str, Any] = {"average": "binary", "pos_label": classes.positive}
    else:
        how = {"average": evaluation.config.get("average", "weighted")}
    evaluation.measure("the metrics", lambda: by_class(true, made.values, weights, how))
    if chances is not None:
        evaluation.measure("log_loss", lambda: _log_loss(true, chances, weights, classes))
        evaluation.measure("roc_auc", lambda: _areas(true, chances, weights, classes, how))
    if not classes.binary:
        _keep_report(evaluation, classes)
    if chances is not None:
        draw_curves(evaluation, classes.labels, classes.positive, classes.column)
    evaluation.draw("confusion_matrix", lambda: _matrix(evaluation, classes))


def find_classes(evaluation: Evaluation) -> Classes:
    """Find the classes: as told, or those that the model knows, the answers have and it predicted.

    Raises:
        UsageError: There are fewer than two, or the positive one is none of them.
    """
    import numpy as np

    config, made = evaluation.config, evaluation.predicted
    given, positive = config.get("label_list"), config.get("pos_label")
    if given is None:
        known = [evaluation.examples.targets, made.values]
        if made.chances is not None and made.classes is not None:
            known.append(np.asarray(made.classes))
        try:
            labels = np.unique(np.concatenate(known))
        except TypeError as err:
            raise UsageError(
                f"the answers and the predictions are not of one kind: {err}",
                hint="give targets as the model predicts them",
            ) from err
    else:
        labels = np.sort(np.asarray(given))
    if len(labels) < 2:
        raise UsageError(
            f"a classifier is evaluated on two classes at least, and there is only {labels.tolist()}",
            hint="evaluator_config={'label_list': [0, 1]} names those that there could be",
        )
    if positive is not None and positive not in labels:
        raise UsageError(
            f"'pos_label' {positive!r} is none of the classes {labels.tolist()}", hint="give one of them"
        )
    if len(labels) > 2:
        return Classes(labels)
    column = 1 if positive is None else int(np.flatnonzero(labels == positive)[0])
    return Classes(labels if column == 1 else labels[::-1], labels[column], column)


def confusion(true: Any, predicted: Any, labels: Any) -> dict[str, Any]:
    """Count what was right and wrong; the positive class is the last one."""
    from sklearn import metrics

    negatives, positives = metrics.confusion_matrix(true, predicted, labels=labels)
    return {
        "true_negatives": negatives[0],
        "false_positives": negatives[1],
        "false_negatives": positives[0],
        "true_positives": positives[1],
    }


def by_class(true: Any, predicted: Any, weights: Any, how: dict[str, Any]) -> dict[str, Any]:
    """Measure predicted classes."""
    from sklearn import metrics

    settings = {**how, "sample_weight": weights, "zero_division": 0}
    return {
        "accuracy_score": metrics.accuracy_score(true, predicted, sample_weight=weights),
        "recall_score": metrics.recall_score(true, predicted, **settings),
        "precision_score": metrics.precision_score(true, predicted, **settings),
        "f1_score": metrics.f1_score(true, predicted, **settings),
    }


def _log_loss(true: Any, chances: Any, weights: Any, classes: Classes) -> dict[str, Any]:
    from sklearn import metrics

    return {"log_loss": metrics.log_loss(true, chances, labels=classes.labels, sample_weight=weights)}


def _areas(true: Any, chances: Any, weights: Any, classes: Classes, how: dict[str, Any]) -> dict[str, Any]:
    from sklearn import metrics

    for label in classes.labels:
        if not (true == label).any():
            raise ValueError(f"there is no example of the class {label}")
    if classes.binary:
        positive, score = true == classes.positive, chances[:, classes.column]
        return {
            "roc_auc": metrics.roc_auc_score(positive, score, sample_weight=weights),
            "precision_recall_auc": metrics.average_precision_score(positive, score, sample_weight=weights),
        }
    average = how["average"]
    if average not in {"macro", "weighted"}:
        return {}
    found = metrics.roc_auc_score(
        true, chances, sample_weight=weights, average=average, multi_class="ovr", labels=classes.labels
    )
    return {"roc_auc": found}


def _keep_report(evaluation: Evaluation, classes: Classes) -> None:
    """Keep a table with a row for each class, taken as positive against all others."""
    import numpy as np
    import pandas as pd
    from sklearn import metrics

    true, made = evaluation.examples.targets, evaluation.predicted
    predicted = made.values  # noqa: PD011 - no frame of pandas
    weights, binary = evaluation.weights, {"average": "binary", "pos_label": 1}
    rows = []
    for column, label in enumerate(classes.labels):
        is_it, said = np.where(true == label, 1, 0), np.where(predicted == label, 1, 0)
        row = {"positive_class": label, **confusion(is_it, said, [0, 1]), "example_count": len(is_it)}
        row.update(by_class(is_it, said, weights, binary))
        if made.chances is not None and 0 < is_it.sum() < len(is_it):
            score = made.chances[:, column]
            row["roc_auc"] = metrics.roc_auc_score(is_it, score, sample_weight=weights)
            row["precision_recall_auc"] = metrics.average_precision_score(is_it, score, sample_weight=weights)
        rows.append(row)
    text = pd.DataFrame(rows).to_csv(index=False)
    evaluation.keep("per_class_metrics", f"{evaluation.prefix}per_class_metrics.csv", text.encode())


def _matrix(evaluation: Evaluation, classes: Classes) -> Any:
    from sklearn import metrics

    shares = metrics.confusion_matrix(
        evaluation.examples.targets,
        evaluation.predicted.values,
        labels=classes.labels,
        normalize="true",
        sample_weight=evaluation.weights,
    )
    return plots.confusion_matrix(shares, list(classes.labels))
