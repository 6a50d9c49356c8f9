from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitml.entities.run import Experiment
from gitml.formats.run_tree import decode_run, encode_run
from gitml.git.repo import GitRepo
from gitml.index import Index, Query
from tests.index.branch import START, Branch, make_run, summary
from tests.strategies import runs


def ids(index: Index, **query) -> str:
    """The last digits of the ids found, in order."""
    return "".join(run.id[-1] for run in index.search(Query(**query)))


def test_an_empty_repository_has_no_runs(index):
    index.catch_up()
    assert index.search(Query()) == []
    assert index.columns(Query())["run_id"] == []
    assert (index.get("x"), index.experiments(), index.metric_names()) == (None, [], [])


def test_new_commits_are_added(index, branch):
    branch.add(make_run(1))
    assert ids(index) == "1"  # a first question builds what is missing
    branch.add(make_run(2))
    assert ids(index) == "1"  # later ones don't look
    index.catch_up()
    assert ids(index) == "21"


@given(run=runs)
@settings(max_examples=30)
def test_every_run_comes_back_as_git_has_it(run, tmp_path_factory, _template):  # noqa: PT019
    folder = Path(shutil.copytree(_template, tmp_path_factory.mktemp("r") / "repo"))
    git = GitRepo.discover(folder)
    index = Index(None, git)
    commit = Branch(git).add(run)
    index.catch_up()
    assert repr(index.get(run.id)) == repr(decode_run(encode_run(run), commit=commit))
    index.close()
    git.close()


def test_many_commits_are_read_by_git_and_give_the_same(index, branch, repo):
    for number in range(1, 80):
        branch.add(
            make_run(number, params={"n": number, "s": f"x{number}"}, metrics={"a": summary(number / 7)})
        )
    index.catch_up()
    assert index.count(Query()) == 79
    few = Index(None, repo)
    few.catch_up()
    assert index.search(Query()) == few.search(Query())
    assert index.search(Query())[0] == make_run(
        79, params={"n": 79, "s": "x79"}, metrics={"a": summary(79 / 7)}, commit=branch.tip
    )
    few.close()


def test_a_later_record_takes_the_place_of_the_first(index, branch):
    run = make_run(1, tags={"a": "1", "b": "2"}, params={"p": 1})
    first = branch.add(run)
    index.catch_up()
    second = branch.add(replace(run, tags={"a": "3"}, note="looked at", params={"p": 1, "q": 2}))
    index.catch_up()
    found = index.get(run.id)
    assert (found.tags, found.note, found.params, found.commit) == (
        {"a": "3"},
        "looked at",
        {"p": 1, "q": 2},
        second,
    )
    assert index.records(run.id) == [first, second]
    assert ids(index, filter="tags.b is not null") == ""
    assert index.tag_names() == ["a"]
    assert index.run_of_commit(first[:7]) == index.run_of_commit(second) == run.id
    assert index.run_of_commit("0000000") is None


def test_a_run_that_changed_several_times_since(index, branch):
    run = make_run(1)
    branch.add(run)
    index.catch_up()
    for text in ("one", "two", "three"):
        branch.add(replace(run, tags={text: "x"}))
    index.catch_up()
    assert [found.tags for found in index.search(Query())] == [{"three": "x"}]
    assert len(index.records(run.id)) == 4


def test_a_run_deleted_and_restored(index, branch):
    run = make_run(1)
    branch.add(run)
    branch.add(make_run(2))
    branch.add(replace(run, deleted_ms=START))
    index.catch_up()
    assert (ids(index), ids(index, view="deleted"), ids(index, view="all")) == ("2", "1", "21")
    branch.add(run)
    index.catch_up()
    assert ids(index) == "21"


@pytest.mark.parametrize("number", [3, 70])
def test_a_rewound_branch_is_read_anew(index, branch, number):
    first = branch.add(make_run(1))
    for more in range(2, number):
        branch.add(make_run(more))
    index.catch_up()
    branch.point_at(first)
    branch.add(make_run(9))
    index.catch_up()
    assert ids(index) == "91"
    branch.point_at(None)
    index.catch_up()
    assert ids(index) == ""


def test_a_rewound_branch_whose_old_commits_are_gone(index, branch, repo):
    first = branch.add(make_run(1))
    branch.add(make_run(2))
    index.catch_up()
    branch.point_at(first)
    repo.close()
    subprocess.run(["git", "reflog", "expire", "--expire=now", "--all"], cwd=repo.work_tree, check=True)
    subprocess.run(["git", "prune", "--expire=now"], cwd=repo.work_tree, check=True)
    index.catch_up()
    assert ids(index) == "1"


# Histories that went apart


def test_joined_histories(index, branch):
    base = branch.add(make_run(1))
    index.catch_up()
    ours = branch.add(make_run(2))
    theirs = branch.add(make_run(3), [base], move=False)
    branch.join(ours, theirs)
    index.catch_up()
    assert ids(index) == "321"
    unrelated = branch.add(make_run(4), [], move=False)
    branch.join(branch.tip, unrelated)
    index.catch_up()
    assert ids(index) == "4321"


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("swapped", [True, False])
def test_a_run_changed_on_both_sides_keeps_both_changes(index, branch, repo, at_once, swapped):
    run = make_run(1, tags={"a": "1", "gone": "x"})
    base = branch.add(run)
    for more in range(2, 5):
        branch.add(make_run(more))
    fork = branch.tip
    if not at_once:
        index.catch_up()
    ours = branch.add(replace(run, tags={"a": "1"}, name="renamed"))
    if not at_once:
        index.catch_up()
    theirs = branch.add(
        replace(run, tags={"a": "2", "gone": "x", "b": "3"}, note="noted"), [base], move=False
    )
    branch.join(*((theirs, ours) if swapped else (ours, theirs)))
    index.catch_up()
    found = index.get(run.id)
    assert (found.tags, found.name, found.note) == ({"a": "2", "b": "3"}, "renamed", "noted")
    assert set(index.records(run.id)) == {base, ours, theirs}
    assert fork != base
    # What comes after the merge settles it.
    last = branch.add(replace(run, tags={"settled": "yes"}))
    index.catch_up()
    assert (index.get(run.id).tags, index.get(run.id).commit) == ({"settled": "yes"}, last)
    fresh = Index(None, repo)
    assert fresh.get(run.id) == index.get(run.id)
    fresh.close()


def test_the_clock_does_not_decide_between_a_record_and_its_successor(index, branch):
    run = make_run(1)
    branch.add(run)
    branch.time_s -= 100_000
    branch.add(replace(run, note="later, by a clock that runs behind"))
    index.catch_up()
    assert index.get(run.id).note


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["record", "join", "fork", "catch up"]), st.integers(0, 5), st.integers(0, 2)
        ),
        max_size=14,
    )
)
@settings(max_examples=25)
def test_any_history_gives_one_answer_however_it_was_walked(tmp_path_factory, _template, steps):  # noqa: PT019
    folder = Path(shutil.copytree(_template, tmp_path_factory.mktemp("r") / "repo"))
    git = GitRepo.discover(folder)
    branch, index = Branch(git), Index(None, git)
    heads = [branch.add(make_run(0, tags={"t": "start"}))]
    for position, (what, which, run) in enumerate(steps):
        head = heads[which % len(heads)]
        if what == "record":
            heads[which % len(heads)] = branch.add(
                make_run(run, tags={f"t{position}": "x"}), [head], move=False
            )
        elif what == "fork":
            heads.append(head)
        elif what == "join" and len(set(heads)) > 1:
            heads = [branch.commit({}, list(dict.fromkeys(heads)), move=False)]
        elif what == "catch up" and len(set(heads)) == 1:
            branch.point_at(heads[0])
            index.catch_up()
    branch.point_at(branch.commit({}, list(dict.fromkeys(heads)), move=False))
    index.catch_up()
    fresh = Index(None, git)
    assert index.search(Query()) == fresh.search(Query())
    for run in fresh.search(Query()):
        newest = git.independent(fresh.records(run.id))
        assert set(newest) <= set(index.records(run.id))
        if len(newest) == 1:
            assert run.commit == newest[0]
    index.close()
    fresh.close()
    git.close()


# Experiments


def test_a_renamed_experiment_renames_what_its_runs_show(index, branch):
    branch.experiment(Experiment("1", "churn", START, START))
    branch.add(make_run(1))
    branch.add(make_run(2, experiment_id="0", experiment="Default"))
    index.catch_up()
    assert [e.name for e in index.experiments()] == ["Default", "churn"]
    branch.experiment(Experiment("1", "loyalty", START, START + 1))
    index.catch_up()
    assert {run.experiment for run in index.search(Query(experiment_ids=("1",)))} == {"loyalty"}
    assert ids(index, filter="experiment = 'loyalty'") == "1"
    assert ids(index, filter="experiment = 'churn'") == ""
    branch.add(make_run(3, experiment="churn"))
    index.catch_up()
    assert index.columns(Query())["experiment"] == ["loyalty", "Default", "loyalty"]
    assert ids(index, experiment_ids=()) == ""


def test_an_experiment_renamed_on_both_sides(index, branch):
    base = branch.experiment(Experiment("1", "churn", START, START))
    one = branch.experiment(Experiment("1", "one", START, START), [base], move=False)
    two = branch.experiment(Experiment("1", "two", START, START), [base], move=False)
    branch.commit({}, [two, one])
    index.catch_up()
    assert [e.name for e in index.experiments()] == ["two"]
