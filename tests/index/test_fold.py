from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gitml.entities.run import RunStatus
from gitml.index.fold import fold_runs
from tests.index.branch import make_run, summary
from tests.strategies import runs

records = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from("abcdef"), runs),
    min_size=1,
    max_size=4,
    unique_by=lambda r: r[1],
)


@given(records, st.randoms(use_true_random=False), st.none() | runs)
def test_only_the_set_of_records_counts(some, random, base):
    once = fold_runs(some, base)
    mixed = some + random.choices(some, k=2)
    random.shuffle(mixed)
    assert repr(fold_runs(mixed, base)) == repr(once)


@given(runs, st.none() | runs)
def test_one_record_is_its_own_merge(run, base):
    assert fold_runs([(1, "a", run)], base) is run


@given(records)
def test_a_field_that_only_one_side_changed_keeps_the_change(some):
    base = some[0][2]
    changed = replace(base, note="changed", tags={**base.tags, "added": "x"})
    for first, second in ((1, 2), (2, 1)):
        merged = fold_runs([(first, "a", changed), (second, "b", base)], base)
        assert merged.note == "changed"
        assert merged.tags == changed.tags
        assert repr(merged.params) == repr(base.params)


def test_both_sides_keep_what_they_did():
    base = make_run(1, tags={"old": "1", "gone": "1"}, note="first")
    one = replace(base, tags={"old": "1", "new": "2"}, deleted_ms=5)
    two = replace(base, tags={"old": "3", "gone": "1"}, note="second", name="renamed")
    merged = fold_runs([(10, "a", one), (20, "b", two)], base)
    assert merged.tags == {"old": "3", "new": "2"}
    assert (merged.note, merged.name, merged.deleted_ms) == ("second", "renamed", 5)


def test_of_two_changes_the_later_counts_then_the_commit():
    base = make_run(1, note="")
    one, two = replace(base, note="one"), replace(base, note="two")
    assert fold_runs([(10, "a", one), (20, "b", two)], base).note == "two"
    assert fold_runs([(20, "a", one), (20, "b", two)], base).note == "two"
    assert fold_runs([(20, "c", one), (20, "b", two)], base).note == "one"


def test_an_outcome_is_not_mixed():
    base = make_run(1, status=RunStatus.KILLED, exit_code=9, error="out of memory")
    resumed = replace(base, status=RunStatus.FINISHED, exit_code=0, error=None)
    tagged = replace(base, tags={"a": "b"})
    merged = fold_runs([(10, "a", resumed), (20, "b", tagged)], base)
    assert (merged.status, merged.exit_code, merged.error) == (RunStatus.FINISHED, 0, None)


def test_curves_are_united():
    base = make_run(1, metrics={"a": summary(1, count=2), "b": summary(1, count=2)})
    one = replace(base, metrics={"a": summary(5, count=5), "b": summary(1, count=2)})
    two = replace(
        base, metrics={"a": summary(-3, count=3), "b": summary(1, count=2), "c": summary(7, count=1)}
    )
    merged = fold_runs([(10, "a", one), (20, "b", two)], base).metrics
    assert (merged["a"].count, merged["a"].min, merged["a"].max) == (6, -3, 5)
    assert merged["b"] == base.metrics["b"]
    assert merged["c"] == two.metrics["c"]


def test_a_curve_that_came_twice_counts_once():
    one = make_run(1, metrics={"a": summary(1, count=5)})
    assert fold_runs([(10, "a", one), (20, "b", replace(one, note="x"))]).metrics == one.metrics


def test_values_that_are_equal_to_python_but_not_to_people_are_changes():
    base = make_run(1, params={"a": 1, "b": float("nan")})
    one = replace(base, params={"a": True, "b": float("nan")})
    merged = fold_runs([(10, "a", one), (20, "b", base)], base)
    assert merged.params["a"] is True
