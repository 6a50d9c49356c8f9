"""Models between gitml and the real mlflow, both ways; mlflow is in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from gitml.models.errors import MissingPackageError

pytestmark = pytest.mark.heavy

# Runs with mlflow and without gitml: saves what MLflow saves, and loads what gitml saved.
PEER_SCRIPT = """
import json, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
assert "gitml" not in sys.modules
import mlflow, mlflow.pyfunc, mlflow.sklearn
import numpy as np, pandas as pd
from sklearn.linear_model import LogisticRegression

there, ours = Path(sys.argv[1]), Path(sys.argv[2])
X = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [0.0, 1.0, 0.0, 1.0]})
model = LogisticRegression().fit(X, [0, 1, 0, 1])


class Echo(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.word = Path(context.artifacts["word"]).read_text()

    def predict(self, context, model_input, params=None):
        return [f"{self.word} {value} {(params or {}).get('t')} {context.model_config['k']}" for value in model_input["a"]]


def shout(model_input: list[str]) -> list[str]:
    return [text.upper() for text in model_input]


quick = {"pip_requirements": ["scikit-learn"]}  # to see what is imported takes MLflow ten seconds a model
(there / "word.txt").write_text("so")
(there / "code.py").write_text("import mlflow\\n\\ndef twice(model_input):\\n    return model_input * 2\\n\\nmlflow.models.set_model(twice)\\n")
mlflow.sklearn.save_model(model, there / "skops", input_example=X.head(2), metadata={"team": "x"}, **quick)
mlflow.sklearn.save_model(model, there / "cloudpickle", serialization_format="cloudpickle", pyfunc_predict_fn="predict_proba", **quick)
mlflow.pyfunc.save_model(
    there / "python", python_model=Echo(), artifacts={"word": str(there / "word.txt")}, model_config={"k": 1},
    signature=mlflow.models.infer_signature(X[["a"]], ["x"], {"t": 0.5}), **quick,
)
mlflow.pyfunc.save_model(there / "function", python_model=shout, input_example=["a"], **quick)
mlflow.pyfunc.save_model(there / "code", python_model=str(there / "code.py"), **quick)

said = {}
for folder in sorted(ours.iterdir()):
    loaded = mlflow.pyfunc.load_model(str(folder))
    data = ["a", "b"] if folder.name == "function" else X[["a"]] if folder.name == "python" else X
    params = {"params": {"t": 0.25}} if folder.name == "python" else {}
    said[folder.name] = np.asarray(loaded.predict(data, **params)).tolist()
    signature = loaded.metadata.signature
    said[folder.name + " signature"] = None if signature is None else signature.to_dict()
    if folder.name == "skops":
        said["native"] = mlflow.sklearn.load_model(str(folder)).predict(X).tolist()
        said["example"] = loaded.input_example.to_dict("list")
        said["info"] = [mlflow.models.get_model_info(str(folder)).metadata, loaded.metadata.run_id]
print("\\n" + json.dumps(said))
"""


@pytest.fixture(scope="module")
def peer() -> str:
    python = os.environ.get("PEER_MLFLOW_PYTHON", "")
    if not python and "CI" not in os.environ:
        pytest.skip("PEER_MLFLOW_PYTHON names no interpreter with mlflow")
    assert python, "PEER_MLFLOW_PYTHON names no interpreter with mlflow"
    return python


@pytest.mark.timeout(600)
def test_models_go_both_ways(mlflow, in_repo: Path, peer: str):
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    table = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [0.0, 1.0, 0.0, 1.0]})
    model = LogisticRegression().fit(table, [0, 1, 0, 1])
    base = mlflow.pyfunc.PythonModel

    class Echo(base):
        def load_context(self, context):
            self.word = Path(context.artifacts["word"]).read_text()

        def predict(self, context, model_input, params=None):
            config = context.model_config["k"]
            return [f"{self.word} {value} {(params or {}).get('t')} {config}" for value in model_input["a"]]

    def shout(model_input: list[str]) -> list[str]:
        return [text.upper() for text in model_input]

    Echo.__module__ = shout.__module__ = "__main__"  # as in a script: it travels in the pickle
    theirs, ours = in_repo / "theirs", in_repo / "ours"
    theirs.mkdir()
    (in_repo / "word.txt").write_text("so")
    signature = mlflow.models.infer_signature(table[["a"]], ["x"], {"t": 0.5})
    with mlflow.start_run() as run:
        mlflow.sklearn.log_model(model, name="skops", input_example=table.head(2), metadata={"team": "x"})
    mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/skops", dst_path=ours)
    mlflow.sklearn.save_model(
        model, ours / "cloudpickle", serialization_format="cloudpickle", pyfunc_predict_fn="predict_proba"
    )
    mlflow.pyfunc.save_model(
        ours / "python", python_model=Echo(), artifacts={"word": in_repo / "word.txt"},
        model_config={"k": 1}, signature=signature,
    )  # fmt: skip
    mlflow.pyfunc.save_model(ours / "function", python_model=shout, input_example=["a"])

    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    script = (
        in_repo / "peer.py"
    )  # a file: with `-c`, PySpark takes MLflow for a doctest of its own and ends it
    script.write_text(PEER_SCRIPT)
    done = subprocess.run(
        [peer, str(script), str(theirs), str(ours)],
        cwd=theirs, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])

    classes, shares = model.predict(table).tolist(), model.predict_proba(table).tolist()
    echoed = [f"so {value} 0.25 1" for value in table["a"]]
    assert (said["skops"], said["native"]) == (classes, classes)
    assert np.allclose(said["cloudpickle"], shares)
    assert (said["python"], said["function"]) == (echoed, ["A", "B"])
    assert said["example"] == {"a": [1.0, 2.0], "b": [0.0, 1.0]}
    assert said["info"] == [{"team": "x"}, run.info.run_id]

    load, info = mlflow.pyfunc.load_model, mlflow.models.get_model_info
    assert load(theirs / "skops").predict(table).tolist() == classes
    assert mlflow.sklearn.load_model(theirs / "skops").predict(table).tolist() == classes
    with pytest.raises(mlflow.models.UntrustedModelError):
        load(theirs / "cloudpickle")
    assert np.allclose(load(theirs / "cloudpickle", trust=True).predict(table), shares)
    assert load(theirs / "python", trust=True).predict(table[["a"]], {"t": 0.25}) == echoed
    assert load(theirs / "function", trust=True).predict(["a", "b"]) == ["A", "B"]
    with pytest.raises(MissingPackageError) as caught:  # its code begins with `import mlflow`
        load(theirs / "code", trust=True)
    assert caught.value.hint.startswith("pip install 'mlflow==3.")
    for name in ("skops", "python", "function"):
        signed = info(theirs / name).signature
        assert signed is not None
        assert signed.to_dict() == said[f"{name} signature"], name
    assert info(theirs / "skops").metadata == {"team": "x"}
    assert load(theirs / "skops").input_example.to_dict("list") == said["example"]
