"""What is broken, hostile, or of another framework is said so, and nothing of it runs."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from tests.models.flavors.cases import BY_ID, TEXTS, head
from tests.needs import needed, needs

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def saved(mlflow, in_repo: Path, tmp_path: Path, monkeypatch):
    """Save the model of a case, and be another user."""

    def save(name: str) -> tuple[Path, object]:
        case = BY_ID[name]
        needs(*case.needs)
        flavor = getattr(mlflow, case.flavor)
        flavor.save_model(case.make(), in_repo / "model", pip_requirements=[], **case.options)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
        return in_repo / "model", flavor

    return save


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("xgboost-booster", "model.ubj"),
        ("lightgbm-booster", "model.lgb"),
        ("catboost-classifier", "model.cb"),
        ("onnx", "model.onnx"),
        ("keras", "data/model.keras"),
        ("transformers-labels", "model/model.safetensors"),
        ("spacy", "model.spacy/config.cfg"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"not what it was " * 20], ids=["empty", "other"])
def test_a_broken_file_is_named(mlflow, saved, name: str, file: str, content: bytes):
    folder, flavor = saved(name)
    (folder / file).write_bytes(content)
    for load in (flavor.load_model, mlflow.pyfunc.load_model if name != "spacy" else flavor.load_model):
        with pytest.raises(mlflow.GitmlError) as told:
            load(folder)
        assert told.value.exit_code == 6, told.value
    (folder / file).unlink()
    with pytest.raises(mlflow.GitmlError) as told:
        flavor.load_model(folder)
    assert told.value.exit_code == 6, told.value


def change(folder: Path, old: str, new: str) -> None:
    path = folder / "MLmodel"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_class_of_somebody_is_not_made_without_trust(mlflow, saved):
    folder, flavor = saved("xgboost-json")
    change(folder, "xgboost.sklearn.XGBClassifier", "subprocess.Popen")
    with pytest.raises(mlflow.models.UntrustedModelError, match=r"subprocess\.Popen"):
        flavor.load_model(folder)


def test_files_outside_of_the_model_are_not_read(mlflow, saved, in_repo: Path):
    import onnx

    folder, flavor = saved("onnx-apart")
    graph = onnx.load(folder / "model.onnx", load_external_data=False)
    (in_repo / "secret").write_bytes(bytes(1000))
    for tensor in graph.graph.initializer:
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.ClearField("raw_data")
        del tensor.external_data[:]
        tensor.external_data.add(key="location", value="../secret")
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    for load in (flavor.load_model, mlflow.pyfunc.load_model):
        with pytest.raises(mlflow.GitmlError, match="can't be a file of it"):
            load(folder)


def test_a_layer_that_is_a_function_of_bytes_needs_trust(mlflow, in_repo: Path, tmp_path: Path, monkeypatch):
    keras = needed("keras")
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Lambda(lambda x: x * 2)])
    mlflow.keras.save_model(model, in_repo / "model", pip_requirements=[])
    data = head().to_numpy()
    assert mlflow.keras.load_model(in_repo / "model").predict(data, verbose=0) == pytest.approx(2 * data)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    for load in (mlflow.keras.load_model, mlflow.pyfunc.load_model):
        with pytest.raises(mlflow.models.UntrustedModelError, match="Lambda"):
            load(in_repo / "model")
    again = mlflow.keras.load_model(in_repo / "model", trust=True)
    assert again.predict(data, verbose=0) == pytest.approx(2 * data)


def test_a_class_of_any_module_in_a_keras_file_needs_trust(mlflow, saved):
    folder, flavor = saved("keras")
    path = folder / "data" / "model.keras"
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    told = json.loads(parts["config.json"])
    told["config"]["layers"][1].update(module="os", class_name="system")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**parts, "config.json": json.dumps(told).encode()}.items():
            archive.writestr(name, data)
    with pytest.raises(mlflow.models.UntrustedModelError, match=r"os\.system"):
        flavor.load_model(folder)


@pytest.mark.parametrize("how", ["weights", "code", "class", "kernel"])
def test_code_in_a_folder_of_transformers_needs_trust(mlflow, saved, how: str):
    folder, flavor = saved("transformers-labels")
    assert flavor.load_model(folder, trust=False)(TEXTS)
    config = folder / "model" / "config.json"
    told = json.loads(config.read_text())
    if how == "weights":
        (folder / "model" / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    elif how == "code":
        (folder / "components" / "tokenizer" / "own.py").write_text("print('run')")
    elif how == "class":
        config.write_text(json.dumps({**told, "auto_map": {"AutoModel": "own.Net"}}))
    else:
        config.write_text(json.dumps({**told, "attn_implementation": "someone/kernel"}))
    with pytest.raises(mlflow.models.UntrustedModelError):
        flavor.load_model(folder)


def test_a_time_series_is_predicted_from_start_to_end(mlflow, in_repo: Path):
    import numpy as np
    import pandas as pd

    needs("statsmodels")
    from statsmodels.tsa.arima.model import ARIMA

    series = pd.Series(np.sin(np.arange(40.0)))
    fitted = ARIMA(series, order=(1, 0, 0)).fit()
    mlflow.statsmodels.save_model(fitted, in_repo / "model", pip_requirements=[])
    function = mlflow.pyfunc.load_model(in_repo / "model")
    found = function.predict(pd.DataFrame({"start": [40], "end": [42]}))
    assert np.allclose(found, fitted.predict(start=40, end=42))
    with pytest.raises(mlflow.GitmlError, match="'start' to 'end'"):
        function.predict(pd.DataFrame({"start": [40, 41]}))


@pytest.mark.parametrize("flavor", ["catboost", "keras", "lightgbm", "onnx", "pytorch", "sentence_transformers",
                                    "spacy", "spark", "statsmodels", "tensorflow", "transformers", "xgboost"])  # fmt: skip
def test_what_is_of_no_framework_is_refused(mlflow, in_repo: Path, flavor: str):
    with pytest.raises(mlflow.GitmlError) as told:
        getattr(mlflow, flavor).save_model({"a": 1}, in_repo / "model")
    assert told.value.exit_code == 2
    assert told.value.hint
    assert not (in_repo / "model").exists()
