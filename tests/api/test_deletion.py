"""What was deleted can be read, not written to: runs, experiments, the runs of those."""

from __future__ import annotations

import pytest

from gitml import MlflowException, Param, RunTag, ViewType


@pytest.fixture
def deleted(mlflow) -> tuple[str, str]:
    """An experiment that was deleted with its run."""
    experiment_id = mlflow.create_experiment("old", tags={"team": "a"})
    with mlflow.start_run(experiment_id=experiment_id) as run:
        mlflow.set_tag("kept", "yes")
    mlflow.delete_experiment(experiment_id)
    return experiment_id, run.run_id


def test_the_runs_of_a_deleted_experiment_are_deleted(mlflow, deleted):
    experiment_id, run_id = deleted
    assert mlflow.get_run(run_id).info.lifecycle_stage == "deleted"
    (found,) = mlflow.Client().search_runs([experiment_id], run_view_type=ViewType.DELETED_ONLY)
    assert found == mlflow.get_run(run_id)
    mlflow.restore_experiment(experiment_id)
    assert mlflow.get_run(run_id).info.lifecycle_stage == "active"
    mlflow.log_metric("late", 1, run_id=run_id)
    assert mlflow.get_run(run_id).data.metrics == {"late": 1}


@pytest.mark.parametrize(
    "write",
    [
        lambda client, run_id: client.log_metric(run_id, "m", 1),
        lambda client, run_id: client.log_param(run_id, "p", 1),
        lambda client, run_id: client.set_tag(run_id, "t", 1),
        lambda client, run_id: client.delete_tag(run_id, "kept"),
        lambda client, run_id: client.update_run(run_id, name="other"),
        lambda client, run_id: client.set_terminated(run_id, "FAILED"),
        lambda client, run_id: client.log_batch(run_id, params=[Param("p", 1)], tags=[RunTag("t", "1")]),
    ],
)
def test_what_was_deleted_is_not_written_to(mlflow, deleted, write):
    client = mlflow.Client()
    with mlflow.start_run() as run:
        pass
    mlflow.delete_run(run.run_id)
    for run_id in (deleted[1], run.run_id):
        before = client.get_run(run_id)
        with pytest.raises(MlflowException, match="was deleted") as caught:
            write(client, run_id)
        assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
        assert client.get_run(run_id) == before


def test_no_run_begins_or_goes_on_in_a_deleted_experiment(mlflow, deleted):
    experiment_id, run_id = deleted
    for begin in (
        lambda: mlflow.start_run(run_id=run_id),
        lambda: mlflow.start_run(experiment_id=experiment_id),
        lambda: mlflow.Client().create_run(experiment_id),
        lambda: mlflow.set_experiment("old"),
        lambda: mlflow.set_experiment(experiment_id=experiment_id),
    ):
        with pytest.raises(MlflowException, match="experiment 'old' was deleted") as caught:
            begin()
        assert (caught.value.error_code, caught.value.exit_code) == ("INVALID_PARAMETER_VALUE", 4)
    assert mlflow.active_run() is None


def test_a_live_run_goes_on_to_its_end_when_its_experiment_is_deleted(mlflow):
    experiment_id = mlflow.create_experiment("short")
    with mlflow.start_run(experiment_id=experiment_id) as run:
        mlflow.delete_experiment(experiment_id)
        mlflow.log_metric("m", 1)
    found = mlflow.get_run(run.run_id)
    assert (found.info.status, found.info.lifecycle_stage, found.data.metrics) == (
        "FINISHED",
        "deleted",
        {"m": 1},
    )


def test_what_a_deleted_experiment_refuses(mlflow, deleted):
    experiment_id, _ = deleted
    client = mlflow.Client()
    for change, code in (
        (lambda: client.rename_experiment(experiment_id, "new"), "INVALID_STATE"),
        (lambda: client.set_experiment_tag(experiment_id, "team", "b"), "INVALID_PARAMETER_VALUE"),
        (lambda: client.delete_experiment_tag(experiment_id, "team"), "INVALID_PARAMETER_VALUE"),
        (lambda: client.delete_experiment(experiment_id), "RESOURCE_DOES_NOT_EXIST"),
    ):
        with pytest.raises(MlflowException) as caught:
            change()
        assert caught.value.error_code == code
    client.restore_experiment(experiment_id)
    with pytest.raises(MlflowException) as caught:
        client.restore_experiment(experiment_id)
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert client.get_experiment(experiment_id).tags == {"team": "a"}
