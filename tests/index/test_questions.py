from __future__ import annotations

import math
from dataclasses import replace

import pytest

from gitml.entities.run import CodeState, DatasetInput, RunStatus
from gitml.index import Index, LiveRow, Query
from gitml.index.filters import FilterSyntaxError
from tests.index.branch import START, make_run, summary


def ids(index: Index, **query) -> str:
    return "".join(run.id[-1] for run in index.search(Query(**query)))


def test_order_limit_and_offset(index, branch):
    for number, acc in ((1, 0.1), (2, 0.9), (3, None), (4, math.nan), (5, 0.5)):
        branch.add(make_run(number, metrics={} if acc is None else {"acc": summary(acc)}))
    assert ids(index) == "54321"
    assert ids(index, order_by=("metrics.acc",)) == "15243"
    assert ids(index, order_by=("metrics.acc DESC",)) == "25143"
    assert ids(index, order_by=("-metrics.acc",), limit=2, offset=1) == "51"
    assert ids(index, limit=0) == ""
    assert ids(index, offset=3) == "21"
    assert index.count(Query(filter="metrics.acc > 0.2", limit=1)) == 2
    with pytest.raises(FilterSyntaxError):
        index.search(Query(order_by=("acc",)))


def test_a_metric_with_one_point_has_the_same_numbers_as_any_other(index, branch):
    summaries = (
        summary(2.0),
        summary(3, 5, low=1, high=4),
        summary(math.nan),
        summary(2**70),
        summary(0.5, 2),
    )
    for number, metric in enumerate(summaries, 1):
        branch.add(make_run(number, metrics={"a": metric}))
    found = index.search(Query(order_by=("run_id",)))
    assert [repr(run.metrics["a"]) for run in found] == list(map(repr, summaries))
    assert ids(index, order_by=("metrics.a.min",)) == "52143"
    assert ids(index, order_by=("metrics.a.max desc",)) == "42153"
    assert ids(index, order_by=("metrics.a.count", "run_id")) == "13452"
    assert ids(index, filter="metrics.a.count = 1 and metrics.a.step = 0") == "431"
    assert ids(index, filter="metrics.a.count in (1, 5)") == "4321"
    assert ids(index, filter="metrics.a.min < 2.5") == "521"
    assert ids(index, filter="metrics.a.max >= 2 and metrics.a.max < 5") == "21"
    assert ids(index, filter="metrics.a.max in (2, 4)") == "21"
    assert ids(index, filter="metrics.a.min = nan") == "3"
    assert ids(index, filter="metrics.a.max != nan and metrics.a.min is not null") == "5421"


def test_names_and_ids(index, branch):
    for number, name in ((1, "a"), (2, "b"), (3, "a")):
        commit = CodeState(commit=f"{number}" * 40)
        branch.add(make_run(number, name=name, code=commit, deleted_ms=START if number == 3 else None))
    index.catch_up()
    assert [found[-1] for found in index.ids_by_name("a")] == ["1", "3"]
    assert len(index.ids_by_prefix("0000", 10)) == 3
    assert len(index.ids_by_prefix("0000", 2)) == 2
    assert index.ids_by_prefix("%", 2) == []
    assert [found[-1] for found in index.ids_by_code_commit("2222222")] == ["2"]


def test_columns_hold_exactly_what_runs_hold(index, branch):
    data = DatasetInput("train", "ab12")
    some = [
        make_run(1, params={"a": 1, "b": "x", "c": [1, "y"], "d": None}, inputs=(data,)),
        make_run(
            2, params={"a": 1.5, "b": True, "c": 2**70, "d": math.inf}, metrics={"m": summary(2**53 + 1)}
        ),
        make_run(3, tags={"t": "1"}, metrics={"m": summary(math.nan)}, status=RunStatus.FAILED, exit_code=3),
    ]
    for run in some:
        branch.add(run)
    for number in range(4, 30):
        branch.add(make_run(number, name="filler"))
    index.catch_up()
    everything = index.columns(Query(order_by=("start_time",)))
    few = index.columns(Query(filter="name != 'filler'", order_by=("start_time",)))
    assert {len(column) for column in everything.values()} == {29}
    for column, values in few.items():
        assert repr(everything[column][:3]) == repr(values), column
    assert few["params.a"] == [1, 1.5, None]
    assert [type(value) for value in few["params.a"][:2]] == [int, float]
    assert few["params.b"] == ["x", True, None]
    assert few["params.c"] == [[1, "y"], 2**70, None]
    assert few["params.d"] == [None, math.inf, None]
    assert few["metrics.m"][:2] == [None, 2**53 + 1]
    assert math.isnan(few["metrics.m"][2])
    assert few["tags.t"] == [None, None, "1"]
    assert few["exit_code"] == [None, None, 3]
    assert few["live"] == [False, False, False]
    assert few["status"] == ["finished", "finished", "failed"]
    assert "metrics.m" not in index.columns(Query(filter="name = 'filler'"))
    assert (index.metric_names(), index.param_names(), index.tag_names()) == (
        ["m"],
        ["a", "b", "c", "d"],
        ["t"],
    )


# Live runs


class Live:
    """A live run as the journal would tell of it, counting how often it is read."""

    def __init__(self, run) -> None:
        self.run = run
        self.version = 0
        self.loaded = 0

    def row(self) -> LiveRow:
        return LiveRow(self.run.id, f"{self.version}", self._load)

    def _load(self):
        self.loaded += 1
        return self.run

    def change(self, **fields) -> None:
        self.run = replace(self.run, **fields)
        self.version += 1


def test_live_runs_are_found_like_others(index, branch):
    branch.add(make_run(1))
    live = Live(make_run(2, status=RunStatus.RUNNING, end_ms=None, live=True, metrics={"a": summary(1)}))
    index.put_live([live.row()])
    assert ids(index) == "21"
    assert ids(index, filter="live and metrics.a = 1") == "2"
    found = index.get(live.run.id)
    assert (found.live, found.commit, found.status) == (True, None, RunStatus.RUNNING)
    index.put_live([live.row()])
    assert live.loaded == 1
    live.change(metrics={"a": summary(2), "b": summary(3)})
    index.put_live([live.row()])
    assert (ids(index, filter="metrics.b = 3"), live.loaded) == ("2", 2)
    index.put_live([])
    assert ids(index) == "1"
    assert index.metric_names() == []


def test_a_live_run_that_is_committed_is_found_once(index, branch):
    live = Live(make_run(1, status=RunStatus.RUNNING, live=True))
    index.put_live([live.row()])
    commit = branch.add(replace(live.run, status=RunStatus.FINISHED))
    index.catch_up()
    index.put_live([])
    assert ids(index) == "1"
    assert (index.get(live.run.id).commit, index.get(live.run.id).live) == (commit, False)


def test_a_resumed_run_shows_its_live_state_until_it_ends(index, branch):
    run = make_run(1, params={"a": 1})
    first = branch.add(run)
    live = Live(replace(run, status=RunStatus.RUNNING, params={"a": 1, "b": 2}, live=True))
    index.put_live([live.row()])
    assert (index.get(run.id).live, index.get(run.id).params) == (True, {"a": 1, "b": 2})
    assert index.records(run.id) == [first]
    index.put_live([])
    assert (index.get(run.id).live, index.get(run.id).params, index.get(run.id).commit) == (
        False,
        {"a": 1},
        first,
    )


def test_a_run_that_ends_while_it_is_looked_at(index, branch):
    branch.add(make_run(1))
    index.put_live([LiveRow("f" * 32, "1", lambda: None)])
    assert ids(index) == "1"


def test_live_runs_survive_a_rebuild(index, branch, path):
    branch.add(make_run(1))
    live = Live(make_run(2, live=True))
    index.put_live([live.row()])
    first = branch.tip
    branch.point_at(branch.add(make_run(3), [], move=False))
    assert first != branch.tip
    index.catch_up()
    index.put_live([live.row()])
    assert ids(index) == "32"
    path.write_bytes(b"garbage" * 2000)
    assert ids(index) == "32"


def test_a_wrong_name_is_told_with_what_there_is(index, branch):
    metrics = {"val_loss": summary(0.5), "val/top-1 acc": summary(0.5), "both": summary(1)}
    branch.add(make_run(1, metrics=metrics, params={"lr": 1, "opt.lr": 2, "both": 3}, tags={"team": "x"}))
    for wrong, hint in (
        ("lr > 0.05", "did you mean params.lr?"),
        ("team = 'x'", "did you mean tags.team?"),
        ("val_loss.min < 0.07", "did you mean metrics.val_loss.min?"),
        ("opt.lr > 1", "did you mean params.opt.lr?"),
        ("attributes.lr > 1", "did you mean params.lr?"),
        ("`val/top-1 acc` > 1", "did you mean metrics.`val/top-1 acc`?"),
        ("both = 1", "did you mean metrics.both or params.both?"),
        ("val_los > 1", "did you mean metrics.val_loss?"),
        ("strat_time > 1", "did you mean start_time?"),
    ):
        with pytest.raises(FilterSyntaxError) as caught:
            index.search(Query(filter=wrong))
        assert caught.value.hint == hint
    with pytest.raises(FilterSyntaxError) as caught:
        index.search(Query(filter="nothing_like_it = 1"))
    assert "did you mean" not in caught.value.hint
    with pytest.raises(FilterSyntaxError) as caught:
        index.search(Query(order_by=("lr",)))
    assert caught.value.hint == "did you mean params.lr?"
