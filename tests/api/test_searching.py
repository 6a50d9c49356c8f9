"""Finding runs and experiments, as handles and as DataFrames."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from gitml import MlflowException, ViewType


def record(mlflow, name, **facts):
    with mlflow.start_run(run_name=name, tags=facts.get("tags")) as run:
        mlflow.log_params(facts.get("params", {}))
        mlflow.log_metrics(facts.get("metrics", {}))
    return run.run_id


def test_columns_are_mlflows(mlflow):
    record(mlflow, "a", params={"lr": 0.1, "net": "mlp"}, metrics={"acc": 0.5}, tags={"team": "blue"})
    record(mlflow, "b", params={"lr": 0.2}, metrics={"acc": math.nan, "loss": 3})
    frame = mlflow.search_runs()
    assert list(frame.columns[:6]) == [
        "run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time",
    ]  # fmt: skip
    assert {
        "metrics.acc",
        "metrics.loss",
        "params.lr",
        "params.net",
        "tags.team",
        "tags.mlflow.runName",
    } <= set(frame)
    assert frame["tags.mlflow.runName"].tolist() == ["b", "a"]
    assert frame["status"].tolist() == ["FINISHED", "FINISHED"]
    assert str(frame["start_time"].dt.tz) == str(frame["end_time"].dt.tz) == "UTC"
    assert frame["metrics.acc"].dtype == frame["metrics.loss"].dtype == np.float64
    assert frame["params.lr"].tolist() == [0.2, 0.1]
    assert frame["params.net"].tolist() == [None, "mlp"]
    assert frame["artifact_uri"].str.startswith("runs:/").all()


def test_frame_and_list_agree_on_the_tags_that_gitml_makes(mlflow, in_repo, git, gitml):
    git(in_repo, "remote", "add", "origin", "https://user:secret@git.example.org/ada/churn.git")
    gitml(in_repo, "run", "--name", "wrapped", "--note", "a note", "python3", "train.py", "--lr", "0.1")
    record(mlflow, "from-python", tags={"team": "blue"})
    frame = mlflow.search_runs()
    for run in mlflow.search_runs(output_format="list"):
        row = frame[frame["run_id"] == run.info.run_id].iloc[0]
        in_frame = {
            name.removeprefix("tags."): row[name]
            for name in frame
            if name.startswith("tags.") and not pd.isna(row[name])
        }
        assert in_frame == run.data.tags
    assert "train.py" in frame["tags.mlflow.source.name"].tolist()
    assert set(frame["tags.mlflow.source.git.repoURL"].dropna()) == {"https://git.example.org/ada/churn.git"}


def test_an_empty_answer_has_the_fixed_columns(mlflow):
    frame = mlflow.search_runs()
    assert isinstance(frame, pd.DataFrame)
    assert frame.empty
    assert "run_id" in frame.columns


def test_large_integers_are_exact_in_frames(mlflow):
    record(mlflow, "a", params={"seed": 2**53 + 1}, metrics={"n": 2**53 + 1})
    record(mlflow, "b")
    frame = mlflow.search_runs()
    assert frame["params.seed"].tolist() == [None, 2**53 + 1]
    assert frame["metrics.n"].tolist()[1] == 2**53 + 1


def test_filters_orders_and_limits(mlflow):
    for number in range(6):
        record(mlflow, f"r{number}", metrics={"acc": number / 10}, params={"depth": number})
    found = mlflow.search_runs(
        filter_string="metrics.acc > 0.1 and params.depth < 5",
        order_by=["metrics.acc DESC"],
        max_results=2,
        output_format="list",
    )
    assert [run.info.run_name for run in found] == ["r4", "r3"]
    assert found.to_pandas()["metrics.acc"].tolist() == [0.4, 0.3]
    with pytest.raises(MlflowException, match="can't be read"):
        mlflow.search_runs(filter_string="metrics.acc >")
    with pytest.raises(MlflowException, match="output_format"):
        mlflow.search_runs(output_format="dict")


def test_pages(mlflow):
    ids = [record(mlflow, f"r{number}") for number in range(5)]
    client = mlflow.MlflowClient()
    seen, token = [], None
    while True:
        page = client.search_runs(["0"], max_results=2, page_token=token)
        seen += [run.info.run_id for run in page]
        token = page.token
        if token is None:
            break
    assert seen == ids[::-1]
    with pytest.raises(MlflowException, match="page token"):
        client.search_runs(["0"], page_token="garbage")
    with pytest.raises(MlflowException, match="positive"):
        client.search_runs(["0"], max_results=0)


def test_live_runs_are_found(mlflow):
    with mlflow.start_run() as run:
        mlflow.log_metric("m", 1)
        (found,) = mlflow.search_runs(filter_string="metrics.m = 1", output_format="list")
        assert (found.info.run_id, found.info.status, found.info.end_time) == (run.run_id, "RUNNING", None)
        assert pd.isna(mlflow.search_runs()["end_time"][0])


def test_deleted_and_restored_runs(mlflow):
    run_id = record(mlflow, "a")
    mlflow.delete_run(run_id)
    assert mlflow.get_run(run_id).info.lifecycle_stage == "deleted"
    assert mlflow.search_runs(output_format="list") == []
    assert len(mlflow.search_runs(run_view_type=ViewType.DELETED_ONLY, output_format="list")) == 1
    assert len(mlflow.search_runs(run_view_type=ViewType.ALL, output_format="list")) == 1
    mlflow.restore_run(run_id)
    assert len(mlflow.search_runs(output_format="list")) == 1


def test_runs_are_found_by_any_name(mlflow):
    first = record(mlflow, "first", metrics={"acc": 0.9})
    second = record(mlflow, "second", metrics={"acc": 0.1})
    assert mlflow.get_run("@").info.run_id == second
    assert mlflow.get_run("@~1").info.run_id == first
    assert mlflow.get_run("@{best:acc}").info.run_id == first
    assert mlflow.get_run("first").info.run_id == first
    assert mlflow.get_run(second[:10]).info.run_id == second


def test_experiments(mlflow):
    experiment = mlflow.set_experiment("churn")
    assert mlflow.get_experiment_by_name("churn") == experiment
    assert mlflow.get_experiment(experiment.experiment_id).name == "churn"
    assert mlflow.set_experiment(experiment_id=experiment.experiment_id) == experiment
    run_id = record(mlflow, "a")
    assert mlflow.get_run(run_id).info.experiment_id == experiment.experiment_id
    mlflow.set_experiment_tags({"team": "blue", "n": 1})
    mlflow.set_experiment_tag("gone", 1)
    mlflow.delete_experiment_tag("gone")
    assert mlflow.get_experiment(experiment.experiment_id).tags == {"team": "blue", "n": "1"}
    other = mlflow.create_experiment("other", tags={"team": "red"})
    assert [found.name for found in mlflow.search_experiments(filter_string="tags.team = 'red'")] == ["other"]
    assert {found.name for found in mlflow.search_experiments()} == {"Default", "churn", "other"}
    with mlflow.start_run(experiment_id=other):
        pass
    assert len(mlflow.search_runs(output_format="list")) == 1
    assert len(mlflow.search_runs(search_all_experiments=True, output_format="list")) == 2
    assert len(mlflow.search_runs(experiment_names=["other"], output_format="list")) == 1
    assert len(mlflow.search_runs([other, experiment.experiment_id], output_format="list")) == 2
    with pytest.warns(UserWarning, match="no experiment 'nope'"):
        assert mlflow.search_runs(experiment_names=["nope"], output_format="list") == []


def test_experiments_renamed_deleted_restored(mlflow):
    experiment_id = mlflow.create_experiment("old")
    with pytest.raises(MlflowException, match="already"):
        mlflow.create_experiment("old")
    mlflow.rename_experiment(experiment_id, "new")
    assert mlflow.get_experiment(experiment_id).name == "new"
    assert mlflow.get_experiment_by_name("old") is None
    with mlflow.start_run(experiment_id=experiment_id) as run:
        run_id = run.run_id
    assert len(mlflow.search_runs(experiment_names=["new"], output_format="list")) == 1
    mlflow.delete_experiment(experiment_id)
    assert mlflow.get_experiment(experiment_id).lifecycle_stage == "deleted"
    assert mlflow.search_runs(experiment_names=["new"], output_format="list") == []
    assert mlflow.search_runs([experiment_id], output_format="list") == []
    everything = mlflow.search_runs(
        experiment_names=["new"], run_view_type=ViewType.ALL, output_format="list"
    )
    assert [run.info.run_id for run in everything] == [run_id]
    assert "new" not in {found.name for found in mlflow.search_experiments()}
    assert [found.name for found in mlflow.search_experiments(ViewType.DELETED_ONLY)] == ["new"]
    with pytest.raises(MlflowException, match="deleted"):
        mlflow.set_experiment("new")
    with pytest.raises(MlflowException, match="deleted"):
        mlflow.start_run(experiment_id=experiment_id)
    mlflow.restore_experiment(experiment_id)
    assert mlflow.set_experiment("new").experiment_id == experiment_id
    assert len(mlflow.search_runs(experiment_names=["new"], output_format="list")) == 1
    with pytest.raises(MlflowException, match="no experiment of the id 'nope'"):
        mlflow.get_experiment("nope")


def test_experiment_filters_orders_and_pages(mlflow):
    for name in ("alpha", "beta", "gamma"):
        mlflow.create_experiment(name)
    client = mlflow.MlflowClient()

    def names(**options):
        return [found.name for found in client.search_experiments(**options)]

    assert names(filter_string="name LIKE '%a' AND name != 'beta'", order_by=["name"]) == ["alpha", "gamma"]
    assert names(filter_string="name ILIKE 'ALPHA' OR name IN ('beta')", order_by=["name DESC"]) == [
        "beta",
        "alpha",
    ]
    assert names(filter_string="NOT (creation_time > 0)") == ["Default"]
    assert names(filter_string="tags.x IS NULL AND attributes.name = 'beta'") == ["beta"]
    page = client.search_experiments(max_results=3, order_by=["name ASC"])
    assert [found.name for found in page] == ["Default", "alpha", "beta"]
    assert names(max_results=3, order_by=["name ASC"], page_token=page.token) == ["gamma"]
    with pytest.raises(MlflowException, match="experiments have no 'metrics.x'"):
        names(filter_string="metrics.x = 1")
    with pytest.raises(MlflowException, match="expected a number"):
        names(filter_string="creation_time > 'x'")


def test_the_experiment_from_the_environment(mlflow, run_script):
    run_script("import gitml; gitml.log_metric('m', 1)", MLFLOW_EXPERIMENT_NAME="from-env")
    assert len(mlflow.search_runs(experiment_names=["from-env"], output_format="list")) == 1
    experiment = mlflow.set_experiment("inherited")
    run_script("import gitml; gitml.log_metric('m', 1)")
    run_script(
        "import gitml; gitml.log_metric('m', 1)",
        GITML_EXPERIMENT="",
        MLFLOW_EXPERIMENT_ID=experiment.experiment_id,
    )
    assert len(mlflow.search_runs(output_format="list")) == 2


def test_handles_draw_themselves(mlflow):
    record(mlflow, "<b>bold</b>", metrics={"acc": 0.5})
    runs = mlflow.search_runs(output_format="list")
    for thing in (runs, runs[0]):
        html = thing._repr_html_()
        assert "<b>bold" not in html
        assert "bold" in html
        assert set(thing._repr_mimebundle_()) == {"text/plain", "text/html", "text/markdown"}
    assert "finished" in repr(runs[0])


def test_nothing_is_found_where_nothing_is_wanted(mlflow):
    with mlflow.start_run():
        pass
    assert mlflow.search_runs(max_results=0, output_format="list") == []
    frame = mlflow.search_runs(max_results=0)
    assert (len(frame), list(frame.columns[:2])) == (0, ["run_id", "experiment_id"])
    assert mlflow.search_experiments(max_results=0) == []
    with pytest.raises(mlflow.MlflowException, match="positive integer"):
        mlflow.Client().search_runs(["0"], max_results=0)
