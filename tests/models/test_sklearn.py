"""Estimators of scikit-learn: saved, described, registered and loaded."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor

from gitml.errors import UsageError
from gitml.models.flavors.sklearn import UntrustedTypesError
from tests.models.saved import QUICK, Adder, elsewhere

TABLE = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "z"]})


class Constant(DummyRegressor):
    """A type that skops can write, and does not know."""


@pytest.fixture(autouse=True)
def _own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GITML_CACHE_DIR", str(tmp_path / "own"))


@pytest.fixture(scope="module")
def model() -> DummyRegressor:
    return DummyRegressor(strategy="mean").fit(TABLE, [1, 2, 6])


def test_a_model_is_logged_described_and_registered_in_one_call(mlflow, model, tmp_path, monkeypatch):
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(
            model, "models/mean", input_example=TABLE[:2], registered_model_name="mean",
            metadata={"team": "growth"}, **QUICK,
        )  # fmt: skip
        loaded = mlflow.pyfunc.load_model("models:/mean/1")  # within the run, as MLflow's examples do
        assert loaded.predict(TABLE).tolist() == [3, 3, 3]
    assert (info.model_uri, info.registered_model_version) == (f"runs:/{run.info.run_id}/models/mean", 1)
    elsewhere(monkeypatch, tmp_path / "other")  # a file of skops is data: nobody has to be trusted
    assert mlflow.sklearn.load_model(info.model_uri).constant_ == 3
    assert loaded.predict(TABLE[["b", "a"]]).tolist() == [3, 3, 3]
    with pytest.raises(mlflow.MlflowException, match=r"column 'a' \(double\)"):
        loaded.predict(TABLE[["b"]])
    said = mlflow.models.get_model_info("models:/mean/latest")
    assert said.run_id == run.info.run_id
    assert said.metadata == {"team": "growth"}
    assert [spec.name for spec in said.signature.inputs] == ["a", "b"]
    assert str(said.signature.outputs) == "[double (required)]"
    assert loaded.input_example.equals(TABLE[:2])
    assert mlflow.last_active_run().info.status == "FINISHED"


def test_a_folder_holds_what_mlflow_would_put_there(mlflow, model, tmp_path):
    (tmp_path / "limits.txt").write_text("scipy<2\n")
    (tmp_path / "needs.txt").write_text("numpy>=1  # arrays\n-c limits.txt\nscikit-learn\n")
    made = mlflow.sklearn.save_model(model, tmp_path / "m", pip_requirements=tmp_path / "needs.txt")
    files = ["MLmodel", "conda.yaml", "constraints.txt", "model.skops", "python_env.yaml", "requirements.txt"]
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == files
    assert (tmp_path / "m/requirements.txt").read_text() == "numpy>=1\nscikit-learn\n-c constraints.txt\n"
    assert (tmp_path / "m/constraints.txt").read_text() == "scipy<2\n"
    assert str(tmp_path) not in "".join(
        path.read_text() for path in (tmp_path / "m").iterdir() if path.suffix != ".skops"
    )
    assert made.flavors["python_function"]["env"] == {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}
    moved = (tmp_path / "m").rename(tmp_path / "moved")
    assert mlflow.sklearn.load_model(moved).constant_ == 3
    with pytest.raises(UsageError, match="not an empty folder"):
        mlflow.sklearn.save_model(model, moved, **QUICK)
    assert [path.name for path in tmp_path.glob(".gitml*")] == []


def test_what_skops_does_not_know_is_named(mlflow, tmp_path, monkeypatch):
    own = Constant().fit(TABLE, [1, 2, 6])
    with pytest.raises(UntrustedTypesError, match="test_sklearn.Constant") as caught:
        mlflow.sklearn.save_model(own, tmp_path / "m", **QUICK)
    assert not (tmp_path / "m").exists()
    types = list(caught.value.types)
    mlflow.sklearn.save_model(own, tmp_path / "m", skops_trusted_types=types, **QUICK)
    assert mlflow.sklearn.load_model(tmp_path / "m").constant_ == 3  # it was made here
    elsewhere(monkeypatch, tmp_path / "other")  # what the model says of its own types counts for nothing
    with pytest.raises(mlflow.models.UntrustedModelError, match="has the types"):
        mlflow.sklearn.load_model(tmp_path / "m")
    assert mlflow.sklearn.load_model(tmp_path / "m", skops_trusted_types=types).constant_ == 3


def test_pickles_are_written_where_they_are_asked_for_and_are_marked(mlflow, tmp_path):
    for kind in ("pickle", "cloudpickle"):
        made = mlflow.sklearn.save_model(Adder(2), tmp_path / kind, serialization_format=kind, **QUICK)
        assert made.flavors["sklearn"]["serialization_format"] == kind
        assert mlflow.sklearn.load_model(tmp_path / kind).predict(np.array([1])).tolist() == [3]
    with pytest.raises(UsageError, match="skops can't keep this lock") as caught:
        mlflow.sklearn.save_model(
            threading.Lock(), tmp_path / "m", skops_trusted_types=["_thread.lock"], **QUICK
        )
    assert "cloudpickle" in caught.value.hint
    with pytest.raises(UsageError, match="no serialization format 'joblib'"):
        mlflow.sklearn.save_model(Adder(), tmp_path / "m", serialization_format="joblib")
    with pytest.raises(TypeError, match="unexpected keyword argument 'signatur'"):
        mlflow.sklearn.save_model(Adder(), tmp_path / "m", signatur=None)


def test_code_paths_travel_and_need_trust(mlflow, tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/own_step.py").write_text(
        "class Step:\n    def predict(self, data):\n        return data * 2\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "lib")
    from own_step import Step

    mlflow.sklearn.save_model(
        Step(),
        tmp_path / "m",
        serialization_format="pickle",
        code_paths=[tmp_path / "lib/own_step.py"],
        **QUICK,
    )
    monkeypatch.undo()
    monkeypatch.setenv("GITML_CACHE_DIR", str(tmp_path / "own"))
    monkeypatch.delitem(sys.modules, "own_step")
    assert mlflow.sklearn.load_model(tmp_path / "m").predict(4) == 8
    elsewhere(monkeypatch, tmp_path / "other")
    with pytest.raises(mlflow.models.UntrustedModelError, match="brings modules of its own, in 'code'"):
        mlflow.sklearn.load_model(tmp_path / "m")


@pytest.mark.heavy
def test_requirements_are_what_the_model_imports(mlflow, model, tmp_path):
    mlflow.sklearn.save_model(
        model, tmp_path / "m", input_example=TABLE[:2], extra_pip_requirements=["lightgbm"]
    )
    lines = (tmp_path / "m/requirements.txt").read_text().splitlines()
    names = [line.partition("==")[0] for line in lines]
    assert {"numpy", "scikit-learn", "scipy", "skops", "lightgbm"} <= set(names)
    assert not {"pandas", "matplotlib", "pyarrow", "gitml"} & set(names)
    assert all("==" in line for line in lines if line != "lightgbm")
