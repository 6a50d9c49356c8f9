"""`gitml import mlflow`, where mlflow is not: what can be said without it."""

from __future__ import annotations

import importlib.util
import sqlite3
import sys

import pytest


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is not None, reason="mlflow is here")
def test_a_python_without_mlflow(cli, tmp_path):
    sqlite3.connect(tmp_path / "mlflow.db").close()
    done = cli("import", "mlflow", f"sqlite:///{tmp_path}/mlflow.db", code=7)
    assert f"needs the package mlflow, which '{sys.executable}' can't import" in done.err
    assert "--python" in done.err


def test_no_database_is_made(cli, tmp_path):
    done = cli("import", "mlflow", f"sqlite:///{tmp_path}/none.db", code=3)
    assert "there is no database" in done.err
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["./mlruns"], 2, "gitml import mlruns ./mlruns"),
        (["http://127.0.0.1:9", "--python", "/none/python"], 3, "there is no Python '/none/python'"),
    ],
)
def test_wrong_words(cli, words, status, said):
    assert said in cli("import", "mlflow", *words, code=status).err


def test_a_python_that_dies(cli, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'no such luck' >&2\nexit 3\n")
    python.chmod(0o755)
    done = cli("import", "mlflow", "http://127.0.0.1:9", "--python", python, code=5)
    assert "no such luck" in done.err
