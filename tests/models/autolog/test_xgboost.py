"""Autologging of XGBoost: boosters and estimators, and that a training never notices."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from gitml.models.autolog.training import AutologWarning
from tests.models.autolog import behaviour
from tests.models.autolog.recorded import differing, recorded, steps
from tests.models.autolog.trainings import XGB, labels, table, values, xgboost_fit, xgboost_train
from tests.needs import needed

xgboost = needed("xgboost")
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300), behaviour.QUIET]
PLOTS = ["training_confusion_matrix.png", "training_precision_recall_curve.png", "training_roc_curve.png"]


def matrix(rows=slice(None)):
    return xgboost.DMatrix(table()[rows], labels()[rows])


def small(rounds: int = 2, callback=None, maximize=None, **settings):
    data, callbacks = matrix(), [callback] if callback is not None else None
    return xgboost.train(
        {"max_depth": 2, "nthread": 1, **settings}, data, rounds, evals=[(data, "train")], callbacks=callbacks,
        maximize=maximize, verbose_eval=False,
    )  # fmt: skip


class Raises(xgboost.callback.TrainingCallback):
    def __init__(self, error: Exception) -> None:
        self.error = error

    def after_iteration(self, model, epoch, evals_log):
        raise self.error


def test_a_booster(mlflow, watch, runs):
    watch("xgboost", log_models=True, log_input_examples=True, importance_types=["weight", "gain"])
    booster = xgboost_train()
    (run,) = runs()
    found = recorded(mlflow.MlflowClient(), run)
    assert found["status"] == "FINISHED"
    assert run.data.params["max_depth"] == 2
    assert run.data.params["eta"] == 0.5
    assert run.data.params["num_boost_round"] == 12
    assert found["params"]["eval_metric"] == "['logloss', 'auc']"
    last = booster.best_iteration + 2
    assert steps(found)["test-logloss"] == [*range(last + 1), last + 1]
    values_of = dict(map(tuple, found["metrics"]["test-logloss"]))
    assert values_of[last + 1] == values_of[booster.best_iteration]
    assert run.data.metrics["stopped_iteration"] == last
    assert run.data.metrics["best_iteration"] == booster.best_iteration
    assert run.data.metrics["best_score"] == booster.best_score
    assert found["files"] == [
        "feature_importance_gain.json", "feature_importance_gain.png", "feature_importance_weight.json",
        "feature_importance_weight.png", "model",
    ]  # fmt: skip
    client = mlflow.MlflowClient()
    gains = json.loads(client.read_artifact(run.info.run_id, "feature_importance_gain.json"))
    assert gains == pytest.approx(booster.get_score(importance_type="gain"))
    assert client.read_artifact(run.info.run_id, "feature_importance_gain.png").startswith(b"\x89PNG")
    assert found["inputs"] == ["eval", "train"]
    used = {one.tags[0].value: one.dataset for one in run.inputs.dataset_inputs}
    assert used["eval"].name == "test"
    assert json.loads(used["train"].profile)["features_shape"] == [30, 2]  # the frame is gone: read back

    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    expected = booster.predict(xgboost.DMatrix(table()))
    assert loaded.predict(table()) == pytest.approx(expected)
    assert [column.name for column in loaded.signature.inputs] == ["a", "b"]
    assert loaded.input_example.equals(table().head(5))
    native = mlflow.xgboost.load_model(f"runs:/{run.info.run_id}/model")
    assert native.predict(xgboost.DMatrix(table())) == pytest.approx(expected)


def test_an_estimator(mlflow, watch, runs):
    watch("xgboost", log_models=True, model_format="json")
    model = xgboost_fit()
    (run,) = runs()
    found = recorded(mlflow.MlflowClient(), run)
    assert run.data.params["n_estimators"] == 4
    assert run.data.params["max_depth"] == 2
    assert steps(found)["validation_0-logloss"] == [0, 1, 2, 3]
    assert run.data.metrics["training_accuracy_score"] == model.score(table(), labels())
    assert run.data.tags["estimator_name"] == "XGBClassifier"
    assert found["files"] == [
        "feature_importance_weight.json",
        "feature_importance_weight.png",
        "model",
        *PLOTS,
    ]
    assert found["inputs"] == ["eval", "train"]
    loaded = mlflow.xgboost.load_model(f"runs:/{run.info.run_id}/model")
    assert loaded.predict_proba(table()) == pytest.approx(model.predict_proba(table()))
    files = mlflow.MlflowClient().list_artifacts(run.info.run_id, "model")
    assert "model/model.json" in {file.path for file in files}


def test_a_frame_that_is_still_there_is_the_data_set(watch, runs):
    watch("xgboost")
    frame = table()
    xgboost.train({"nthread": 1}, xgboost.DMatrix(frame, values()), 1)
    (run,) = runs()
    (used,) = run.inputs.dataset_inputs
    assert [column["name"] for column in json.loads(used.dataset.schema)["mlflow_colspec"]] == ["a", "b"]
    assert json.loads(used.dataset.profile)["num_rows"] == 40


def test_early_stopping_by_a_callback(mlflow, watch, runs):
    watch("xgboost")
    stop = xgboost.callback.EarlyStopping(2, save_best=True)
    train, test = matrix(slice(30)), matrix(slice(30, 40))
    booster = xgboost.train(XGB, train, 12, evals=[(test, "test")], callbacks=[stop], verbose_eval=False)
    (run,) = runs()
    found = steps(recorded(mlflow.MlflowClient(), run))
    assert booster.num_boosted_rounds() == booster.best_iteration + 1  # the others are gone from the model
    assert run.data.metrics["best_iteration"] == booster.best_iteration
    assert run.data.metrics["stopped_iteration"] == booster.best_iteration + 2
    assert found["test-auc"] == [*range(booster.best_iteration + 4)]


def test_early_stopping_of_an_estimator(watch, runs):
    watch("xgboost")
    model = xgboost.XGBRegressor(n_estimators=50, early_stopping_rounds=2, learning_rate=0.9, n_jobs=1)
    model.fit(table()[:30], values()[:30], eval_set=[(table()[30:], values()[30:])], verbose=False)
    (run,) = runs()
    assert model.best_iteration < 47  # it stopped
    assert run.data.metrics["best_iteration"] == model.best_iteration
    assert run.data.metrics["stopped_iteration"] == model.best_iteration + 2
    assert run.data.metrics["validation_0-rmse"] == pytest.approx(model.best_score)  # the last of its steps


def test_a_booster_that_goes_on(mlflow, watch, runs):
    watch("xgboost")
    first = small(2)
    data = matrix()
    both = {"max_depth": 2, "nthread": 1}
    xgboost.train(both, data, 3, evals=[(data, "train")], xgb_model=first, verbose_eval=False)
    found = [steps(recorded(mlflow.MlflowClient(), run)) for run in runs()]
    assert [one["train-rmse"] for one in found] == [[0, 1], [2, 3, 4]]


def test_two_trainings_in_one_run(mlflow, watch, runs):
    watch("xgboost")
    with mlflow.start_run():
        xgboost_fit()
        xgboost_fit()  # the same params, `missing=nan` too
    (run,) = runs()
    assert np.isnan(run.data.params["missing"])


def test_metrics_at_every_so_many_iterations(mlflow, watch, runs):
    watch("xgboost", every_n_iter=3)
    small(8, eval_metric=["rmse", "ndcg@2"])
    (run,) = runs()
    found = steps(recorded(mlflow.MlflowClient(), run))
    assert found == {"train-rmse": [0, 3, 6], "train-ndcg_at_2": [0, 3, 6]}


def test_importance_for_each_class_and_functions_as_params(mlflow, watch, runs):
    watch("xgboost")
    settings = {"booster": "gblinear", "objective": "multi:softprob", "num_class": 3, "nthread": 1}
    booster = xgboost.train({**settings, "label": labels}, xgboost.DMatrix(table(), np.arange(40) % 3), 2)
    (run,) = runs()
    client = mlflow.MlflowClient()
    weights = json.loads(client.read_artifact(run.info.run_id, "feature_importance_weight.json"))
    assert weights == booster.get_score(importance_type="weight")
    assert [len(each) for each in weights.values()] == [3, 3]
    assert "feature_importance_weight.png" in recorded(client, run)["files"]
    assert run.data.params["label"] == "tests.models.autolog.trainings.labels"  # and no place in memory


def test_cross_validation_is_no_training(watch, runs):
    watch("xgboost")
    table_of_folds = xgboost.cv({"max_depth": 2, "nthread": 1}, matrix(), 2, nfold=2)
    assert len(table_of_folds) == 2
    assert runs() == []  # as with MLflow: there is no one model


def test_a_search_of_scikit_learn_is_one_training(watch, mlflow, runs):
    from sklearn.model_selection import GridSearchCV

    watch("xgboost")
    mlflow.sklearn.autolog(log_models=False)
    search = GridSearchCV(xgboost.XGBClassifier(n_estimators=2, n_jobs=1), {"max_depth": [1, 2]}, cv=2)
    search.fit(table(), labels())
    found = runs()
    assert [run.data.tags.get("mlflow.parentRunId") is None for run in found].count(True) == 1
    assert sorted(
        run.data.params["max_depth"] for run in found if "best_cv_score" not in run.data.metrics
    ) == [1, 2]


def test_the_run_that_is_active(mlflow, watch):
    watch("xgboost")
    behaviour.uses_the_run_that_is_active(mlflow, small)


def test_off_by_one_call(mlflow, watch):
    del watch
    replaced = [
        (xgboost, "train"), (xgboost.DMatrix, "__init__"), (xgboost.QuantileDMatrix, "__init__"),
        (xgboost.XGBModel, "fit"), (xgboost.XGBClassifier, "fit"), (xgboost.sklearn, "train"),
    ]  # fmt: skip
    behaviour.is_off_by_one_call(mlflow, "xgboost", small, replaced)


def test_a_training_that_raises(mlflow, watch):
    watch("xgboost")
    behaviour.fails_as_ever(mlflow, lambda error: small(callback=Raises(error)))


def test_no_failure_of_ours_reaches_a_training(mlflow, watch, in_repo: Path):
    expected = small(3).predict(matrix())
    watch("xgboost", log_models=True)
    with pytest.warns(AutologWarning, match="the param maximize: ValueError: no words for it"):
        assert small(3, maximize=behaviour.Wordless()).predict(matrix()) == pytest.approx(expected)
    (run,) = behaviour.all_runs(mlflow)
    assert run.data.params["max_depth"] == 2  # the others are there
    assert run.info.status == "FINISHED"
    found = behaviour.survives_writes_that_fail(mlflow, lambda: small(3))
    assert found.predict(matrix()) == pytest.approx(expected)

    class Removes(xgboost.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            if epoch == 1:
                shutil.rmtree(in_repo / ".git")
            return False

    with pytest.warns(AutologWarning, match="was not logged as a whole"):
        assert small(3, callback=Removes()).predict(matrix()) == pytest.approx(expected)
    assert mlflow.active_run() is None
    found = behaviour.survives_without_a_repository(mlflow, in_repo, lambda: small(3), is_gone=True)
    assert found.predict(matrix()) == pytest.approx(expected)


def test_data_that_nobody_can_look_into(watch, runs):
    class Odd(np.ndarray):
        def __getitem__(self, key):
            raise RuntimeError("not like this")

    watch("xgboost")
    data = xgboost.DMatrix(table().to_numpy().view(Odd), values())
    xgboost.train({"nthread": 1}, data, 1)
    assert [run.info.status for run in runs()] == ["FINISHED"]


def test_where_there_is_no_repository(tmp_path: Path):
    script = textwrap.dedent(
        """
        import gitml, numpy, warnings
        gitml.autolog()
        import xgboost
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            data = xgboost.DMatrix(numpy.eye(4), [1, 2, 3, 4])
            print(xgboost.train({"nthread": 1}, data, 2).num_boosted_rounds())
        print(*(one.message for one in told if "logged" in str(one.message)))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3]), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rounds, told = done.stdout.splitlines()
    assert rounds == "2"
    assert "train was not logged as a whole" in told
    assert "is not in a git repository" in told


def test_as_mlflow_logs_them(beside_mlflow):
    (ours, theirs), (of_estimator, of_theirs) = beside_mlflow("xgboost-train", "xgboost-fit")
    assert set(theirs["params"]) - set(ours["params"]) == {"custom_metric"}  # a function, if given
    assert ours["params"].items() <= theirs["params"].items()
    assert set(ours["metrics"]) == {*theirs["metrics"], "best_score"}
    assert differing(ours["metrics"], theirs["metrics"]) == {}
    assert ours["files"] == theirs["files"]
    assert set(ours["inputs"]) == set(theirs["inputs"])  # MLflow has what it trains with twice

    # Ours are the estimator's own params, theirs those of the training inside.
    params, others = of_estimator["params"], of_theirs["params"]
    assert set(others) - set(params) == {"custom_metric", "maximize", "num_boost_round", "verbose_eval"}
    assert {name: params[name] for name in params if name in others} == {
        name: others[name] for name in others if name in params
    }
    assert set(of_theirs["metrics"]) == {
        name for name in of_estimator["metrics"] if not name.startswith("training_")
    }
    assert differing(of_estimator["metrics"], of_theirs["metrics"]) == {}
    assert of_estimator["inputs"] == of_theirs["inputs"]
