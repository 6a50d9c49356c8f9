"""Autologging of Keras: what epochs measure, and that a training never notices."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from gitml.models.autolog.training import AutologWarning
from tests.models.autolog import behaviour
from tests.models.autolog.recorded import differing, recorded, steps
from tests.models.autolog.trainings import keras_fit, network, table, values
from tests.needs import needed, needs

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
needs("tensorflow")
keras = needed("keras")
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300), behaviour.QUIET]
X, Y = table().to_numpy().astype("float32"), values().astype("float32")


def small(callback=None, **settings):
    model = network()
    model.fit(X, Y, callbacks=callback, verbose=0, **{"epochs": 2, "batch_size": 20, **settings})
    return model


def weights(model):
    return [one.tolist() for one in model.get_weights()]


def test_a_network(mlflow, watch, runs):
    watch("keras", log_models=True, log_input_examples=True)
    model = keras_fit()
    (run,) = runs()
    found = recorded(mlflow.MlflowClient(), run)
    assert found["status"] == "FINISHED"
    assert run.data.params["epochs"] == 3
    assert run.data.params["batch_size"] == 10
    assert run.data.params["optimizer_name"] == "adam"
    assert run.data.params["optimizer_learning_rate"] == pytest.approx(0.01)
    assert steps(found) == {name: [0, 1, 2] for name in ("loss", "mae", "val_loss", "val_mae")}
    assert found["files"] == ["model", "model_summary.txt"]
    assert found["inputs"] == ["eval", "train"]
    used = {one.tags[0].value: one.dataset for one in run.inputs.dataset_inputs}
    assert json.loads(used["eval"].profile)["features_shape"] == [10, 2]
    summary = mlflow.MlflowClient().read_artifact(run.info.run_id, "model_summary.txt").decode()
    assert "Total params: 13" in summary

    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert np.allclose(loaded.predict(X), model.predict(X, verbose=0))
    (spec,) = loaded.signature.inputs
    assert (str(spec.type), spec.shape) == ("float32", (-1, 2))
    assert np.array_equal(loaded.input_example, X[:5])
    native = mlflow.keras.load_model(f"runs:/{run.info.run_id}/model")
    assert weights(native) == weights(model)


def test_early_stopping(mlflow, watch, runs):
    watch("keras")
    stop = keras.callbacks.EarlyStopping("loss", patience=2, min_delta=100.0, restore_best_weights=True)
    small([stop], epochs=9)
    (run,) = runs()
    found = recorded(mlflow.MlflowClient(), run)
    assert run.data.params["monitor"] == "loss"
    assert run.data.params["patience"] == 2
    assert run.data.params["restore_best_weights"] is True
    assert (run.data.metrics["stopped_epoch"], run.data.metrics["restored_epoch"]) == (2, 0)
    losses = dict(map(tuple, found["metrics"]["loss"]))
    assert list(losses) == [0, 1, 2, 3]
    assert losses[3] == losses[0]


def test_metrics_by_step(mlflow, watch, runs):
    watch("keras", log_every_n_steps=2)
    small()  # two batches an epoch
    mlflow.keras.autolog(log_every_epoch=False, log_every_n_steps=3, log_models=False)
    small()
    mlflow.keras.autolog(every_n_iter=2, log_models=False)
    small(epochs=3)
    found = [steps(recorded(mlflow.MlflowClient(), run)) for run in runs()]
    assert found[0] == {"loss": [0, 1], "mae": [0, 1], "batch_loss": [2, 4], "batch_mae": [2, 4]}
    assert found[1] == {"loss": [3], "mae": [3]}
    assert found[2] == {"loss": [0, 2], "mae": [0, 2]}


def test_a_network_that_goes_on(mlflow, watch, runs):
    watch("keras")
    with mlflow.start_run():
        model = small(epochs=2)
        with pytest.warns(AutologWarning, match="other values of epochs, initial_epoch"):
            model.fit(X, Y, epochs=4, initial_epoch=2, batch_size=20, verbose=0)
    (run,) = runs()
    assert steps(recorded(mlflow.MlflowClient(), run))["loss"] == [0, 1, 2, 3]


def test_callbacks_of_every_kind_are_left_as_they_were(mlflow, watch, runs):
    class Counts(keras.callbacks.Callback):
        epochs = 0

        def on_epoch_end(self, epoch, logs=None):
            self.epochs += 1

    watch("keras")
    one, given = Counts(), [Counts()]
    small(one)
    small(given)
    model = network()
    many = keras.callbacks.CallbackList([Counts()], model=model, add_history=True)
    for _ in range(2):
        model.fit(X, Y, epochs=2, callbacks=many, verbose=0)
    assert (one.epochs, given[0].epochs, many.callbacks[0].epochs) == (2, 2, 4)
    assert len(given) == 1
    assert [type(each).__name__ for each in many.callbacks] == ["Counts", "History"]
    assert [len(steps(recorded(mlflow.MlflowClient(), run))["loss"]) for run in runs()] == [2, 2, 2, 2]


def test_the_run_that_is_active(mlflow, watch):
    watch("keras")
    behaviour.uses_the_run_that_is_active(mlflow, small)


def test_off_by_one_call(mlflow, watch):
    del watch
    behaviour.is_off_by_one_call(mlflow, "keras", small, [(keras.Model, "fit")])


def test_a_training_that_raises(mlflow, watch):
    class Raises(keras.callbacks.Callback):
        def __init__(self, error):
            super().__init__()
            self.error = error

        def on_epoch_end(self, epoch, logs=None):
            raise self.error

    watch("keras")
    behaviour.fails_as_ever(mlflow, lambda error: small([Raises(error)]))


def test_no_failure_of_ours_reaches_a_training(mlflow, watch, in_repo: Path):
    expected = weights(small())
    watch("keras", log_models=True)
    assert weights(behaviour.survives_writes_that_fail(mlflow, small)) == expected

    class Removes(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            shutil.rmtree(in_repo / ".git", ignore_errors=True)

    with pytest.warns(AutologWarning, match="was not logged as a whole"):
        assert weights(small([Removes()])) == expected
    assert mlflow.active_run() is None
    assert weights(behaviour.survives_without_a_repository(mlflow, in_repo, small, is_gone=True)) == expected


def test_as_mlflow_logs_it(beside_mlflow):
    ((ours, theirs),) = beside_mlflow("keras-fit")
    assert ours["params"] == theirs["params"]
    # MLflow has what validation gave once more, all of it at step 0.
    assert set(theirs["metrics"]) - set(ours["metrics"]) == {"validation_loss", "validation_mae"}
    assert set(ours["metrics"]) <= set(theirs["metrics"])
    assert differing(ours["metrics"], theirs["metrics"]) == {}
    assert ours["files"] == theirs["files"]
    assert ours["inputs"] == theirs["inputs"]
