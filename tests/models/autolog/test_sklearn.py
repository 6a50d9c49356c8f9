"""Autologging of scikit-learn: what is logged, and that a training never notices."""

from __future__ import annotations

import io
import multiprocessing
import pickle
import sys
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingRegressor
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gitml.errors import NotARepositoryError
from gitml.models.autolog.training import AutologWarning
from gitml.tracking.live import LiveRun

X = pd.DataFrame({"a": [0.0, 1, 2, 3, 4, 5, 6, 7], "b": [1.0, 0, 1, 0, 1, 0, 1, 0]})
Y = pd.Series([0, 0, 0, 1, 0, 1, 1, 1])
VALUES = 2 * X["a"] - X["b"] + 1


def files_of(mlflow, run_id: str) -> set[str]:
    return {entry.path for entry in mlflow.MlflowClient().list_artifacts(run_id)}


def test_a_classifier(mlflow, autolog, runs):
    autolog(log_datasets=True, extra_tags={"team": "x"})
    model = LogisticRegression(C=2.0).fit(X, Y)
    (run,) = runs()
    assert run.info.status == "FINISHED"
    params = run.data.params
    assert params["C"] == 2.0
    assert params["class_weight"] is None
    assert set(params) == set(model.get_params())
    expected = {
        "precision_score": metrics.precision_score(Y, model.predict(X), average="weighted"),
        "recall_score": metrics.recall_score(Y, model.predict(X), average="weighted"),
        "f1_score": metrics.f1_score(Y, model.predict(X), average="weighted"),
        "accuracy_score": model.score(X, Y),
        "log_loss": metrics.log_loss(Y, model.predict_proba(X)),
        "roc_auc": metrics.roc_auc_score(Y, model.predict_proba(X)[:, 1]),
        "score": model.score(X, Y),
    }
    assert {key: pytest.approx(value) for key, value in expected.items()} == {
        key.removeprefix("training_"): value
        for key, value in run.data.metrics.items()
        if key.startswith("training_")
    }
    tags = run.data.tags
    assert tags["mlflow.autologging"] == "sklearn"
    assert tags["team"] == "x"
    assert tags["estimator_class"] == "sklearn.linear_model._logistic.LogisticRegression"
    assert files_of(mlflow, run.info.run_id) == {
        "estimator.html",
        "training_confusion_matrix.png",
        "training_precision_recall_curve.png",
        "training_roc_curve.png",
    }
    (used,) = run.inputs.dataset_inputs
    assert [(tag.key, tag.value) for tag in used.tags] == [("mlflow.data.context", "train")]


@pytest.mark.heavy  # seeing what a model imports takes another Python
@pytest.mark.timeout(300)
def test_the_model_is_kept_with_signature_and_example(mlflow, autolog, runs):
    autolog(log_models=True, log_input_examples=True, registered_model_name="prices")
    with mlflow.start_run():
        model = LinearRegression().fit(X, VALUES)
        LinearRegression(positive=True).fit(X, VALUES)  # a second one in the run takes no file of the first
    (run,) = runs()
    assert {"model", "model-2"} <= files_of(mlflow, run.info.run_id)
    loaded = mlflow.pyfunc.load_model("models:/prices/1")
    assert loaded.predict(X) == pytest.approx(model.predict(X))
    assert [column.name for column in loaded.signature.inputs] == ["a", "b"]
    assert loaded.input_example.equals(X.head(5))


def test_only_the_outermost_is_logged(autolog, runs):
    autolog()
    make_pipeline(StandardScaler(), PCA(1), Ridge()).fit(X, VALUES)
    (run,) = runs()
    assert run.data.tags["estimator_name"] == "Pipeline"
    assert run.data.params["ridge__alpha"] == 1.0
    assert set(run.data.metrics) >= {"training_r2_score"}


def test_what_only_prepares_data_is_no_training(autolog, runs):
    autolog()
    StandardScaler().fit_transform(X)
    SelectFromModel(Ridge()).fit(X, VALUES)  # nor is the model that it asks
    assert runs() == []
    make_pipeline(StandardScaler(), KMeans(2, n_init=1)).fit_predict(X)
    (run,) = runs()
    assert run.data.tags["estimator_name"] == "Pipeline"


def test_work_that_is_given_to_threads_is_part_of_the_training(autolog, runs):
    from joblib import parallel_config

    autolog()
    with parallel_config("threading", n_jobs=2):
        BaggingRegressor(Ridge(), n_estimators=4, n_jobs=2).fit(X, VALUES)
    assert [run.data.tags["estimator_name"] for run in runs()] == ["BaggingRegressor"]


def test_each_thread_has_a_run_of_its_own(mlflow, autolog, runs):
    autolog()
    alphas = [1.0, 2.0, 3.0, 4.0]
    threads = [threading.Thread(target=Ridge(alpha=alpha).fit, args=(X, VALUES)) for alpha in alphas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = runs()
    assert sorted(run.data.params["alpha"] for run in found) == alphas
    assert {run.info.status for run in found} == {"FINISHED"}


def fit_in_child() -> None:
    Ridge().fit(X, VALUES)


def test_a_child_of_the_process_logs_nothing(autolog, runs):
    autolog()
    child = multiprocessing.get_context("fork").Process(target=fit_in_child)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert runs() == []


def test_a_run_that_is_active_is_used_and_stays_open(mlflow, autolog, runs):
    autolog()
    with mlflow.start_run() as run:
        Ridge(alpha=3.0).fit(X, VALUES)
        assert mlflow.active_run() is not None
        with pytest.warns(AutologWarning, match="other values of alpha"):
            Ridge(alpha=4.0).fit(X, VALUES)
    (found,) = runs()
    assert found.info.run_id == run.info.run_id
    assert found.data.params["alpha"] == 3.0
    assert "mlflow.autologging" not in found.data.tags


def test_exclusive_leaves_active_runs_alone(mlflow, autolog, runs):
    autolog(exclusive=True)
    with mlflow.start_run():
        Ridge().fit(X, VALUES)
    Ridge().fit(X, VALUES)
    first, second = runs()
    assert not first.data.params
    assert second.data.params


def test_a_training_that_fails_fails_its_run(autolog, runs):
    autolog()
    with pytest.raises(ValueError, match="inconsistent numbers"):
        Ridge().fit(X, VALUES[:3])
    (run,) = runs()
    assert run.info.status == "FAILED"
    assert run.data.params["alpha"] == 1.0


def test_a_search_has_its_best_tries_as_runs(mlflow, autolog, runs):
    autolog(max_tuning_runs=2)
    grid = {"alpha": [0.1, 1.0, 10.0]}
    search = GridSearchCV(Ridge(), grid, cv=2, scoring="neg_mean_squared_error").fit(X, VALUES)
    found = runs()
    (parent,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    tries = [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert parent.data.params["best_alpha"] == search.best_params_["alpha"]
    assert parent.data.metrics["best_cv_score"] == search.best_score_
    table = mlflow.MlflowClient().read_artifact(parent.info.run_id, "cv_results.csv")
    assert len(pd.read_csv(io.BytesIO(table))) == 3
    best = sorted(zip(search.cv_results_["rank_test_score"], grid["alpha"], strict=True))[:2]
    assert sorted(run.data.params["alpha"] for run in tries) == sorted(alpha for _, alpha in best)
    assert {run.data.metrics["rank_test_score"] for run in tries} == {1, 2}
    assert {run.data.tags["estimator_name"] for run in tries} == {"Ridge"}


def test_a_search_that_does_not_refit(autolog, runs):
    autolog(max_tuning_runs=0)
    GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=2, refit=False).fit(X, VALUES)
    assert len(runs()) == 1


def test_metrics_of_predictions_go_to_the_run_of_the_model(mlflow, autolog, runs):
    autolog()
    model = Ridge().fit(X, VALUES)
    x_test, y_test = X[:4], VALUES[:4]
    predicted = model.predict(x_test)
    error = metrics.mean_absolute_error(y_test, predicted)
    metrics.mean_absolute_error(y_test, predicted + 1)  # no prediction of a model
    metrics.mean_absolute_error(y_test, model.predict(x_test))
    score = model.score(x_test, y_test)
    (run,) = runs()
    later = {key: value for key, value in run.data.metrics.items() if not key.startswith("training_")}
    assert later == {
        "mean_absolute_error_x_test": error,
        "mean_absolute_error-2_x_test": error,
        "Ridge_score_x_test": score,
    }


def test_estimators_are_as_they_would_be(autolog):
    plain = Ridge().fit(X, VALUES)
    autolog()
    logged = Ridge().fit(X, VALUES)
    assert set(vars(logged)) == set(vars(plain))
    assert pickle.loads(pickle.dumps(logged)).predict(X) == pytest.approx(plain.predict(X))
    assert clone(logged).get_params() == plain.get_params()
    assert Ridge.fit.__doc__ == plain.fit.__doc__
    assert Ridge.fit.__qualname__ == "Ridge.fit"


def test_a_class_that_is_made_later_is_logged(autolog, runs):
    autolog()

    class Median(BaseEstimator):
        def fit(self, x, y):
            self.median_ = float(np.median(y))
            return self

        def predict(self, x):
            return np.full(len(x), self.median_)

    Median().fit(X, VALUES)
    assert [run.data.tags["estimator_name"] for run in runs()] == ["Median"]


def state() -> dict[str, object]:
    """All that autologging replaces."""
    kinds, todo = {BaseEstimator}, [BaseEstimator]
    while todo:
        new = set(todo.pop().__subclasses__()) - kinds
        kinds |= new
        todo += new
    kinds.add(sys.modules["sklearn.utils.parallel"].Parallel)
    kinds.add(sys.modules["sklearn.utils.parallel"]._FuncWrapper)
    found = {
        f"{kind}.{name}": value
        for kind in kinds
        for name, value in vars(kind).items()
        if callable(value)
        or name == "__init_subclass__"
        or name in {"fit_predict", "predict", "score", "fit_transform"}
    }
    return found | vars(metrics) | {"meta_path": list(sys.meta_path)}


def test_off_by_one_call(mlflow, autolog, runs):
    before = state()
    autolog()
    Ridge().fit(X, VALUES)
    make_pipeline(StandardScaler(), Ridge()).fit(X, VALUES)
    ours = Ridge.fit
    mlflow.autolog(disable=True)
    after = state()
    assert {key for key in before if after.get(key) is not before[key]} <= {"meta_path"}
    assert after.keys() == before.keys()
    assert after["meta_path"] == before["meta_path"]
    ours(Ridge(), X, VALUES)  # somebody kept it
    assert len(runs()) == 2


def test_options_that_do_not_exist(mlflow):
    with pytest.raises(TypeError, match="no option 'max_runs'.*max_tuning_runs"):
        mlflow.sklearn.autolog(max_runs=3)
    with pytest.raises(TypeError, match="no option 'pos_label'"):
        mlflow.autolog(pos_label=1)


def test_what_was_set_up_by_itself_keeps_its_settings(mlflow, autolog, runs):
    autolog(extra_tags={"mine": "1"})
    mlflow.autolog(log_models=False, extra_tags={"all": "1"})
    Ridge().fit(X, VALUES)
    (run,) = runs()
    assert "mine" in run.data.tags
    assert "all" not in run.data.tags


# Nothing of ours breaks a training


WRITES = ("log_params", "log_metrics", "set_tags", "log_bytes", "log_artifact", "log_input")


class Failing:
    """Makes one of all writes to runs fail, or all of them."""

    def __init__(self, monkeypatch, at: int | None) -> None:
        self.count = 0
        for name in WRITES:
            monkeypatch.setattr(LiveRun, name, self.wrap(getattr(LiveRun, name), at))

    def wrap(self, original, at):
        def write(*args, **kwargs):
            self.count += 1
            if at is None or self.count == at:
                raise OSError("no space left on the device")
            return original(*args, **kwargs)

        return write


def test_no_failure_of_logging_reaches_a_training(mlflow, autolog, runs):
    expected = Ridge().fit(X, VALUES).predict(X)
    autolog(log_datasets=True)
    with pytest.MonkeyPatch.context() as patch:
        counted = Failing(patch, at=-1)
        GridSearchCV(Ridge(), {"alpha": [1.0]}, cv=2).fit(X, VALUES)
    assert counted.count > 8
    not_begun = 0
    for at in (*range(1, counted.count + 1), None):
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            Failing(patch, at)
            search = GridSearchCV(Ridge(), {"alpha": [1.0]}, cv=2).fit(X, VALUES)
        assert search.predict(X) == pytest.approx(expected)
        ours = [one for one in told if one.category is AutologWarning]
        assert len(ours) == 1, f"write {at}"
        assert "no space left" in str(ours[0].message)
        assert ours[0].filename == __file__
        not_begun += "the run: " in str(ours[0].message)
    parents = [run for run in runs() if "mlflow.parentRunId" not in run.data.tags]
    assert not_begun, "a run that could not be begun is not there"
    assert {run.info.status for run in parents} == {"FINISHED"}


def test_no_run_can_be_had(autolog, tmp_path, monkeypatch, caplog):
    def refuse(**_):
        raise NotARepositoryError(tmp_path)

    autolog()
    monkeypatch.setattr("gitml.models.autolog.training.start_run", refuse)
    with pytest.warns(AutologWarning, match="is not in a git repository"):
        Ridge().fit(X, VALUES)
    Ridge().fit(X, VALUES)  # warnings are errors here: it is told in another way
    assert "is not in a git repository" in caplog.text
    autolog(silent=True)
    caplog.clear()
    Ridge().fit(X, VALUES)
    assert not caplog.records


def test_data_that_no_metric_takes(autolog, runs):
    autolog()
    LogisticRegression().fit(iter_free(X), Y.map({0: "no", 1: "yes"}))
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert run.data.metrics["training_roc_auc"] > 0.5


def iter_free(frame):
    return frame.to_numpy().tolist()
