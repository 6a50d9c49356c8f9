"""Evaluations and autologging beside the real mlflow, which is in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]

SCRIPT = Path(__file__).parent / "mlflow_evaluate.py"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> dict[str, dict]:
    peer = os.environ.get("PEER_MLFLOW_PYTHON", "")
    if not peer and "CI" not in os.environ:
        pytest.skip("PEER_MLFLOW_PYTHON names no interpreter with mlflow")
    assert peer, "PEER_MLFLOW_PYTHON names no interpreter with mlflow"
    return {
        "mlflow": say(peer, "mlflow", tmp_path_factory.mktemp("mlflow"), {}),
        "gitml": say(sys.executable, "gitml", repository(tmp_path_factory), {"PYTHONPATH": str(ROOT)}),
    }


def repository(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("gitml")
    for command in (
        ("init", "--quiet"),
        ("config", "user.name", "A"),
        ("config", "user.email", "a@example.org"),
        ("commit", "--quiet", "--allow-empty", "--message", "x"),
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def say(python: str, name: str, folder: Path, environment: dict[str, str]) -> dict:
    done = subprocess.run(
        [python, str(SCRIPT), name, "said.json"],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "said.json").read_text())


def test_evaluations(said):
    ours, theirs = said["gitml"]["evaluations"], said["mlflow"]["evaluations"]
    assert ours.keys() == theirs.keys()
    for name, their in theirs.items():
        our = ours[name]
        assert our["metrics"] == pytest.approx(their["metrics"]), name
        more = {"predicted_and_true_plot", "residuals_plot"} if "numbers" in name else set()
        assert set(our["artifacts"]) == set(their["artifacts"]) | more, name
        for column, values in (their["report"] or {}).items():
            assert our["report"][column] == pytest.approx(values), (name, column)


def test_autologging(said):
    ours, theirs = said["gitml"]["trainings"], said["mlflow"]["trainings"]
    for name, their in theirs.items():
        our = ours[name]
        assert our["metrics"] == pytest.approx(their["metrics"]), name
        assert set(our["files"]) == set(their["files"]) - {"metric_info.json"}, name
        for said_of in ("params", "tags", "tries", "names of tries"):
            assert our[said_of] == their[said_of], (name, said_of)
