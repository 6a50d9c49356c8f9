"""Autologging of Keras: signatures of models whose data are no one array."""

from __future__ import annotations

import os

import pytest

from tests.models.autolog import behaviour
from tests.models.autolog.trainings import network, table, values
from tests.needs import needed

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = needed("tensorflow")
keras = needed("keras")
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300), behaviour.QUIET]
X, Y = table().to_numpy().astype("float32"), values().astype("float32")


def test_data_of_tensorflow_have_a_signature_too(mlflow, watch, runs):
    watch("keras", log_models=True)
    data = tf.data.Dataset.from_tensor_slices((X, Y[:, None])).batch(8)
    model = network()
    model.fit(data, epochs=1, validation_data=data, verbose=0)
    (run,) = runs()
    assert run.data.params["batch_size"] == 8
    signature = mlflow.models.get_model_info(f"runs:/{run.info.run_id}/model").signature
    assert signature.inputs.inputs[0].shape == (-1, 2)
    assert signature.outputs.inputs[0].shape == (-1, 1)


def test_several_inputs_by_name(mlflow, watch, runs):
    watch("keras", log_models=True)
    first, second = keras.layers.Input((1,), name="first"), keras.layers.Input((1,), name="second")
    out = keras.layers.Dense(1)(keras.layers.Concatenate()([first, second]))
    model = keras.Model([first, second], out)
    model.compile("sgd", "mse")
    model.fit({"first": X[:, :1], "second": X[:, 1:]}, Y, epochs=1, verbose=0)
    mlflow.keras.autolog(log_models=False)
    model.fit([X[:, :1], X[:, 1:]], Y, epochs=1, verbose=0)
    by_name, by_place = runs()
    signature = mlflow.models.get_model_info(f"runs:/{by_name.info.run_id}/model").signature
    assert {spec.name for spec in signature.inputs} == {"first", "second"}
    assert by_place.info.status == "FINISHED"
