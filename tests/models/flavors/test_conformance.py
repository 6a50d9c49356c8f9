"""What holds for every flavor: what is saved comes back, wherever from, and is trusted only as far as it is data."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.models.flavors.cases import CASES, Case, alike, plain
from tests.needs import needs

IN_TEST_EXTRA = ("sklearn",)
PEER_SCRIPT = Path(__file__).parent / "mlflow_flavors.py"
pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore"),  # of frameworks; ours are errors that are asserted
]


def parameters():
    for case in CASES:
        marks = () if case.flavor in IN_TEST_EXTRA else (pytest.mark.heavy,)
        yield pytest.param(case, id=case.id, marks=marks)


@pytest.fixture(params=parameters())
def case(request) -> Case:
    needs(*request.param.needs)
    return request.param


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch):
    """Be another user, who did not make the models."""

    def go() -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))

    return go


def wrong(data):
    """Data that lack a column, or have numbers for texts."""
    if isinstance(data, list):
        return [1, 2]
    return data.iloc[:, :-1] if hasattr(data, "iloc") else data[:, :-1]


def test_a_version_is_loaded_by_its_stage(mlflow, in_repo: Path, case: Case):
    flavor = getattr(mlflow, case.flavor)
    model, data = case.make(), case.example()
    expected = plain(case.predict(model, data))
    with mlflow.start_run():
        info = flavor.log_model(
            model, name="net", registered_model_name="net", input_example=data, **case.options
        )
    assert info.registered_model_version == 1
    mlflow.MlflowClient().transition_model_version_stage("net", 1, "Production")

    assert alike(plain(case.predict(flavor.load_model("models:/net/Production"), data)), expected)
    function = mlflow.pyfunc.load_model("models:/net/Production")
    assert alike(plain(function.predict(data)), expected) or case.flavor == "onnx"
    with pytest.raises(mlflow.GitmlError) as told:
        function.predict(wrong(data))
    assert "SchemaError" in type(told.value).__name__

    folder = Path(mlflow.artifacts.download_artifacts(info.model_uri, dst_path=in_repo / "got"))
    requirements = (folder / "requirements.txt").read_text().splitlines()
    first = importlib.import_module(f"gitml.models.flavors.{case.flavor}").FLAVOR.packages[0]
    assert any(line.replace("_", "-").startswith(f"{first}==") for line in requirements), requirements
    assert not any(line.startswith(("gitml", "pytest")) for line in requirements), requirements
    for path in filter(Path.is_file, folder.rglob("*")):
        assert tempfile.gettempdir().encode() + b"/" not in path.read_bytes() or case.runs_code, path
    for name in ("MLmodel", "requirements.txt", "conda.yaml", "python_env.yaml"):
        assert not re.search(r"(^|[\s'\"=:])(/|file:)", (folder / name).read_text()), name


def test_a_folder_can_be_moved_and_is_trusted_as_data(mlflow, in_repo: Path, case: Case, elsewhere):
    flavor = getattr(mlflow, case.flavor)
    model, data = case.make(), case.example()
    flavor.save_model(model, in_repo / "here", input_example=data, pip_requirements=[], **case.options)
    expected = plain(case.predict(model, data))
    (in_repo / "here").rename(in_repo / "there")
    assert alike(plain(case.predict(flavor.load_model(in_repo / "there"), data)), expected)  # as its maker

    elsewhere()
    if not case.runs_code:
        assert alike(plain(case.predict(flavor.load_model(in_repo / "there", trust=False), data)), expected)
        mlflow.pyfunc.load_model(in_repo / "there", trust=False).predict(data)
        return
    for load in (flavor.load_model, mlflow.pyfunc.load_model):
        with pytest.raises(mlflow.models.UntrustedModelError):
            load(in_repo / "there")
        load(in_repo / "there", trust=True)


def test_versions_share_what_is_equal(mlflow, in_repo: Path, case: Case):
    flavor = getattr(mlflow, case.flavor)
    model = case.make()
    found = []
    for number in (1, 2):
        folder = in_repo / f"save{number}"
        flavor.save_model(
            model,
            folder,
            input_example=case.example(),
            pip_requirements=[],
            metadata={"n": number},
            **case.options,
        )
        found.append({name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in case.files})
    assert found[0] == found[1]


@pytest.mark.heavy
def test_mlflow_and_gitml_load_each_others_models(mlflow, in_repo: Path, case: Case, elsewhere):
    peer = os.environ.get("PEER_MLFLOW_PYTHON", "")
    if not peer and "CI" not in os.environ:
        pytest.skip("PEER_MLFLOW_PYTHON names no interpreter with mlflow")
    assert peer, "PEER_MLFLOW_PYTHON names no interpreter with mlflow"
    flavor = getattr(mlflow, case.flavor)
    model, data = case.make(), case.example()
    expected = plain(case.predict(model, data))
    theirs, ours = in_repo / "theirs", in_repo / "ours"
    flavor.save_model(model, ours, input_example=data, pip_requirements=[], **case.options)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [peer, str(PEER_SCRIPT), case.id, str(theirs), str(ours)],
        cwd=in_repo, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    said = json.loads(done.stdout.rpartition("ANSWER ")[2])
    mine = mlflow.pyfunc.load_model(ours)
    if case.ours_there:
        assert alike(said["native"], expected)
        assert alike(said["function"], plain(mine.predict(data)))
        assert mine.signature.to_dict() == said["our signature"]
    if case.theirs is None:
        return
    elsewhere()
    trust = bool(case.runs_code)
    assert alike(plain(case.predict(flavor.load_model(theirs, trust=trust), data)), said["predicted"])
    function = mlflow.pyfunc.load_model(theirs, trust=trust)
    assert alike(plain(function.predict(data)), said["theirs"])
    signature = function.signature
    assert (signature and signature.to_dict()) == said["signature"]
