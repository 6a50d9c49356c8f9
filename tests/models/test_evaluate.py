"""Evaluating models: metrics, files, thresholds, and what bad input gets."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression

from gitml.errors import DamagedError, UsageError
from gitml.formats.names import InvalidNameError
from gitml.models import (
    EvaluationResult,
    MetricThreshold,
    MetricValue,
    ModelValidationFailedError,
    evaluate,
    make_metric,
    validate_evaluation_results,
)
from gitml.models.evaluation.evaluation import EvaluationWarning
from gitml.models.evaluation.extra import MetricFailedError

# Four right, and each kind of error once: tn 2, fp 1, fn 1, tp 2.
SPAM = pd.DataFrame({"said": [0, 0, 1, 0, 1, 1], "truth": [0, 0, 0, 1, 1, 1], "size": [1, 2, 3, 4, 5, 6]})
X = pd.DataFrame({"a": [0.0, 1, 2, 3, 4, 5, 6, 7, 8], "b": [1.0, 0, 1, 0, 1, 0, 1, 0, 1]})


def spam(**options) -> EvaluationResult:
    given = {"targets": "truth", "predictions": "said", "model_type": "classifier", **options}
    return evaluate(data=SPAM, **given)


@pytest.fixture
def no_plots(monkeypatch):
    """As where matplotlib is not installed; drawing takes most of the time."""
    monkeypatch.setattr("gitml.models.evaluation.evaluation.has_matplotlib", lambda: False)


def test_two_classes(mlflow, in_repo):
    result = spam(evaluator_config={"metric_prefix": "val_"})
    assert result.metrics == {
        "val_example_count": 6,
        "val_true_negatives": 2,
        "val_false_positives": 1,
        "val_false_negatives": 1,
        "val_true_positives": 2,
        "val_accuracy_score": pytest.approx(4 / 6),
        "val_recall_score": pytest.approx(2 / 3),
        "val_precision_score": pytest.approx(2 / 3),
        "val_f1_score": pytest.approx(2 / 3),
    }
    assert set(result.artifacts) == {"confusion_matrix"}  # no chances, no curves
    run = mlflow.get_run(result.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == result.metrics
    assert (
        mlflow.MlflowClient().read_artifact(result.run_id, "val_confusion_matrix.png").startswith(b"\x89PNG")
    )
    (used,) = run.inputs.dataset_inputs
    assert json.loads(used.dataset.profile)["targets"] == "truth"
    assert used.tags[0].value == "val_"


def test_the_other_class_is_positive(mlflow, no_plots):
    found = spam(evaluator_config={"pos_label": 0, "sample_weights": [1, 1, 2, 1, 1, 1]}).metrics
    assert (found["true_positives"], found["false_negatives"]) == (2, 1)
    assert found["recall_score"] == pytest.approx(2 / 4)


def test_a_model_that_knows_chances(mlflow):
    truth = np.array(["a", "a", "b", "a", "b", "c", "b", "c", "c"])
    model = LogisticRegression().fit(X, truth)
    with mlflow.start_run() as run:
        result = evaluate(model, X, targets=truth, model_type="classifier")
    assert result.run_id == run.info.run_id
    assert set(result.metrics) == {
        "score", "example_count", "accuracy_score", "recall_score", "precision_score", "f1_score", "log_loss", "roc_auc",
    }  # fmt: skip
    assert result.metrics["score"] == result.metrics["accuracy_score"] == model.score(X, truth)
    assert set(result.artifacts) == {
        "roc_curve_plot", "precision_recall_curve_plot", "calibration_curve_plot", "confusion_matrix", "per_class_metrics",
    }  # fmt: skip
    report = result.artifacts["per_class_metrics"].content
    assert report["positive_class"].tolist() == ["a", "b", "c"]
    assert result.artifacts["roc_curve_plot"].content.size[0] > 100


def test_classes_that_the_data_lacks(mlflow, no_plots):
    """A model of three classes is no model of two because the data has two."""
    model = LogisticRegression().fit(X, [0, 0, 1, 0, 1, 2, 1, 2, 2])
    few = X.assign(y=[0, 0, 1, 0, 1, 0, 1, 0, 0])
    with pytest.warns(
        EvaluationWarning, match="roc_auc can't be computed: there is no example of the class 2"
    ):
        found = evaluate(model, few, targets="y", model_type="classifier", feature_names=["a", "b"]).metrics
    assert not {"true_positives", "roc_auc"} & found.keys()
    assert found["log_loss"] > 0


def test_numbers(mlflow):
    model = LinearRegression().fit(X, X["a"] * 2)
    result = evaluate(model, X, targets=np.append(X["a"][:8] * 2, 19.0), model_type="regressor")
    found = result.metrics
    assert found["max_error"] == pytest.approx(3)
    assert found["mean_absolute_error"] == pytest.approx(3 / 9)
    assert found["root_mean_squared_error"] == pytest.approx(1)
    assert (found["example_count"], found["sum_on_target"]) == (9, 75)
    assert found["score"] == found["r2_score"]
    assert set(result.artifacts) == {"residuals_plot", "predicted_and_true_plot"}


def test_metrics_and_files_of_ones_own(mlflow, no_plots):
    def hits(predictions, targets):
        return float((predictions == targets).sum())

    def share(hits, metrics, scale, size, other=1):
        return hits / metrics["example_count"].aggregate_results["example_count"] * scale * other + 0 * len(
            size
        )

    def old(eval_df, builtin_metrics):
        return eval_df["prediction"].sum() + builtin_metrics["example_count"]

    def by_row(predictions):
        return MetricValue(scores=predictions.tolist(), aggregate_results={"by_row": 1.0, "p90": 2.0})

    def files(eval_df, builtin_metrics, folder):
        path = f"{folder}/note.txt"
        with open(path, "w") as stream:
            stream.write("hello")
        return {
            "note": path,
            "table": eval_df,
            "facts": {"n": builtin_metrics["hits"]},
            "array": np.arange(3),
        }

    result = spam(
        extra_metrics=[
            make_metric(eval_fn=each, greater_is_better=True) for each in (share, hits, old, by_row)
        ],
        evaluator_config={"scale": 10.0},
        custom_artifacts=[files],
    )
    own = {name: result.metrics[name] for name in ("share", "hits", "old", "by_row", "by_row/p90")}
    assert own == {"share": pytest.approx(40 / 6), "hits": 4, "old": 9, "by_row": 1, "by_row/p90": 2}
    content = {
        name: artifact.content for name, artifact in result.artifacts.items() if name != "confusion_matrix"
    }
    assert content["note"] == "hello"
    assert content["facts"] == {"n": 4}
    assert content["array"].tolist() == [0, 1, 2]
    assert list(content["table"].columns) == ["prediction", "target"]
    table = result.tables["eval_results_table"]
    assert list(table.columns) == ["size", "truth", "outputs", "by_row/score"]


def test_it_is_saved_and_loaded(mlflow, tmp_path):
    result = spam()
    result.save(tmp_path / "saved")
    loaded = EvaluationResult.load(tmp_path / "saved")
    assert loaded.metrics == result.metrics
    assert loaded.artifacts == result.artifacts
    listed = json.loads((tmp_path / "saved" / "artifacts_metadata.json").read_text())
    assert (
        listed["confusion_matrix"]["class_name"]
        == "mlflow.models.evaluation.artifacts.ImageEvaluationArtifact"
    )
    with pytest.raises(UsageError, match=r"no metrics\.json"):
        EvaluationResult.load(tmp_path)
    listed["confusion_matrix"]["uri"] = "x/.."
    (tmp_path / "saved" / "artifacts_metadata.json").write_text(json.dumps(listed))
    with pytest.raises(InvalidNameError):
        EvaluationResult.load(tmp_path / "saved")
    (tmp_path / "saved" / "metrics.json").write_text("{")
    with pytest.raises(DamagedError):
        EvaluationResult.load(tmp_path / "saved")


# Thresholds


def at(**metrics) -> EvaluationResult:
    return EvaluationResult(metrics)


NUMBERS = st.floats(-1e6, 1e6)


@given(NUMBERS, NUMBERS, st.booleans())
def test_a_threshold_is_met_or_named(value, threshold, greater):
    wanted = {"m": MetricThreshold(threshold=threshold, greater_is_better=greater)}
    if value >= threshold if greater else value <= threshold:
        validate_evaluation_results(wanted, at(m=value))
        return
    with pytest.raises(ModelValidationFailedError) as caught:
        validate_evaluation_results(wanted, at(m=value))
    for said in ("'m'", str(value), str(threshold)):
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "greater", "before", "enough", "short"),
    [
        ({"min_absolute_change": 0.1}, True, 0.5, 0.6, 0.59),
        ({"min_absolute_change": 0.1}, False, 0.5, 0.4, 0.41),
        ({"min_relative_change": 0.5}, True, -2.0, -1.0, -1.5),  # of its size: better is up
        ({"min_relative_change": 0.5}, False, 2.0, 1.0, 1.1),
        ({"min_relative_change": 0.5}, True, 0.0, 0.001, 0.0),
    ],
)
def test_better_than_a_baseline(rule, greater, before, enough, short):
    wanted = {"m": MetricThreshold(**rule, greater_is_better=greater)}
    validate_evaluation_results(wanted, at(m=enough), at(m=before))
    with pytest.raises(ModelValidationFailedError, match=next(iter(rule))):
        validate_evaluation_results(wanted, at(m=short), at(m=before))
    with pytest.raises(ModelValidationFailedError, match="not among those of the baseline"):
        validate_evaluation_results(wanted, at(m=enough))


def test_what_is_not_known_reaches_nothing():
    wanted = {"m": MetricThreshold(threshold=0, greater_is_better=True)}
    with pytest.raises(ModelValidationFailedError, match="not among those of the evaluation: n"):
        validate_evaluation_results(wanted, at(n=1))
    with pytest.raises(ModelValidationFailedError, match="nan"):
        validate_evaluation_results(wanted, at(m=math.nan))


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"greater_is_better": True}, {"threshold": 1}, {"threshold": "1", "greater_is_better": True},
        {"min_absolute_change": 0, "greater_is_better": True}, {"min_relative_change": 2, "greater_is_better": True},
    ],
)  # fmt: skip
def test_what_is_no_threshold(wrong):
    with pytest.raises(UsageError, match="can't be a threshold"):
        MetricThreshold(**wrong)


def test_a_model_that_fails_its_check_is_logged_all_the_same(mlflow, no_plots):
    wanted = {"accuracy_score": MetricThreshold(threshold=0.9, greater_is_better=True)}
    with pytest.raises(
        ModelValidationFailedError, match=r"'accuracy_score' is 0\.66\d+, it must be at least 0\.9"
    ):
        spam(validation_thresholds=wanted)
    assert mlflow.last_active_run().info.status == "FAILED"
    assert mlflow.last_active_run().data.metrics["true_positives"] == 2


def test_a_baseline(mlflow, no_plots):
    good, poor = lambda data: data["size"] > 3, lambda data: data["size"] > 5
    data = SPAM[["size"]].assign(truth=SPAM["size"] > 3)
    given = {"targets": "truth", "model_type": "classifier"}
    wanted = {"accuracy_score": MetricThreshold(min_absolute_change=0.1, greater_is_better=True)}
    evaluate(good, data, **given, baseline_model=poor, validation_thresholds=wanted)
    with pytest.raises(ModelValidationFailedError, match="of the baseline"):
        evaluate(poor, data, **given, baseline_model=good, validation_thresholds=wanted)


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": "nothing"}, "'targets' names the column 'nothing'"),
        ({"targets": None}, "give 'targets'|evaluated by answers"),
        ({"targets": [0, None, 0, 1, float("nan"), 1]}, "'targets' has no value in 2 of 6 rows, the first of them row 2"),
        ({"targets": [1, 2]}, "2 values, and the data 6 rows"),
        ({"predictions": None}, "neither a model nor predictions"),
        ({"model_type": "text"}, "no model type 'text'"),
        ({"model_type": None}, "nothing to compute"),
        ({"evaluators": ["shap"]}, "no evaluator 'shap'"),
        ({"env_manager": "conda"}, "not in one of 'conda'"),
        ({"evaluator_config": {"pos_label": 7}}, r"'pos_label' 7 is none of the classes \[0, 1\]"),
        ({"evaluator_config": {"label_list": [1]}}, "only \\[1\\]"),
        ({"extra_metrics": [len]}, "no metric"),
        ({"extra_metrics": [make_metric(eval_fn=lambda nobody: 1, name="m", greater_is_better=True)]}, "needs 'nobody'"),
        ({"custom_artifacts": [lambda *_: 3]}, "gave int, and no dictionary"),
        ({"custom_artifacts": [lambda *_: {"x": object()}]}, "no file can be made of 'x'"),
        ({"custom_artifacts": [lambda *_: {"../x": 1}]}, "can't be used"),
    ],
)  # fmt: skip
def test_bad_input(mlflow, no_plots, options, message):
    with pytest.raises(UsageError, match=message):
        spam(**options)


@pytest.mark.parametrize("fails", [lambda predictions: 1 / 0, lambda predictions: "many"])
def test_a_metric_that_fails_is_named(mlflow, fails):
    with pytest.raises(MetricFailedError, match="the metric 'mine'"):
        spam(extra_metrics=[make_metric(eval_fn=fails, name="mine", greater_is_better=True)])


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_answers_that_are_missing_are_counted(mlflow, no_plots, kind):
    data = X.assign(y=[0, 1, 0, math.nan, 0, math.nan, 0, 1, 0])
    model = LinearRegression().fit(X, X["b"])
    with pytest.raises(UsageError, match="the column 'y' of the answers has no value in 2 of 9 rows.*row 4"):
        evaluate(model, data, targets="y", model_type=kind)


def test_models_that_are_none(mlflow, no_plots):
    given = {"data": X, "targets": np.arange(9), "model_type": "regressor"}
    with pytest.raises(UsageError, match="int is no model"):
        evaluate(3, **given)
    with pytest.raises(UsageError, match="2 predictions for 9 inputs"):
        evaluate(lambda data: [1, 2], **given)
    with pytest.raises(UsageError, match="several columns"):
        evaluate(lambda data: data, **given)
    assert evaluate(lambda data: data, predictions="a", **given).metrics["max_error"] == 0
    with pytest.raises(UsageError, match="names of columns need a table"):
        evaluate(len, X.to_numpy(), targets="a", model_type="regressor")
    with pytest.raises(UsageError, match="no rows"):
        evaluate(len, X[:0], targets=[], model_type="regressor")
