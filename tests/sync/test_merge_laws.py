"""Merging histories of runs: commutative, associative, idempotent, and nothing is lost."""

from __future__ import annotations

import itertools
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitml.errors import GitmlError
from gitml.repo import RUNS_REF, Repo
from gitml.sync.join import join_runs
from gitml.tracking import edit, history
from gitml.tracking.history import read_history
from tests.sync.conftest import Clone

_WORDS = st.sampled_from(["a", "b", "c"])
_ACTIONS = st.one_of(
    st.tuples(st.just("tag"), st.integers(0, 1), _WORDS, _WORDS),
    st.tuples(st.just("untag"), st.integers(0, 1), _WORDS, st.none()),
    st.tuples(st.just("note"), st.integers(0, 1), _WORDS, st.none()),
    st.tuples(st.just("rename"), st.integers(0, 1), _WORDS, st.none()),
    st.tuples(st.just("delete"), st.integers(0, 1), st.none(), st.none()),
    st.tuples(st.just("restore"), st.integers(0, 1), st.none(), st.none()),
    st.tuples(st.just("resume"), st.integers(0, 1), st.lists(st.floats(-9, 9, width=16), max_size=3), _WORDS),
    st.tuples(st.just("record"), st.integers(2, 9), st.none(), st.none()),
    st.tuples(st.just("join"), st.integers(0, 2), st.none(), st.none()),
)
_HISTORIES = st.lists(st.tuples(st.integers(0, 2), _ACTIONS), min_size=2, max_size=7)


def _act(clone: Clone, others: list[Clone], ids: list[str], action: tuple) -> None:
    verb, number, one, two = action
    if verb == "record":
        clone.record(f"new-{number}")
        return
    if verb == "join":
        _join(clone, [others[number]])
        return
    run_id = ids[number]
    try:
        if verb == "resume":
            clone.resume(run_id, one, {f"{two}.txt": f"{two} {one}".encode()})
            return
        with clone.open() as repo:
            if verb == "tag":
                edit.set_tags(repo, run_id, {one: two})
            elif verb == "untag":
                edit.delete_tag(repo, run_id, one)
            elif verb == "note":
                edit.set_note(repo, run_id, one)
            elif verb == "rename":
                edit.rename_run(repo, run_id, one)
            elif verb == "delete":
                edit.delete_run(repo, run_id)
            else:
                edit.restore_run(repo, run_id)
    except GitmlError:
        pass  # no such tag, or a deleted run that can't be resumed: the state stays as it is


def _join(clone: Clone, others: list[Clone]) -> None:
    """Take over what others have, as a fetch and a join do."""
    with clone.open() as repo:
        tips = [_tip(other) for other in others]
        for other in others:
            for entry in (other.folder / ".git/objects").glob("??/*"):
                target = clone.folder / ".git/objects" / entry.parent.name / entry.name
                target.parent.mkdir(exist_ok=True)
                if not target.exists():
                    target.write_bytes(entry.read_bytes())
        join_runs(repo, tips)


def _tip(clone: Clone) -> str:
    with clone.open() as repo:
        tip = repo.git.tip(RUNS_REF)
        assert tip is not None
        return tip


def _copy(clone: Clone, folder: Path) -> Clone:
    shutil.copytree(clone.folder, folder, symlinks=True)
    return Clone(folder)


def _curves(repo: Repo, clone: Clone) -> dict:
    runs = clone.runs()
    return {
        run_id: (
            {name: sorted(read_history(repo, run, name).splitlines()) for name in run.metrics},
            {a.path: a.size for a in history.list_artifacts(repo, run)},
        )
        for run_id, run in runs.items()
    }


def _everything(clone: Clone) -> tuple:
    with clone.open() as repo:
        return clone.states(), _curves(repo, clone)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(story=_HISTORIES)
def test_every_order_of_joining_gives_the_same_state(story, git_repo, tmp_path_factory):
    _check_every_order(story, git_repo, tmp_path_factory)


@pytest.mark.heavy
@pytest.mark.timeout(900)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(story=_HISTORIES)
def test_every_order_of_joining_many_histories(story, git_repo, tmp_path_factory):
    _check_every_order(story, git_repo, tmp_path_factory)


def _check_every_order(story, git_repo, tmp_path_factory):
    top = tmp_path_factory.mktemp("laws")
    base = _copy(Clone(git_repo), top / "base")
    ids = [base.record("one"), base.record("two", loss=0.25)]
    clones = [_copy(base, top / f"clone-{number}") for number in range(3)]
    for number, action in story:
        _act(clones[number], clones, ids, action)
    points = Counter[tuple]()
    for clone in clones:
        for run_id, (curves, _) in _everything(clone)[1].items():
            for line in curves.get("loss", []):
                points[run_id, line] = 1
    answers = []
    for count, order in enumerate(itertools.permutations(clones)):
        observer = _copy(order[0], top / f"observer-{count}")
        if count % 2:
            _join(observer, list(order[1:]))
        else:
            for other in order[1:]:
                _join(observer, [other])
        answers.append(_everything(observer))
        tip = _tip(observer)
        _join(observer, list(order))  # once more is no more
        assert _tip(observer) == tip
    assert all(answer == answers[0] for answer in answers[1:])
    states, curves = answers[0]
    assert set(points) == {(run, line) for run, (found, _) in curves.items() for line in found["loss"]}  # fmt: skip
    assert {run_id for clone in clones for run_id in clone.runs()} == set(states)
    shutil.rmtree(top)
