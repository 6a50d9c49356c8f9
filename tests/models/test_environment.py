"""`gitml models env`: what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

import gitml.pyfunc
from tests.conftest import Gitml
from tests.models.saved import QUICK


@pytest.mark.parametrize("manager", ["foo", "docker", "local"])
def test_a_manager_that_makes_no_environment_of_a_model(
    manager: str, gitml: Gitml, in_repo: Path, tmp_path: Path
) -> None:
    save(tmp_path / "model")
    done = gitml(in_repo, "models", "env", str(tmp_path / "model"), "--env-manager", manager, code=2)
    assert f"--env-manager '{manager}' can't make a model's environment" in done.stderr
    assert "one of uv, virtualenv, conda\n" in done.stderr


def save(folder: Path) -> None:
    gitml.pyfunc.save_model(folder, python_model=lambda model_input: model_input, **QUICK)
