"""Autologging of LightGBM: boosters and estimators, and that a training never notices."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gitml.models.autolog.training import AutologWarning
from tests.models.autolog import behaviour
from tests.models.autolog.recorded import differing, recorded, steps
from tests.models.autolog.trainings import LGB, labels, lightgbm_fit, lightgbm_train, table, values
from tests.needs import needed

lightgbm = needed("lightgbm")
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300), behaviour.QUIET]
IMPORTANCE = [
    "feature_importance_gain.json", "feature_importance_gain.png", "feature_importance_split.json",
    "feature_importance_split.png",
]  # fmt: skip
PLOTS = ["training_confusion_matrix.png", "training_precision_recall_curve.png", "training_roc_curve.png"]


def small(rounds: int = 2, callback=None, **settings):
    data = lightgbm.Dataset(table(), labels())
    return lightgbm.train(
        {**LGB, **settings}, data, rounds, valid_sets=data, valid_names="train",
        callbacks=[callback] if callback is not None else None,
    )  # fmt: skip


def test_a_booster(mlflow, watch, runs):
    watch("lightgbm", log_models=True, log_input_examples=True)
    booster = lightgbm_train()
    (run,) = runs()
    found = recorded(mlflow.MlflowClient(), run)
    assert found["status"] == "FINISHED"
    assert run.data.params["objective"] == "binary"
    assert run.data.params["min_data_in_leaf"] == 2
    assert run.data.params["num_boost_round"] == 12
    last = booster.best_iteration + 2  # counted from 1
    assert last < 12  # it stopped early
    assert steps(found)["test-auc"] == [*range(last), last]
    values_of = dict(map(tuple, found["metrics"]["test-binary_logloss"]))
    assert values_of[last] == values_of[booster.best_iteration - 1]
    assert run.data.metrics["stopped_iteration"] == last
    assert run.data.metrics["best_iteration"] == booster.best_iteration
    assert found["files"] == [*IMPORTANCE, "model"]
    client = mlflow.MlflowClient()
    gains = json.loads(client.read_artifact(run.info.run_id, "feature_importance_gain.json"))
    assert list(gains.values()) == pytest.approx(list(booster.feature_importance("gain")))
    assert list(gains) == ["a", "b"]

    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert loaded.predict(table()) == pytest.approx(booster.predict(table()))
    assert [column.name for column in loaded.signature.inputs] == ["a", "b"]
    assert loaded.input_example.equals(table().head(5))
    native = mlflow.lightgbm.load_model(f"runs:/{run.info.run_id}/model")
    assert native.predict(table()) == pytest.approx(booster.predict(table()))


def test_an_estimator(mlflow, watch, runs):
    watch("lightgbm", log_models=True, importance_types=["gain"])
    model = lightgbm_fit()
    (run,) = runs()
    found = recorded(mlflow.MlflowClient(), run)
    assert run.data.params["n_estimators"] == 4
    assert steps(found)["valid_0-binary_logloss"] == [0, 1, 2, 3]
    assert run.data.metrics["training_accuracy_score"] == model.score(table(), labels())
    assert run.data.tags["estimator_name"] == "LGBMClassifier"
    assert found["files"] == [*IMPORTANCE[:2], "model", *PLOTS]
    assert found["inputs"] == ["eval", "train"]
    loaded = mlflow.lightgbm.load_model(f"runs:/{run.info.run_id}/model")
    assert loaded.predict_proba(table()) == pytest.approx(model.predict_proba(table()))
    signature = mlflow.models.get_model_info(f"runs:/{run.info.run_id}/model").signature
    assert [column.name for column in signature.inputs] == ["a", "b"]


def test_data_sets_that_are_used_again(mlflow, watch, runs):
    watch("lightgbm", log_models=True)
    frame, other = table(), table()[:9]
    data = lightgbm.Dataset(frame, labels())
    test = lightgbm.Dataset(other, labels()[:9], reference=data)
    for _ in range(2):
        lightgbm.train(LGB, data, 1, valid_sets=[data, test], valid_names=["train", "rest"])
    first, second = runs()
    assert data.data is None  # LightGBM has forgotten it
    for run in (first, second):
        used = {one.tags[0].value: one.dataset for one in run.inputs.dataset_inputs}
        assert json.loads(used["train"].profile)["num_rows"] == 40
        assert json.loads(used["eval"].profile)["num_rows"] == 9
        assert used["eval"].name == "rest"
        info = mlflow.models.get_model_info(f"runs:/{run.info.run_id}/model")
        assert [column.name for column in info.signature.inputs] == ["a", "b"]


def test_early_stopping_of_an_estimator(watch, runs):
    watch("lightgbm")
    model = lightgbm.LGBMRegressor(
        n_estimators=50, learning_rate=0.9, min_child_samples=2, n_jobs=1, verbose=-1
    )
    stop = lightgbm.early_stopping(2, verbose=False)
    model.fit(table()[:30], values()[:30], eval_set=[(table()[30:], values()[30:])], callbacks=[stop])
    (run,) = runs()
    assert model.best_iteration_ < 47
    assert run.data.metrics["best_iteration"] == model.best_iteration_
    assert run.data.metrics["stopped_iteration"] == model.best_iteration_ + 2
    assert run.data.metrics["valid_0-l2"] == pytest.approx(model.best_score_["valid_0"]["l2"])


def test_a_booster_that_goes_on(mlflow, watch, runs):
    watch("lightgbm")
    first = small(2)
    stop = lightgbm.early_stopping(1, min_delta=10.0, verbose=False)
    data, rest = (lightgbm.Dataset(table()[:rows], labels()[:rows], free_raw_data=False) for rows in (40, 9))
    second = lightgbm.train(
        LGB, data, 5, valid_sets=rest, valid_names="rest", init_model=first, callbacks=[stop]
    )
    _, run = runs()
    found = recorded(mlflow.MlflowClient(), run)
    assert second.best_iteration == 3  # of the third and the fourth, which is no better
    assert steps(found)["rest-auc"] == [2, 3, 4]  # 4: those of the best once more
    assert (run.data.metrics["best_iteration"], run.data.metrics["stopped_iteration"]) == (3, 4)


def test_metrics_at_every_so_many_iterations(mlflow, watch, runs):
    watch("lightgbm", every_n_iter=3)
    small(8, metric="l2")
    data = lightgbm.Dataset(table(), labels(), group=[20, 20])
    ranking = {**LGB, "objective": "lambdarank", "metric": "ndcg", "eval_at": [2]}
    lightgbm.train(ranking, data, 2, valid_sets=[data], valid_names=["train"])
    found = [steps(recorded(mlflow.MlflowClient(), run)) for run in runs()]
    assert found == [{"train-l2": [0, 3, 6]}, {"train-ndcg_at_2": [0]}]


def test_functions_as_params(watch, runs):
    def mine(predicted, data):
        return predicted - data.get_label(), np.ones(len(predicted))

    watch("lightgbm")
    small(objective=mine)
    (run,) = runs()
    assert run.data.params["objective"].endswith("test_functions_as_params.<locals>.mine")


def test_cross_validation_is_no_training(watch, runs):
    watch("lightgbm")
    found = lightgbm.cv(LGB, lightgbm.Dataset(table(), labels()), 2, nfold=2)
    assert len(found["valid auc-mean"]) == 2
    assert runs() == []  # as with MLflow: there is no one model


def test_the_run_that_is_active(mlflow, watch):
    watch("lightgbm")
    behaviour.uses_the_run_that_is_active(mlflow, small)


def test_off_by_one_call(mlflow, watch):
    del watch
    replaced = [
        (lightgbm, "train"), (lightgbm.Dataset, "__init__"), (lightgbm.LGBMModel, "fit"),
        (lightgbm.LGBMClassifier, "fit"), (lightgbm.sklearn, "train"),
    ]  # fmt: skip
    behaviour.is_off_by_one_call(mlflow, "lightgbm", small, replaced)


def test_a_training_that_raises(mlflow, watch):
    def train(error):
        def callback(env):
            raise error

        small(callback=callback)

    watch("lightgbm")
    behaviour.fails_as_ever(mlflow, train)


def test_no_failure_of_ours_reaches_a_training(mlflow, watch, in_repo: Path):
    expected = small(3).predict(table())
    watch("lightgbm", log_models=True)
    found = behaviour.survives_writes_that_fail(mlflow, lambda: small(3))
    assert found.predict(table()) == pytest.approx(expected)

    def remove(env):
        if env.iteration == 1:
            shutil.rmtree(in_repo / ".git")

    with pytest.warns(AutologWarning, match="was not logged as a whole"):
        assert small(3, callback=remove).predict(table()) == pytest.approx(expected)
    assert mlflow.active_run() is None
    found = behaviour.survives_without_a_repository(mlflow, in_repo, lambda: small(3), is_gone=True)
    assert found.predict(table()) == pytest.approx(expected)


def test_as_mlflow_logs_them(beside_mlflow):
    (ours, theirs), (of_estimator, of_theirs) = beside_mlflow("lightgbm-train", "lightgbm-fit")
    assert ours["params"] == theirs["params"]
    assert set(ours["metrics"]) == set(theirs["metrics"])
    assert differing(ours["metrics"], theirs["metrics"]) == {}
    assert ours["files"] == theirs["files"]
    assert set(ours["inputs"]) == set(theirs["inputs"])  # MLflow has what it trains with twice

    # Ours are the estimator's own params, theirs those of the training inside.
    params, others = of_estimator["params"], of_theirs["params"]
    assert set(others) - set(params) == {"keep_training_booster", "metric", "num_boost_round", "num_threads"}
    both = set(params) & set(others)
    assert {name for name in both if params[name] != others[name]} == {
        "objective"
    }  # it is chosen by the labels
    assert set(of_theirs["metrics"]) == {
        name for name in of_estimator["metrics"] if not name.startswith("training_")
    }
    assert differing(of_estimator["metrics"], of_theirs["metrics"]) == {}
    assert of_estimator["inputs"] == of_theirs["inputs"]
