"""What is logged is there afterwards, as it was."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitml import Metric, MlflowException, Param, RunTag


def test_a_run_has_what_was_logged(mlflow):
    with mlflow.start_run(run_name="first", tags={"team": "blue", "n": 3}, description="why") as run:
        mlflow.log_param("lr", 0.1)
        mlflow.log_params({"layers": [64, 32], "opt": {"name": "adam", "amsgrad": False}, "none": None})
        mlflow.log_metric("loss", 0.5)
        mlflow.log_metrics({"acc": 0.9, "f1": 1}, step=7)
        mlflow.set_tags({"stage": "dev", "gone": "x"})
        mlflow.delete_tag("gone")
    found = mlflow.get_run(run.info.run_id)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "first"
    assert found.info.end_time >= found.info.start_time > 1_600_000_000_000
    assert found.data.params == {
        "lr": 0.1, "layers": [64, 32], "opt.name": "adam", "opt.amsgrad": False, "none": None,
    }  # fmt: skip
    assert found.data.metrics == {"loss": 0.5, "acc": 0.9, "f1": 1}
    tags = found.data.tags
    assert (tags["team"], tags["n"], tags["stage"]) == ("blue", "3", "dev")
    assert "gone" not in tags
    assert tags["mlflow.runName"] == "first"
    assert tags["mlflow.note.content"] == "why"
    assert len(tags["mlflow.source.git.commit"]) == 40
    assert found.to_dictionary()["data"]["params"]["lr"] == 0.1


def test_params_keep_their_types(mlflow):
    values = {
        "i": 2**63 - 1,
        "f": 1e-300,
        "t": True,
        "s": "007",
        "n": None,
        "l": [1, 2.5, "x", None],
        "e": "null",
    }
    with mlflow.start_run() as run:
        assert mlflow.log_param("x", np.float64(0.25)) == 0.25
        mlflow.log_params(values)
    params = mlflow.get_run(run.run_id).data.params
    assert params == {"x": 0.25, **values}
    assert [type(v) for v in params.values()] == [float, *(type(v) for v in values.values())]


def test_a_param_is_set_once(mlflow):
    with mlflow.start_run() as run:
        mlflow.log_param("lr", 0.1)
        mlflow.log_param("lr", 0.1)
        with pytest.raises(MlflowException, match=r"param 'lr' is 0.1 already and can't become 0.2"):
            mlflow.log_param("lr", 0.2)
        with pytest.raises(MlflowException):
            mlflow.log_params({"new": 1, "lr": 0.3})
    assert mlflow.get_run(run.run_id).data.params == {"lr": 0.1}


@pytest.mark.parametrize(
    "log",
    [
        lambda mlflow: mlflow.log_params({"a": {"b": 1}, "a.b": 2}),
        lambda mlflow: mlflow.log_batch(params=[Param("new", 0), Param("a", "1"), Param("a", "2")]),
        lambda mlflow: mlflow.log_batch(
            params=[Param("a", {"b": 1}), Param("a.b", 2)], metrics=[Metric("m", 1, 1)]
        ),
    ],
)
def test_a_param_given_twice_with_two_values_is_refused(mlflow, log):
    with mlflow.start_run() as run:
        with pytest.raises(MlflowException, match="it is given twice, as '?1'? and as '?2'?") as caught:
            log(mlflow)
        assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
        mlflow.log_batch(params=[Param("same", 1), Param("same", 1)])
    data = mlflow.get_run(run.run_id).data
    assert (data.params, data.metrics) == ({"same": 1}, {})


@pytest.mark.parametrize(
    "log",
    [
        lambda mlflow: mlflow.log_metrics({"b": 2.0, "a": "x"}),
        lambda mlflow: mlflow.log_metrics({"b": 2.0, "": 1}),
        lambda mlflow: mlflow.log_metrics({"b": 2.0, "a": 1}, step="two"),
        lambda mlflow: mlflow.log_batch(
            [Metric("b", 1, 1), Metric("a", "x", 1)], [Param("p", 1)], [RunTag("t", "v")]
        ),
        lambda mlflow: mlflow.log_batch([Metric("b", 1, 1), Metric("a", 1, 1, "x")], [Param("p", 1)]),
        lambda mlflow: mlflow.log_batch(
            [Metric("b", 1, 1)], [Param("p", 1)], [RunTag("t", "v"), RunTag("", "v")]
        ),
        lambda mlflow: mlflow.log_batch([Metric("b", 1, 1)], [Param("p", 1), Param("", 1)]),
        lambda mlflow: mlflow.log_batch([Metric("b", 1, 1)], tags=[RunTag("mlflow.runName", "")]),
        lambda mlflow: mlflow.set_tags({"t": "v", "mlflow.runName": ""}),
    ],
)
def test_a_wrong_item_keeps_the_whole_batch_out(mlflow, log):
    with mlflow.start_run() as run, pytest.raises((MlflowException, ValueError)):
        log(mlflow)
    data = mlflow.get_run(run.run_id).data
    assert (data.metrics, data.params, data.tags.get("t")) == ({}, {}, None)


def test_steps_count_up_by_themselves(mlflow):
    with mlflow.start_run() as run:
        for value in (3.0, 2.0):
            mlflow.log_metric("loss", value)
        mlflow.log_metric("loss", 1.0, step=10)
        mlflow.log_metric("loss", 0.5)
    history = mlflow.get_metric_history(run.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(0, 3.0), (1, 2.0), (10, 1.0), (11, 0.5)]


def test_timestamps_and_steps_are_kept(mlflow):
    with mlflow.start_run() as run:
        mlflow.log_metric("m", 1.5, step=-3, timestamp=1_700_000_000_123)
        mlflow.log_metrics({"m": 2.5}, step=4, timestamp=1_700_000_000_124)
    assert mlflow.MlflowClient().get_metric_history(run.run_id, "m") == [
        Metric("m", 1.5, 1_700_000_000_123, -3),
        Metric("m", 2.5, 1_700_000_000_124, 4),
    ]


def test_a_step_that_is_cut_is_told_once_a_run_for_each_metric(mlflow):
    import numpy as np

    with mlflow.start_run() as run:
        with pytest.warns(UserWarning, match="'a'.* 1.5 is recorded as 1") as told:
            for step in (1.5, 2.5, 3):
                mlflow.log_metric("a", 0.0, step=step)
        assert [warning.filename for warning in told] == [__file__]
        with pytest.warns(UserWarning, match="'b'") as told:
            mlflow.log_metrics({"a": 0.0, "b": 0.0}, step=np.float32(4.25))
        assert [warning.filename for warning in told] == [__file__]
        with pytest.warns(UserWarning, match="'c'") as told:
            mlflow.MlflowClient().log_batch(run.run_id, [Metric("c", 0.0, 1, step) for step in (5.5, 6.5)])
        assert len(told) == 1
        for whole in (7.0, np.int64(8), np.float64(9.0), "10", True):
            mlflow.log_metric("d", 0.0, step=whole)
    steps = {key: [point.step for point in mlflow.get_metric_history(run.run_id, key)] for key in "abcd"}
    assert steps == {"a": [1, 2, 3, 4], "b": [4], "c": [5, 6], "d": [7, 8, 9, 10, 1]}


def test_batches(mlflow):
    with mlflow.start_run() as run:
        mlflow.log_batch(
            metrics=[
                Metric("m", value, 1_700_000_000_000 + step, step) for step, value in enumerate((1, 2, 3))
            ],
            params=[Param("p", 1)],
            tags=[RunTag("t", "v"), RunTag("mlflow.runName", "renamed")],
        )
    found = mlflow.get_run(run.run_id)
    assert (found.data.metrics, found.data.params, found.data.tags["t"]) == ({"m": 3}, {"p": 1}, "v")
    assert found.info.run_name == "renamed"


@settings(max_examples=25)
@given(values=st.lists(st.one_of(st.floats(), st.integers(-(2**63), 2**64)), min_size=1, max_size=8))
def test_numbers_round_trip_exactly(mlflow, values):
    with mlflow.start_run() as run:
        for value in values:
            mlflow.log_metric("m", value)
    back = [point.value for point in mlflow.get_metric_history(run.run_id, "m")]
    assert [type(value) for value in back] == [type(value) for value in values]
    for got, logged in zip(back, values, strict=True):
        assert got == logged or (math.isnan(got) and math.isnan(logged))
        assert math.copysign(1, got) == math.copysign(1, logged) or math.isnan(got)


def test_numpy_scalars_are_numbers(mlflow):
    with mlflow.start_run() as run:
        mlflow.log_metric("m", np.float32(0.5))
        mlflow.log_metric("m", np.int64(2**62 + 1))
        mlflow.log_metric("m", np.array([0.25]))
        mlflow.log_metric("m", True)
    assert [p.value for p in mlflow.get_metric_history(run.run_id, "m")] == [0.5, 2**62 + 1, 0.25, 1]


def test_history_as_a_frame(mlflow):
    with mlflow.start_run() as run:
        for value in (1.0, math.nan, math.inf, -math.inf):
            mlflow.log_metric("m", value, timestamp=1_700_000_000_000)
    frame = mlflow.get_metric_history(run.run_id, "m", as_frame=True)
    assert list(frame.columns) == ["step", "timestamp", "value"]
    assert frame["step"].tolist() == [0, 1, 2, 3]
    assert str(frame["timestamp"].dt.tz) == "UTC"
    assert frame["value"].tolist()[2:] == [math.inf, -math.inf]
    assert mlflow.get_metric_history(run.run_id, "unknown") == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.log_metric("", 1), "empty"),
        (lambda m: m.log_metric("a\nb", 1), "control character"),
        (lambda m: m.log_metric("x" * 251, 1), "at most 250"),
        (lambda m: m.log_metric("../m", 1), "can't be empty"),
        (lambda m: m.log_metric("m", "0.5"), "not a number"),
        (lambda m: m.log_param("\x1b[2J", 1), "control character"),
        (lambda m: m.log_text("x", "/etc/passwd"), "absolute"),
        (lambda m: m.log_text("x", "a/../../b"), "not allowed"),
        (lambda m: m.end_run("DONE"), "unknown"),
        (lambda m: m.end_run("RUNNING"), "does not end"),
    ],
)
def test_wrong_use_raises_at_once(mlflow, call, message):
    with mlflow.start_run(), pytest.raises(MlflowException, match=message):
        call(mlflow)


def test_unusual_names_survive(mlflow):
    names = ["val/top-1 acc", "Größe", "損失", "🔥", "a:b*c?", "CON"]
    with mlflow.start_run() as run:
        for number, name in enumerate(names):
            mlflow.log_metric(name, number)
            mlflow.log_param(name, number)
            mlflow.set_tag(name, number)
    found = mlflow.get_run(run.run_id)
    assert list(found.data.metrics) == list(found.data.params) == names
    assert all(name in found.data.tags for name in names)


def test_synchronous_is_accepted(mlflow):
    with mlflow.start_run():
        mlflow.log_metric("m", 1, synchronous=False).wait()
        mlflow.log_param("p", 1, synchronous=False).wait()
        mlflow.log_params({"a": 1}, synchronous=False).wait()
        assert mlflow.log_metric("m", 1, synchronous=True) is None
        mlflow.flush_async_logging()


def test_many_params(mlflow):
    params = {f"p{number}": number for number in range(10_000)}
    with mlflow.start_run() as run:
        mlflow.log_params(params)
    assert mlflow.get_run(run.run_id).data.params == params
