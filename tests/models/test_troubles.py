"""What fails is told as what it is: the model's own code, a package, a name, a file."""

from __future__ import annotations

import hashlib
import importlib
import traceback
from pathlib import Path

import numpy as np
import pytest

from gitml.entities.data_type import DataType
from gitml.models import failures
from gitml.models.errors import MissingPackageError
from gitml.models.failures import ModelFailedError, model_at_work
from gitml.models.signatures.json_columns import converter
from gitml.models.signatures.problems import Mismatch
from tests.models.saved import QUICK

CODE = """\
import gitml.models


def double(model_input):
    return model_input * 2


{then}
gitml.models.set_model(double)
"""


@pytest.fixture
def coded(mlflow, in_repo: Path):
    """A registered model of a file of code, which is changed after it was saved to a folder as well."""
    (in_repo / "net.py").write_text(CODE.format(then=""))
    options = {"python_model": in_repo / "net.py", **QUICK}
    with mlflow.start_run():
        mlflow.pyfunc.log_model(name="net", registered_model_name="net", **options)
    mlflow.pyfunc.save_model(in_repo / "saved", **options)
    (in_repo / "saved/net.py").write_text(CODE.format(then="raise LookupError('no weights')"))
    return in_repo


def test_an_error_of_the_models_code_is_no_bug_of_gitml(gitml, coded: Path):
    (coded / "rows.csv").write_text("a\n1\n")
    for verb in (("serve", "saved", "--port", "0"), ("predict", "saved", "-i", "rows.csv")):
        said = gitml(coded, "models", *verb, "--trust", code=1).stderr
        assert "the model can't be loaded: LookupError: no weights (net.py, line 8, in <module>)" in said
        assert "bug" not in said


def test_where_a_model_failed_is_the_last_line_of_its_own_code(tmp_path: Path):
    scope: dict = {}
    source = "import json\n\ndef load():\n    return json.loads('{')\n"
    exec(compile(source, str(tmp_path / "mine.py"), "exec"), scope)
    with pytest.raises(ModelFailedError) as told, model_at_work("be loaded"):
        scope["load"]()
    assert told.value.message.startswith("the model can't be loaded: JSONDecodeError: Expecting")
    assert told.value.message.endswith("(mine.py, line 4, in load)")
    assert told.value.exit_code == 1
    with pytest.raises(MissingPackageError), model_at_work("be loaded"):
        raise MissingPackageError("'net'", "torch")


def test_code_in_a_folder_that_only_begins_like_gitmls_is_the_makers(tmp_path: Path):
    file = f"{Path(failures.__file__).parents[1]}-demo/mine.py"
    with (
        pytest.raises(ModelFailedError, match=r"\(mine\.py, line 1, in <module>\)"),
        model_at_work("predict"),
    ):
        exec(compile("1 / 0", file, "exec"), {})


def test_a_model_that_writes_to_its_own_files_spoils_no_object(mlflow, gitml, in_repo: Path):
    weights = in_repo / "weights.bin"
    weights.write_bytes(bytes(5_000_000))
    with mlflow.start_run() as run:
        # No requirements are given: another Python loads the model to see what it imports.
        mlflow.pyfunc.log_model(name="net", python_model=_scribbler(), artifacts={"weights": str(weights)})
    found = [path for path in (in_repo / ".git/lfs/objects").rglob("*") if path.is_file()]
    assert found
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in found)
    kept = mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/net", dst_path=in_repo / "got")
    (file,) = Path(kept).rglob("weights.bin")
    assert not any(file.read_bytes())


def _scribbler():
    """A model by value, as one of a script is."""
    scope: dict = {"__name__": "__main__"}
    exec(
        "import gitml.pyfunc\n"
        "class Scribbler(gitml.pyfunc.PythonModel):\n"
        "    def load_context(self, context):\n"
        "        import time\n"
        "        for _ in range(20):\n"
        "            with open(context.artifacts['weights'], 'r+b') as file:\n"
        "                file.write(b'scribbled')\n"
        "            time.sleep(0.05)\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        return model_input\n",
        scope,
    )
    return scope["Scribbler"]()


def test_a_name_without_a_version_and_one_of_nothing(gitml, coded: Path):
    said = gitml(coded, "models", "serve", "net", code=3).stderr
    assert "'net' has 1 version: say which" in said
    assert "net@v1" in said
    said = gitml(coded, "models", "serve", "./nets", code=3).stderr
    assert "there is no folder './nets', and no model of that name" in said
    (coded / "empty").mkdir()
    assert "has no file MLmodel" in gitml(coded, "models", "serve", "empty", code=3).stderr


def test_an_address_of_another_machine_is_not_answered_with_ports(gitml, coded: Path):
    said = gitml(coded, "models", "serve", "net@v1", "--host", "300.1.1.1", code=5).stderr
    assert "--port" not in said
    assert "127.0.0.1" in said


def test_a_traceback_has_the_hint():
    try:
        raise MissingPackageError("'net'", "torch==2.9")
    except MissingPackageError as err:
        said = "".join(traceback.format_exception(err))
        assert str(err) == "'net' needs 'torch==2.9', which is not installed"
    if hasattr(Exception, "add_note"):
        assert "hint: pip install 'torch==2.9'" in said


def test_a_number_that_only_the_type_makes_infinite_is_refused():
    convert = converter(DataType.float, required=True)
    with pytest.raises(Mismatch, match=r"1e\+300 .*in row 1, which float can't hold"):
        convert([1, 1e300])
    assert np.isinf(convert([float("inf"), 2.5])).tolist() == [True, False]
    assert convert(["nan", None, 0.5]).dtype == "float32"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("gitml.models.signature", "infer_signature"),
        ("gitml.models.signature", "ModelSignature"),
        ("gitml.models.model", "Model"),
        ("gitml.types.schema", "ColSpec"),
    ],
)
def test_names_are_in_the_modules_where_mlflow_has_them(module: str, name: str):
    assert hasattr(importlib.import_module(module), name)


def test_what_a_model_needs_is_a_file(mlflow, coded: Path):
    assert Path(mlflow.pyfunc.get_model_dependencies("net@v1")).read_text() == "numpy\n"
    assert "numpy" in Path(mlflow.pyfunc.get_model_dependencies(coded / "saved", format="conda")).read_text()
    with pytest.raises(mlflow.GitmlError, match="no format 'npm'"):
        mlflow.pyfunc.get_model_dependencies("net@v1", format="npm")


def test_only_public_names_are_listed(mlflow):
    assert "infer_signature" in dir(mlflow.models)
    assert not {"Any", "TYPE_CHECKING", "annotations"} & set(dir(mlflow.models))
