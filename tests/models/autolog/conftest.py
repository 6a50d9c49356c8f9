"""Autologging that is off again after each test."""

from __future__ import annotations

import pytest


@pytest.fixture
def autolog(mlflow):
    """Switch scikit-learn's autologging on; models are kept only where a test wants them."""

    def switch(**options):
        mlflow.sklearn.autolog(**{"log_models": False, "log_datasets": False, **options})

    yield switch
    mlflow.autolog(disable=True)


@pytest.fixture
def runs(mlflow):
    """All runs so far, oldest first."""

    def find():
        return list(mlflow.search_runs(output_format="list"))[::-1]

    return find
