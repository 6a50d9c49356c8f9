"""Runs compared from Python, as a notebook shows it."""

from __future__ import annotations

import json

import pytest


def test_a_comparison_draws_itself_and_turns_into_data(mlflow):
    for rate in (0.1, 0.2):
        with mlflow.start_run(run_name=f"rate-{rate}"):
            mlflow.log_params({"lr": rate, "note": "<b>"})
            mlflow.log_metric("loss", 1 - rate)
    diff = mlflow.diff_runs("@~1", mlflow.get_run("rate-0.2"))
    assert "0.1  →  0.2" in str(diff)
    assert repr(diff) == "<Diff of 'rate-0.1', 'rate-0.2'>"
    page = diff._repr_mimebundle_()["text/html"]
    assert "<script" not in page
    assert "<b>" not in page.replace("<b>rate", "")
    assert "lr" in page
    document = json.dumps(diff.to_dictionary())
    assert "lr" in document
    assert "note" not in json.dumps(diff.to_dictionary().get("params", {}))
    with pytest.raises(mlflow.MlflowException, match="two runs"):
        mlflow.diff_runs("@")
