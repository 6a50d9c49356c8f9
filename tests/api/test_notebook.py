"""What a notebook shows of a handle."""

from __future__ import annotations

import pickle

import pytest


@pytest.fixture
def trained(mlflow):
    """A run with two curves, a metric of one point and a name that Markdown would read as markup."""
    with mlflow.start_run(run_name="a*b*|<img>"):
        for step in range(5):
            mlflow.log_metrics({"loss": 1 / (step + 1), "acc": step / 5}, step=step)
        mlflow.log_metric("once", 1)
        mlflow.log_param("lr", 0.1)
    return mlflow.get_run("@")


def test_a_run_draws_the_curves_of_its_metrics(mlflow, trained):
    assert trained._repr_html_().count("<svg") == 2
    (found,) = mlflow.search_runs(output_format="list")
    assert found._repr_html_().count("<svg") == 2
    with mlflow.start_run() as live:
        for step in range(3):
            mlflow.log_metric("loss", step, step=step)
        assert live._repr_html_().count("<svg") == 1


def test_a_long_curve_is_not_waited_for(mlflow, trained, monkeypatch):
    monkeypatch.setattr("gitml.api.handles._MOST_POINTS", 7)
    assert trained._repr_html_().count("<svg") == 1


def test_a_handle_without_its_repository_still_draws_itself(trained):
    travelled = pickle.loads(pickle.dumps(trained))
    assert travelled == trained
    assert "loss" in travelled._repr_html_()


def test_markdown_of_runs_and_comparisons(mlflow, trained):
    with mlflow.start_run(run_name="other"):
        mlflow.log_metric("loss", 0.5)
        mlflow.log_param("lr", 0.2)
    other = mlflow.get_run("@")
    text = trained._repr_mimebundle_()["text/markdown"]
    assert r"| a\*b\*\|\<img\>" in text
    assert "| loss↓  |  0.2 |  0.2 |       4 |" in text
    lines = mlflow.search_runs(output_format="list")._repr_markdown_().splitlines()
    assert lines[2].startswith(f"| {other.info.run_id[:7]} | other ")
    assert len(lines) == 4
    text = mlflow.diff_runs(trained, other)._repr_markdown_()
    assert "| params  | lr   | 0.1" in text
    assert mlflow.diff_runs(other, other)._repr_markdown_() == "nothing differs\n"


def test_markdown_of_models(mlflow):
    client = mlflow.MlflowClient()
    with mlflow.start_run():
        mlflow.log_text("weights", "model/weights.txt")
        uri = mlflow.get_artifact_uri("model")
    client.create_registered_model("churn", description="who *leaves*")
    version = mlflow.register_model(uri, "churn")
    client.set_registered_model_alias("churn", "best", 1)
    assert r"who \*leaves\*" in client.get_registered_model("churn")._repr_markdown_()
    text = client.get_model_version("churn", 1)._repr_mimebundle_()["text/markdown"]
    assert "@best" in text
    assert version.run_id[:7] in text
