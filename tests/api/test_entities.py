"""Entities as MLflow's code handles them: as pairs, by their words and numbers."""

from __future__ import annotations

import pytest

from gitml import MlflowException
from gitml.entities import FileInfo, Metric, RunStatus, SourceType


def test_entities_are_names_and_values(mlflow):
    with mlflow.start_run(run_name="one") as active:
        mlflow.log_metric("m", 1)
    run = mlflow.get_run(active.run_id)
    assert dict(run.info) == run.info.to_dictionary()
    assert dict(run.data)["metrics"] == {"m": 1}
    assert dict(run) == {"info": run.info, "data": run.data, "inputs": run.inputs, "outputs": run.outputs}
    assert [name for name, _ in run.inputs] == ["dataset_inputs", "model_inputs"]
    assert dict(mlflow.get_experiment("0"))["name"] == "Default"
    assert dict(Metric("m", 1, 2, 3)) == {"key": "m", "value": 1, "timestamp": 2, "step": 3}
    assert dict(FileInfo("a", False, 1)) == {"path": "a", "is_dir": False, "file_size": 1}


def test_run_status():
    assert RunStatus.to_string(RunStatus.FINISHED) == "FINISHED"
    assert RunStatus.from_string("KILLED") is RunStatus.KILLED
    assert [RunStatus.is_terminated(status) for status in RunStatus.all_status()] == [
        False,
        False,
        True,
        True,
        True,
    ]
    with pytest.raises(MlflowException, match="status 'DONE' is unknown"):
        RunStatus.from_string("DONE")


def test_source_type():
    assert SourceType.to_string(SourceType.LOCAL) == "LOCAL"
    assert SourceType.from_string("PROJECT") == SourceType.PROJECT == 3
    for wrong in (lambda: SourceType.to_string(0), lambda: SourceType.from_string("CLOUD")):
        with pytest.raises(MlflowException, match="is unknown"):
            wrong()


def test_the_client_knows_its_repository(mlflow, git_repo):
    assert mlflow.MlflowClient().tracking_uri == mlflow.get_tracking_uri() == git_repo.as_uri()
