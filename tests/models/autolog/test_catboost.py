"""Autologging of CatBoost, which MLflow has none of, and that a training never notices."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.models.autolog import behaviour
from tests.models.autolog.recorded import recorded, steps
from tests.models.autolog.trainings import labels, table, values
from tests.needs import needed

catboost = needed("catboost")
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300), behaviour.QUIET]
IMPORTANCE = [
    "feature_importance_PredictionValuesChange.json",
    "feature_importance_PredictionValuesChange.png",
]
PLOTS = ["training_confusion_matrix.png", "training_precision_recall_curve.png", "training_roc_curve.png"]
QUIETLY = {"depth": 2, "thread_count": 1, "verbose": False, "allow_writing_files": False, "random_seed": 7}


def small(callback=None, **settings):
    model = catboost.CatBoostRegressor(**{"iterations": 3, **QUIETLY, **settings})
    return model.fit(table(), values(), callbacks=[callback] if callback is not None else None)


def test_a_classifier(mlflow, watch, runs):
    watch("catboost", log_models=True, log_input_examples=True)
    model = catboost.CatBoostClassifier(iterations=5, custom_metric=["AUC"], **QUIETLY)
    model.fit(table()[:30], labels()[:30], eval_set=(table()[30:], labels()[30:]))
    (run,) = runs()
    found = recorded(mlflow.MlflowClient(), run)
    assert found["status"] == "FINISHED"
    assert run.data.params["iterations"] == 5
    assert run.data.params["depth"] == 2
    assert run.data.params["custom_metric"] == ["AUC"]
    assert steps(found)["learn-Logloss"] == [0, 1, 2, 3, 4, 5]  # 5: those of the best iteration
    losses = dict(map(tuple, found["metrics"]["validation-Logloss"]))
    assert losses[5] == losses[model.get_best_iteration()]
    assert run.data.metrics["best_iteration"] == model.get_best_iteration()
    assert run.data.metrics["stopped_iteration"] == 4
    assert "validation-AUC" in run.data.metrics
    assert run.data.metrics["training_accuracy_score"] == model.score(table()[:30], labels()[:30])
    assert run.data.tags["estimator_name"] == "CatBoostClassifier"
    assert found["files"] == [*IMPORTANCE, "model", *PLOTS]
    assert found["inputs"] == ["eval", "train"]
    client = mlflow.MlflowClient()
    scores = json.loads(client.read_artifact(run.info.run_id, IMPORTANCE[0]))
    assert scores == pytest.approx(dict(zip("ab", model.get_feature_importance(), strict=True)))

    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert np.array_equal(loaded.predict(table()), model.predict(table()))
    assert [column.name for column in loaded.signature.inputs] == ["a", "b"]
    assert loaded.input_example.equals(table().head(5))
    native = mlflow.catboost.load_model(f"runs:/{run.info.run_id}/model")
    assert native.predict_proba(table()) == pytest.approx(model.predict_proba(table()))


def test_a_pool_and_early_stopping(mlflow, watch, runs):
    watch("catboost", log_models=True)
    train = catboost.Pool(table()[:30], values()[:30])
    test = catboost.Pool(table()[30:], values()[30:])
    model = catboost.CatBoost(
        {"iterations": 200, "learning_rate": 0.9, "early_stopping_rounds": 3, **QUIETLY}
    )
    model.fit(train, eval_set=test)
    (run,) = runs()
    found = recorded(mlflow.MlflowClient(), run)
    best = model.get_best_iteration()
    assert best + 3 < 199  # it stopped early
    assert run.data.metrics["best_iteration"] == best
    assert run.data.metrics["stopped_iteration"] == best + 3
    assert steps(found)["validation-RMSE"] == [*range(best + 5)]
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert loaded.predict(table()) == pytest.approx(model.predict(table()))
    assert [column.name for column in loaded.signature.inputs] == ["a", "b"]


def test_texts_and_categories(mlflow, watch, runs):
    watch("catboost")
    data = table().assign(kind=np.where(labels() == 1, "x", "y"))
    model = catboost.CatBoostClassifier(iterations=2, cat_features=["kind"], **QUIETLY).fit(data, labels())
    pool = catboost.Pool(data, values(), cat_features=["kind"])
    catboost.train(pool, {"iterations": 2, "loss_function": "RMSE", **QUIETLY})
    first, second = runs()
    assert first.data.params["cat_features"] == ["kind"]
    scores = json.loads(mlflow.MlflowClient().read_artifact(first.info.run_id, IMPORTANCE[0]))
    assert list(scores) == model.feature_names_ == ["a", "b", "kind"]
    assert second.data.params["loss_function"] == "RMSE"


def test_a_ranking(watch, runs):
    watch("catboost")
    groups = catboost.Pool(table(), labels(), group_id=np.arange(40) // 8)
    catboost.CatBoostRanker(iterations=2, loss_function="YetiRank", **QUIETLY).fit(groups)
    (run,) = runs()
    assert run.info.status == "FINISHED"


def test_a_model_that_goes_on(mlflow, watch, runs, in_repo: Path):
    watch("catboost", every_n_iter=2)
    first = small()
    first.save_model(in_repo / "first.cbm")
    for before in (first, str(in_repo / "first.cbm")):
        model = catboost.CatBoostRegressor(iterations=4, **QUIETLY)
        model.fit(table(), values(), init_model=before, eval_set=(table()[:9], values()[:9]))
    found = [recorded(mlflow.MlflowClient(), run) for run in runs()]
    last = [4, 6, 7]  # 7: those of the best iteration
    assert [steps(one)["learn-RMSE"] for one in found] == [[0, 2], last, last]
    assert [one["metrics"].get("stopped_iteration") for one in found] == [None, [[0, 6]], [[0, 6]]]
    assert {run.data.metrics["best_iteration"] for run in runs()[1:]} == {model.tree_count_ - 1}


def test_trying_settings_out_is_not_logged_but_the_model_is(watch, runs):
    watch("catboost")
    model = catboost.CatBoostRegressor(iterations=2, **QUIETLY)
    found = model.grid_search({"l2_leaf_reg": [1, 3]}, table(), values(), cv=2, verbose=False)
    assert [run.data.params["l2_leaf_reg"] for run in runs()] == [found["params"]["l2_leaf_reg"]]


def test_cross_validation_is_no_training(watch, runs):
    watch("catboost")
    pool = catboost.Pool(table(), values())
    found = catboost.cv(pool, {"iterations": 2, "loss_function": "RMSE", "logging_level": "Silent", **{
        name: value for name, value in QUIETLY.items() if name != "verbose"
    }}, fold_count=2)  # fmt: skip
    assert len(found) == 2
    assert runs() == []


def test_the_run_that_is_active(mlflow, watch):
    watch("catboost")
    behaviour.uses_the_run_that_is_active(mlflow, small)


def test_off_by_one_call(mlflow, watch):
    del watch
    kinds = (
        catboost.CatBoost,
        catboost.CatBoostClassifier,
        catboost.CatBoostRegressor,
        catboost.CatBoostRanker,
    )
    behaviour.is_off_by_one_call(mlflow, "catboost", small, [(kind, "fit") for kind in kinds])


def test_a_training_that_raises(mlflow, watch, runs):
    class Raises:
        def after_iteration(self, info):
            raise RuntimeError("the training's own")

    watch("catboost")
    with pytest.raises(
        catboost.CatBoostError, match="RuntimeError: the training's own"
    ):  # it says so in text
        small(callback=Raises())
    (run,) = runs()
    assert run.info.status == "FAILED"
    assert run.data.params["iterations"] == 3
    assert mlflow.active_run() is None


def test_no_failure_of_ours_reaches_a_training(mlflow, watch, in_repo: Path):
    expected = small().predict(table())
    watch("catboost", log_models=True)
    found = behaviour.survives_writes_that_fail(mlflow, small)
    assert found.predict(table()) == pytest.approx(expected)
    found = behaviour.survives_without_a_repository(mlflow, in_repo, small)
    assert found.predict(table()) == pytest.approx(expected)
