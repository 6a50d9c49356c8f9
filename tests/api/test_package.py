"""The package itself: light to import, complete, and honest about its names."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gitml

SOURCE = Path(gitml.__file__).read_text()


def declared_for_type_checkers() -> set[str]:
    tree = ast.parse(SOURCE)
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.asname or alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module != "typing"
        for alias in node.names
    }


def test_all_public_names_load_and_are_known_to_type_checkers():
    loadable = {name for name in gitml.__all__ if name not in ("__version__", "VERSION", "strict")}
    assert declared_for_type_checkers() == loadable
    for name in loadable:
        assert getattr(gitml, name) is not None
    assert set(gitml.__all__) <= set(dir(gitml))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="set_prompt_alias"):
        _ = gitml.set_prompt_alias


MLFLOW_PLACES = """
import {first} as mlflow
{then}
assert mlflow.tracking.MlflowClient is mlflow.client.MlflowClient is mlflow.MlflowClient is mlflow.Client
assert mlflow.exceptions.MlflowException is mlflow.GitmlError
assert mlflow.tracking.get_tracking_uri is mlflow.get_tracking_uri
for name in mlflow.entities.__all__:
    assert getattr(mlflow.entities, name).__module__.startswith("gitml."), name
for name in ("Metric", "Param", "RunTag", "ViewType", "Run", "RunStatus", "Experiment", "FileInfo"):
    assert getattr(mlflow.entities, name) is getattr(mlflow, name), name
metric = mlflow.entities.Metric("loss", 0.5, 1, 0)
with mlflow.start_run() as run:
    mlflow.tracking.MlflowClient().log_batch(run.info.run_id, metrics=[metric])
assert mlflow.get_run(run.info.run_id).data.metrics == {{"loss": 0.5}}
try:
    mlflow.get_run("nope")
except mlflow.exceptions.MlflowException:
    pass
import gitml.entities.run, gitml.tracking.commit
assert gitml.entities.run.Run is not mlflow.entities.Run
from gitml.tracking import MlflowClient, commit
from gitml.client import MlflowClient
from gitml.entities import Metric, ViewType, run
from gitml.exceptions import MlflowException
for module in (mlflow.tracking, mlflow.entities, mlflow.client, mlflow.exceptions):
    assert not hasattr(module, "autolog")
print("fine")
"""


@pytest.mark.parametrize("then", ["", "mlflow.start_run(); mlflow.end_run(); mlflow.search_runs()"])
@pytest.mark.parametrize("first", ["gitml", "gitml.tracking.commit, gitml.entities.run, gitml"])
def test_names_are_where_mlflow_has_them(run_script, first, then):
    done = run_script(MLFLOW_PLACES.format(first=first, then=then))
    assert done.stdout == "fine\n"


MLFLOW_MODULES = """
import gitml.artifacts, gitml.data, gitml.version, gitml.utils.mlflow_tags
import gitml.tracking.client, gitml.tracking.fluent, gitml.entities.run_status
from gitml.artifacts import download_artifacts, list_artifacts, load_dict, load_image, load_text
from gitml.data import from_numpy, from_pandas
from gitml.data.numpy_dataset import NumpyDataset
from gitml.data.pandas_dataset import PandasDataset
import gitml as mlflow
assert mlflow.tracking.client.MlflowClient is mlflow.MlflowClient
for name in mlflow.tracking.fluent.__all__:
    assert getattr(mlflow.tracking.fluent, name) is getattr(mlflow, name), name
assert not hasattr(mlflow.tracking.fluent, "autolog")
assert not hasattr(mlflow.tracking.client, "autolog")
assert mlflow.entities.run_status.RunStatus is mlflow.RunStatus
assert mlflow.utils.mlflow_tags.MLFLOW_PARENT_RUN_ID == "mlflow.parentRunId"
assert mlflow.VERSION == mlflow.version.VERSION == mlflow.__version__
with mlflow.tracking.fluent.start_run() as run:
    mlflow.tracking.fluent.log_metric("m", 1)
    mlflow.log_text("x", "a.txt")
assert [file.path for file in list_artifacts(run_id=run.info.run_id)] == ["a.txt"]
assert mlflow.data.pandas_dataset.from_pandas is from_pandas is mlflow.data.from_pandas
print("fine")
"""


@pytest.mark.parametrize(
    "first", ["", "import gitml as m; m.tracking.fluent, m.utils.mlflow_tags, m.data, m.version\n"]
)
def test_modules_are_where_mlflow_has_them(run_script, first):
    assert run_script(first + MLFLOW_MODULES).stdout == "fine\n"


def test_import_loads_nothing_heavy():
    heavy = ["pandas", "numpy", "dulwich", "git", "yaml", "lark", "typing", "sqlite3", "rich", "typer"]
    code = f"import gitml, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True,
                          cwd=Path(gitml.__file__).parents[1])  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_strict_is_a_plain_attribute_of_the_module(mlflow):
    assert mlflow.strict is False
    mlflow.strict = True
    assert mlflow.strict is True
    with mlflow.start_run() as run:
        assert run.live.strict is True
        mlflow.strict = False
        assert run.live.strict is False


def test_strict_from_the_environment(run_script):
    assert run_script("import gitml; print(gitml.strict)", GITML_STRICT="1").stdout == "True\n"
    assert run_script("import gitml; print(gitml.strict)", GITML_STRICT="0").stdout == "False\n"


def test_outside_a_repository_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(gitml.MlflowException, match="is not in a git repository") as caught:
        gitml.Client(tmp_path)
    assert "gitml init" in caught.value.hint


@pytest.mark.parametrize("uri", ["http://localhost:5000", "sqlite:///mlflow.db", "databricks"])
def test_servers_are_refused_as_tracking_uri(mlflow, uri):
    with pytest.raises(gitml.MlflowException, match="there is no") as caught:
        mlflow.set_tracking_uri(uri)
    assert "path of a git repository" in caught.value.hint


def test_tracking_uri_round_trips(mlflow, git_repo):
    uri = mlflow.get_tracking_uri()
    assert uri == git_repo.as_uri()
    mlflow.set_tracking_uri(uri)
    assert mlflow.get_tracking_uri() == uri
    assert mlflow.is_tracking_uri_set()
