"""Autologging of statsmodels: regressions and time series, and that a training never notices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.models.autolog import behaviour
from tests.models.autolog.recorded import differing, recorded
from tests.models.autolog.trainings import labels, statsmodels_ols, table, values
from tests.needs import needed

sm = needed("statsmodels.api")
smf = needed("statsmodels.formula.api")
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300), behaviour.QUIET]


def small(**settings):
    return sm.OLS(values(), table()).fit(**settings)


def test_a_regression(mlflow, watch, runs):
    watch("statsmodels", log_models=True, log_input_examples=True)
    fitted = statsmodels_ols()
    (run,) = runs()
    found = recorded(mlflow.MlflowClient(), run)
    assert found["status"] == "FINISHED"
    assert run.data.params == {
        "cov_kwds": None, "cov_type": "HC1", "method": "pinv", "use_t": None,
    }  # fmt: skip
    assert run.data.metrics["rsquared"] == fitted.rsquared
    assert run.data.metrics["f_pvalue"] == fitted.f_pvalue
    assert run.data.metrics["condition_number"] == fitted.condition_number
    assert found["tags"]["estimator_name"] == "OLS"
    assert found["files"] == ["model", "model_summary.txt"]
    assert found["inputs"] == ["train"]
    client = mlflow.MlflowClient()
    summary = client.read_artifact(run.info.run_id, "model_summary.txt").decode()
    assert "OLS Regression Results" in summary

    data = sm.add_constant(table())
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model", trust=True)
    assert np.ravel(loaded.predict(data)) == pytest.approx(np.ravel(fitted.predict(data)))
    assert [column.name for column in loaded.signature.inputs] == ["const", "a", "b"]
    assert loaded.input_example.equals(data.head(5))
    native = mlflow.statsmodels.load_model(f"runs:/{run.info.run_id}/model", trust=True)
    assert native.params.to_dict() == fitted.params.to_dict()


def test_a_formula(mlflow, watch, runs):
    watch("statsmodels", log_models=True)
    data = table().assign(y=values(), kind=np.where(labels() == 1, "x", "y"))
    fitted = smf.ols("y ~ a + np.abs(b) + kind", data).fit()
    (run,) = runs()
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model", trust=True)
    assert {"a", "b", "kind"} <= {column.name for column in loaded.signature.inputs}
    assert np.ravel(loaded.predict(data)) == pytest.approx(fitted.predict(data).to_numpy())


def test_a_time_series(mlflow, watch, runs):
    from statsmodels.tsa.arima.model import ARIMA

    watch("statsmodels", log_models=True)
    series = pd.Series(values().cumsum(), pd.date_range("2026-01-01", periods=40))
    fitted = ARIMA(series, order=(1, 0, 0)).fit()
    (run,) = runs()
    found = recorded(mlflow.MlflowClient(), run)
    assert found["tags"]["estimator_name"] == "ARIMA"
    assert run.data.metrics["aic"] == fitted.aic
    native = mlflow.statsmodels.load_model(f"runs:/{run.info.run_id}/model", trust=True)
    assert native.forecast(3).tolist() == pytest.approx(fitted.forecast(3).tolist())


def test_models_of_other_kinds(watch, runs):
    watch("statsmodels")
    sm.GLM(labels(), table(), family=sm.families.Binomial()).fit(maxiter=3)
    sm.RLM(values(), table()).fit()
    sm.MixedLM(values(), table(), groups=np.arange(40) % 4).fit(reml=False)
    sm.GEE(values(), table(), groups=np.arange(40) % 4).fit()
    sm.tsa.SARIMAX(values(), order=(1, 0, 0)).fit(disp=False, maxiter=2)
    sm.tsa.ExponentialSmoothing(values() - values().min() + 1).fit()
    sm.tsa.VAR(np.stack([values(), table()["a"]], 1)).fit(1)
    sm.nonparametric.KDEUnivariate(values()).fit()  # no model of data and parameters
    found = runs()
    assert [run.data.tags["estimator_name"] for run in found] == [
        "GLM", "RLM", "MixedLM", "GEE", "SARIMAX", "ExponentialSmoothing", "VAR",
    ]  # fmt: skip
    assert {run.info.status for run in found} == {"FINISHED"}
    assert found[0].data.params["maxiter"] == 3
    assert all(
        "llf" in run.data.metrics for run in found if run.data.tags["estimator_name"] in {"GLM", "VAR"}
    )


def test_a_class_that_is_made_later(watch, runs):
    watch("statsmodels")

    class Mine(sm.OLS):
        def fit(self, extra=1, **kwargs):
            return super().fit(**kwargs)

    Mine(values(), table()).fit(extra=2)
    (run,) = runs()
    assert run.data.tags["estimator_name"] == "Mine"
    assert run.data.params["extra"] == 2


def test_the_run_that_is_active(mlflow, watch):
    watch("statsmodels")
    behaviour.uses_the_run_that_is_active(mlflow, small)


def test_off_by_one_call(mlflow, watch):
    del watch
    from statsmodels.base.model import LikelihoodModel, Model
    from statsmodels.regression.linear_model import RegressionModel

    replaced = [
        (Model, "fit"),
        (Model, "__init_subclass__"),
        (LikelihoodModel, "fit"),
        (RegressionModel, "fit"),
        (sm.GLM, "fit"),
    ]
    behaviour.is_off_by_one_call(mlflow, "statsmodels", small, replaced)


def test_a_training_that_raises(mlflow, watch):
    def train(error):
        class Raises(sm.OLS):
            def fit(self, method="pinv"):
                raise error

        Raises(values(), table()).fit()

    watch("statsmodels")
    behaviour.fails_as_ever(mlflow, train)


def test_no_failure_of_ours_reaches_a_training(mlflow, watch, in_repo: Path):
    expected = small().params
    watch("statsmodels", log_models=True)
    found = behaviour.survives_writes_that_fail(mlflow, small)
    assert found.params.equals(expected)
    found = behaviour.survives_without_a_repository(mlflow, in_repo, small)
    assert found.params.equals(expected)


def test_as_mlflow_logs_them(beside_mlflow):
    for ours, theirs in beside_mlflow("statsmodels-ols", "statsmodels-logit"):
        assert set(theirs["params"]) - set(ours["params"]) == {"kwargs"}  # none were given
        assert ours["params"].items() <= theirs["params"].items()
        assert set(ours["metrics"]) == set(theirs["metrics"])
        assert differing(ours["metrics"], theirs["metrics"]) == {}
        assert ours["files"] == theirs["files"]
        assert (ours["inputs"], theirs["inputs"]) == (["train"], [])
