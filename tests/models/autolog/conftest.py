"""Autologging that is off again after each test."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.models.autolog.recorded import recorded
from tests.models.autolog.trainings import TRAININGS


@pytest.fixture
def autolog(mlflow):
    """Switch scikit-learn's autologging on; models are kept only where a test wants them."""

    def switch(**options):
        mlflow.sklearn.autolog(**{"log_models": False, "log_datasets": False, **options})

    yield switch
    mlflow.autolog(disable=True)


@pytest.fixture
def watch(mlflow, caplog):
    """Switch a framework's autologging on; a test that does not expect a warning of it fails by one.

    Warnings are errors there, which autologging tells to its logger instead of raising.
    """

    def switch(flavor: str, **options: Any) -> None:
        getattr(mlflow, flavor).autolog(**{"log_models": False, **options})

    yield switch
    mlflow.autolog(disable=True)
    told = [record.getMessage() for record in caplog.get_records("call") if record.name == "gitml.autolog"]
    assert told == []


@pytest.fixture
def runs(mlflow):
    """All runs so far, oldest first."""

    def find():
        return list(mlflow.search_runs(output_format="list"))[::-1]

    return find


@pytest.fixture
def beside_mlflow(mlflow, watch, runs, tmp_path: Path):
    """What gitml and MLflow record of the same trainings, neither keeping the models: a pair for each."""

    def compare(*names: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        peer = os.environ.get("PEER_MLFLOW_PYTHON", "")
        if not peer and "CI" not in os.environ:
            pytest.skip("PEER_MLFLOW_PYTHON names no interpreter with mlflow")
        assert peer, "PEER_MLFLOW_PYTHON names no interpreter with mlflow"
        ours = {}
        for name in names:
            flavor, train = TRAININGS[name]
            watch(flavor)
            train()
            ours[name] = recorded(mlflow.MlflowClient(), runs()[-1])
        assert len(runs()) == len(names)
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [peer, str(Path(__file__).parent / "mlflow_autolog.py"), *names, str(theirs)],
            cwd=theirs, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        said = json.loads(done.stdout.rpartition("ANSWER ")[2])
        return [(ours[name], said[name]) for name in names]

    return compare
