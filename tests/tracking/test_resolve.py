"""One resolver of run names, everywhere."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from gitml.entities.run import RunStatus
from gitml.errors import NotFoundError
from gitml.repo import Repo
from gitml.tracking.commit import finish_run
from gitml.tracking.diff import judge
from gitml.tracking.direction import has_goal, lower_is_better
from gitml.tracking.edit import set_tags
from gitml.tracking.history import RunNotFoundError, get_run
from gitml.tracking.resolve import AmbiguousNameError, resolve_run
from gitml.tracking.start import start_run


def record(repo, run_id, name, **metrics):
    live = start_run(repo, run_id=run_id, name=name)
    live.log_metrics(metrics)
    finish_run(repo, live, RunStatus.FINISHED)
    return run_id


@pytest.fixture(scope="session")
def _three(tmp_path_factory, _template):
    folder = Path(shutil.copytree(_template, tmp_path_factory.mktemp("three") / "repo", symlinks=True))
    with closing(Repo.open(folder)) as repo:
        record(repo, "aaaa1111" * 4, "brisk-heron", accuracy=0.9, loss=0.3)
        record(repo, "aaaa2222" * 4, "calm-otter", accuracy=0.8, loss=0.1)
        record(repo, "bbbb3333" * 4, "calm-otter", accuracy=0.7, loss=0.2)
    return folder


@pytest.fixture
def three(_three, tmp_path):
    with closing(Repo.open(shutil.copytree(_three, tmp_path / "repo", symlinks=True))) as repo:
        yield repo


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("aaaa1111" * 4, "aaaa1111"),
        ("aaaa1", "aaaa1111"),
        ("bbbb", "bbbb3333"),
        ("BBBB33", "bbbb3333"),
        ("brisk-heron", "aaaa1111"),
        ("@", "bbbb3333"),
        ("@~1", "aaaa2222"),
        ("@~2", "aaaa1111"),
        ("@~", "aaaa2222"),
        ("@^", "aaaa2222"),
        ("@~~", "aaaa1111"),
        ("@^~1", "aaaa1111"),
        ("@~0", "bbbb3333"),
        ("@{best:accuracy}", "aaaa1111"),
        ("@{best:loss}", "aaaa2222"),
        ("@{max:accuracy}", "aaaa1111"),
        ("@{min:loss}", "aaaa2222"),
        ("main", "bbbb3333"),
        ("HEAD", "bbbb3333"),
    ],
)
def test_each_kind_of_name(three, name, found):
    assert resolve_run(three, name).id == found * 4


def test_a_commit_of_a_record_and_of_code(three):
    run = get_run(three, "aaaa2222" * 4)
    assert resolve_run(three, run.commit).id == run.id
    assert resolve_run(three, run.commit[:10]).id == run.id
    assert resolve_run(three, run.code.commit[:8]).id == "bbbb3333" * 4
    set_tags(three, run.id, {"a": "b"})
    assert resolve_run(three, run.commit).id == run.id, "an older record of it, too"


def test_what_is_ambiguous_lists_the_candidates(three):
    with pytest.raises(AmbiguousNameError, match="2 matches") as caught:
        resolve_run(three, "aaaa")
    assert "aaaa1111" in str(caught.value)
    assert "5 characters" in caught.value.hint
    with pytest.raises(AmbiguousNameError):
        resolve_run(three, "calm-otter")


@pytest.mark.parametrize(
    "name", ["nope", "@~9", "@{best:nope}", "-h", "--help", "", "a\nb", "\x00", "refs/heads/x", "@{x}"]
)
def test_what_leads_nowhere_says_so(three, name):
    with pytest.raises(NotFoundError):
        resolve_run(three, name)


@pytest.mark.parametrize("name", ["@{1}", "@{0}", "@{yesterday}", "@{best:}", "@^2", "@{best:loss}~1"])
def test_what_git_reads_at_its_head_is_no_run(three, name):
    with pytest.raises(NotFoundError, match="no position of a run") as caught:
        resolve_run(three, name)
    assert "@~1" in caught.value.hint


def test_letters_of_an_id_may_be_large(three):
    run = get_run(three, "aaaa2222" * 4)
    for name in (run.id.upper(), run.commit.upper(), run.commit[:10].upper()):
        assert resolve_run(three, name).id == run.id
    record(three, "cccc4444" * 4, "BBBB3")
    assert resolve_run(three, "BBBB3").id == "cccc4444" * 4, "a name goes first"


def test_a_typo_is_answered_with_a_suggestion(three):
    with pytest.raises(RunNotFoundError) as caught:
        resolve_run(three, "brisk-heon")
    assert "brisk-heron" in caught.value.hint


def test_a_live_run_is_found_like_any_other(three):
    live = start_run(three, name="quick-fox")
    assert resolve_run(three, "quick-fox").live
    assert resolve_run(three, "@").id == live.run_id
    assert resolve_run(three, live.run_id[:8]).live
    finish_run(three, live, RunStatus.FINISHED)


@pytest.mark.parametrize(
    ("metric", "lower"),
    [("loss", True), ("val/loss", True), ("valLoss", True), ("rmse", True), ("p95 latency", True), ("accuracy", False),
     ("val_acc", False), ("f1", False), ("auc", False), ("closs_x", False), ("test_error", True),
     ("neg_mean_squared_error", False), ("test/neg_log_loss", False), ("ms_ssim", False), ("step_ms", True), ("step_ms.min", True), ("l2", True),
     ("bic", True), ("false_positive_rate", True), ("false_alarms", True), ("f2", False), ("label2", False)],
)  # fmt: skip
def test_direction_of_a_metric(metric, lower):
    assert lower_is_better(metric) is lower


@pytest.mark.parametrize(
    ("metric", "goal"),
    [("accuracy", True), ("loss", True), ("n", False), ("n_samples", False), ("max_depth_used", False), ("tree/depth", False),
     ("num_leaves", False), ("precision", True), ("nll", True), ("system/cpu_utilization_percentage", False)],
)  # fmt: skip
def test_what_is_no_goal_is_not_judged(metric, goal):
    assert has_goal(metric) is goal
    assert (judge(metric, 1.0, 2.0) is not None) is goal
