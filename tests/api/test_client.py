"""The client: any repository, any run by its id, no globals."""

from __future__ import annotations

import copy
import pickle
import shutil
from pathlib import Path

import pytest

import gitml
from gitml import Client, Metric, MlflowException, Param, RunTag


@pytest.fixture
def client(git_repo):
    client = Client(git_repo)
    yield client
    client.close()


def records(git, folder: Path) -> int:
    return int(git(folder, "rev-list", "--count", "gitml/runs").strip())


def test_a_whole_run(client, git_repo, tmp_path):
    experiment_id = client.create_experiment("churn")
    run = client.create_run(experiment_id, tags={"k": "v", "mlflow.note.content": "why"}, run_name="by hand")
    run_id = run.info.run_id
    assert (run.info.status, run.info.run_name) == ("RUNNING", "by hand")
    client.log_metric(run_id, "m", 1.5, timestamp=5, step=2)
    assert client.log_param(run_id, "p", 1) == 1
    client.log_batch(run_id, [Metric("m", 2.5, 6, 3)], [Param("q", "x")], [RunTag("t", "u")])
    client.log_text(run_id, "hello", "a/b.txt")
    client.set_tag(run_id, "late", True)
    client.delete_tag(run_id, "k")
    client.update_run(run_id, name="renamed")
    client.set_terminated(run_id, "FAILED", end_time=run.info.start_time + 5000)
    found = client.get_run(run_id)
    assert (found.info.status, found.info.run_name) == ("FAILED", "renamed")
    assert found.info.end_time == run.info.start_time + 5000
    assert found.data.params == {"p": 1, "q": "x"}
    assert found.data.tags["t"] == "u"
    assert found.data.tags["late"] == "True"
    assert found.data.tags["mlflow.note.content"] == "why"
    assert "k" not in found.data.tags
    assert client.get_metric_history(run_id, "m") == [Metric("m", 1.5, 5, 2), Metric("m", 2.5, 6, 3)]
    assert client.get_metric_frame(run_id, "m")["value"].tolist() == [1.5, 2.5]
    assert Path(client.download_artifacts(run_id, "a/b.txt", tmp_path)).read_text() == "hello"


def test_late_words_are_one_more_record(client, git, git_repo):
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "m", 1)
    client.set_terminated(run_id, "FAILED")
    before, ended = records(git, git_repo), client.get_run(run_id).info
    for value in range(100):
        client.log_metric(run_id, "late", value)
    client.log_param(run_id, "late", True)
    client.log_text(run_id, "x", "late.txt")
    assert client.get_run(run_id).info == ended
    assert client.get_run(run_id).data.metrics == {"m": 1, "late": 99}
    client.flush()
    assert records(git, git_repo) == before + 1
    found = client.get_run(run_id)
    assert found.info == ended
    assert found.data.params == {"late": True}
    assert [p.value for p in client.get_metric_history(run_id, "late")] == list(range(100))
    client.flush()
    assert records(git, git_repo) == before + 1


def test_late_words_are_recorded_at_the_end_of_the_process(client, run_script):
    run_id = client.create_run("0").info.run_id
    client.set_terminated(run_id)
    run_script(f"import gitml; gitml.Client('.').log_metric('{run_id}', 'late', 1)")
    run = client.get_run(run_id)
    assert (run.info.status, run.data.metrics, run.entity.live) == ("FINISHED", {"late": 1}, False)


def test_late_words_survive_a_kill(client, run_script):
    run_id = client.create_run("0").info.run_id
    client.set_terminated(run_id)
    run_script(
        f"""
        import os, gitml
        gitml.Client('.').log_metric('{run_id}', 'late', 1)
        os.kill(os.getpid(), 9)
        """,
        code=None,
    )
    (run,) = client.search_runs(["0"])
    assert (run.info.status, run.data.metrics, run.entity.live) == ("FINISHED", {"late": 1}, False)


def test_many_ended_runs_do_not_exhaust_files(client):
    ids = []
    for _ in range(40):
        ids.append(client.create_run("0").info.run_id)
        client.set_terminated(ids[-1])
    for run_id in ids:
        client.log_metric(run_id, "late", 1)
    client.flush()
    assert all(client.get_run(run_id).data.metrics == {"late": 1} for run_id in ids)


def test_tags_and_notes_of_ended_runs(client, git, git_repo):
    run_id = client.create_run("0").info.run_id
    client.set_terminated(run_id)
    client.set_tag(run_id, "k", 1)
    client.set_tags(run_id, {"mlflow.note.content": "seen", "mlflow.runName": "renamed"})
    run = client.get_run(run_id)
    assert run.data.tags["k"] == "1"
    assert (run.info.run_name, run.entity.note) == ("renamed", "seen")
    client.delete_tag(run_id, "k")
    client.delete_tag(run_id, "mlflow.note.content")
    tags = client.get_run(run_id).data.tags
    assert "k" not in tags
    assert "mlflow.note.content" not in tags
    with pytest.raises(MlflowException, match="has no tag 'k'"):
        client.delete_tag(run_id, "k")
    with pytest.raises(MlflowException, match="can't become part"):
        client.set_tag(run_id, "mlflow.parentRunId", "abc123")


def test_another_process_owns_the_run(client, run_script):
    """Writing to somebody's live run joins it; ending it leaves that to the owner."""
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "m", 1)
    run_script(
        f"""
        import gitml
        client = gitml.Client(".")
        client.log_metric("{run_id}", "m", 2)
        client.set_tag("{run_id}", "k", "v")
        client.set_terminated("{run_id}", "FAILED")
        """
    )
    client.log_metric(run_id, "m", 3)
    assert [p.value for p in client.get_metric_history(run_id, "m")] == [1, 2, 3]
    client.set_terminated(run_id)
    run = client.get_run(run_id)
    assert (run.info.status, run.data.tags["k"]) == ("FINISHED", "v")


def test_a_run_handed_from_process_to_process(client, run_script):
    made = run_script("import gitml; print(gitml.Client('.').create_run('0').info.run_id)")
    run_id = made.stdout.strip()
    run_script(f"import gitml; gitml.Client('.').log_metric('{run_id}', 'm', 1)")
    client.log_metric(run_id, "m", 2)
    client.set_terminated(run_id)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert [p.value for p in client.get_metric_history(run_id, "m")] == [1, 2]


def test_two_repositories_at_once(client, git_repo, tmp_path):
    other_path = tmp_path / "other"
    shutil.copytree(git_repo, other_path)
    other = Client(tracking_uri=other_path.as_uri())
    run_id = other.create_run("0").info.run_id
    other.set_terminated(run_id)
    with pytest.raises(MlflowException, match="there is no run"):
        client.get_run(run_id)
    assert other.get_run(run_id).info.status == "FINISHED"
    other.close()


def test_set_tracking_uri_keeps_active_runs(mlflow, git_repo, tmp_path):
    other_path = tmp_path / "other"
    shutil.copytree(git_repo, other_path)
    with mlflow.start_run() as run:
        mlflow.set_tracking_uri(other_path)
        mlflow.log_metric("m", 1)
    assert run.info.status == "FINISHED"
    assert mlflow.search_runs(output_format="list") == []
    assert Client(git_repo).get_run(run.run_id).data.metrics == {"m": 1}


def test_statuses(client):
    run_id = client.create_run("0", start_time=1_700_000_000_000).info.run_id
    assert client.get_run(run_id).info.start_time == 1_700_000_000_000
    client.update_run(run_id, "SCHEDULED")
    assert client.get_run(run_id).info.status == "SCHEDULED"
    client.update_run(run_id, "FINISHED")
    assert client.get_run(run_id).info.status == "FINISHED"
    client.set_terminated(run_id, "KILLED")
    assert client.get_run(run_id).info.status == "KILLED"
    client.set_terminated(run_id, 3)
    assert client.get_run(run_id).info.status == "FINISHED"
    with pytest.raises(MlflowException, match="unknown"):
        client.set_terminated(run_id, "DONE")
    with pytest.raises(MlflowException):
        client.set_terminated("nope")


def test_deleting_a_live_run_is_refused(client):
    run_id = client.create_run("0").info.run_id
    with pytest.raises(MlflowException, match="live"):
        client.delete_run(run_id)


def test_artifact_location_is_said_to_be_ignored(client):
    with pytest.warns(UserWarning, match="artifact_location is ignored"):
        client.create_experiment("e", artifact_location="s3://bucket")


def test_gitml_is_exported_under_both_names():
    assert gitml.MlflowClient is gitml.Client


def test_a_client_travels_to_other_processes(client, git_repo, tmp_path, monkeypatch):
    run_id = client.create_run("0").info.run_id
    client.strict = True
    monkeypatch.chdir(tmp_path)
    for other in (pickle.loads(pickle.dumps(client)), copy.deepcopy(client)):
        assert type(other) is Client
        assert (other.tracking_uri, other.strict) == (git_repo.as_uri(), True)
        other.log_metric(run_id, "m", 1)
        other.close()
    client.set_terminated(run_id)
    assert len(client.get_metric_history(run_id, "m")) == 2


def test_calls_that_need_not_wait_give_what_can_be_waited_for(client):
    run_id = client.create_run("0").info.run_id
    client.log_param(run_id, "p", 1, synchronous=False).wait()
    client.log_metric(run_id, "m", 1, synchronous=False).wait()
    client.log_batch(run_id, params=[Param("q", 1)], synchronous=False).wait()
    client.set_tag(run_id, "t", "v", synchronous=False).wait()
    assert client.set_tag(run_id, "t", "v") is None
    client.set_terminated(run_id)
    assert client.get_run(run_id).data.params == {"p": 1, "q": 1}


def test_tags_that_stand_for_facts(client):
    run_id = client.create_run("0", run_name="kept").info.run_id
    client.set_terminated(run_id)
    client.delete_tag(run_id, "mlflow.runName")  # MLflow takes the tag away and leaves the name
    assert client.get_run(run_id).info.run_name == "kept"
    with pytest.raises(MlflowException, match="stands for what gitml recorded itself"):
        client.delete_tag(run_id, "mlflow.user")


def test_a_name_becomes_text(client):
    run_id = client.create_run("0", run_name=5).info.run_id
    client.set_terminated(run_id)
    assert client.get_run(run_id).info.run_name == "5"
    client.update_run(run_id, name=6)
    assert client.get_run(run_id).info.run_name == "6"
