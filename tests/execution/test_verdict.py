"""When a run came out as another one did."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.entities.run import MetricPoint, MetricSummary, Run, RunStatus
from gitml.errors import UsageError
from gitml.execution.reproduction.tolerance import Tolerance, Tolerances, parse_tolerances
from gitml.execution.reproduction.verdict import Comparison, Verdict, compare_outcomes
from gitml.formats.history import encode_point, summarize
from gitml.tracking.diff import CodeDiff, FileContent, Surroundings, compare

Curve = tuple[tuple[int, float], ...]
_numbers = st.one_of(
    st.integers(), st.floats(), st.sampled_from([0.0, -0.0, 1.0, 1 + 1e-7, 10**400, math.nan])
)
_curves = st.lists(st.tuples(st.integers(-3, 3), _numbers), min_size=1, max_size=5).map(tuple)
_results = st.tuples(
    st.dictionaries(st.sampled_from(["loss", "val/acc", "system/cpu"]), _curves),
    st.dictionaries(st.sampled_from(["model.bin", "plot.png"]), st.sampled_from(["aa", "bb"])),
    st.dictionaries(st.sampled_from(["lr", "seed"]), st.one_of(st.integers(0, 1), st.booleans())),
)


def judged(
    first, second, tolerances: Tolerances | None = None, *, curves: bool = True, **options
) -> Comparison:
    sides = [(metrics, files, params) for metrics, files, params in (first, second)]
    points = {
        place: {name: [MetricPoint(step, at, value) for at, (step, value) in enumerate(curve)] for name, curve in side[0].items()}
        for place, side in zip(("one", "two"), sides, strict=True)
    }  # fmt: skip
    runs = [
        Run(
            place, place, status=RunStatus.FINISHED, params=side[2],
            metrics={name: summary(curve) for name, curve in points[place].items()},
        )
        for place, side in zip(("one", "two"), sides, strict=True)
    ]  # fmt: skip
    around = [
        Surroundings({}, {path: FileContent(1, digest) for path, digest in side[1].items()}) for side in sides
    ]
    return compare_outcomes(
        compare(runs, around, CodeDiff(("t", "t"))),
        lambda run, name: points[run.id][name] if curves else None,
        tolerances,
        **options,
    )


def summary(points: list[MetricPoint]) -> MetricSummary:
    found = summarize(b"".join(encode_point(*point) for point in points), source="test")
    assert found is not None
    return found


def metric(*values: float, name: str = "loss"):
    return ({name: tuple(enumerate(values))}, {}, {})


@given(_results, _results)
def test_the_order_of_two_runs_does_not_change_the_verdict(first, second):
    there, back = judged(first, second), judged(second, first)
    assert there.verdict is back.verdict
    assert len(there.differences) == len(back.differences)


@given(_results, st.booleans())
def test_a_run_is_identical_to_itself(result, curves):
    assert judged(result, result, curves=curves).verdict is Verdict.IDENTICAL


@given(_numbers, _numbers, st.floats(0, 1), st.floats(0, 1))
def test_a_wider_tolerance_never_sees_more_differences(one, other, narrow, wide):
    narrow, wide = sorted((narrow, wide))
    if Tolerance(narrow, narrow).allows(one, other):
        assert Tolerance(wide, wide).allows(one, other)


@pytest.mark.parametrize(
    ("first", "second", "expected", "where"),
    [
        (metric(1.0, 0.5), metric(1.0, 0.5), Verdict.IDENTICAL, []),
        (metric(1.0, math.nan), metric(1.0, math.nan), Verdict.IDENTICAL, []),
        (metric(1, 2), metric(1.0, 2.0), Verdict.IDENTICAL, []),
        (metric(1.0, 0.5), metric(1.0, 0.5 + 1e-8), Verdict.WITHIN_TOLERANCE, []),
        (metric(1.0, 0.5), metric(1.0, 0.6), Verdict.DIFFERENT, ["other values from step 1 on"]),
        (metric(1.0, 0.5), metric(1.0, math.nan), Verdict.DIFFERENT, ["other values from step 1 on"]),
        (metric(1.0, 0.5), metric(1.0), Verdict.DIFFERENT, ["2 points, then 1"]),
        (metric(1.0), ({}, {}, {}), Verdict.DIFFERENT, ["only in the first run"]),
        # In the middle of a curve, where neither last nor least nor greatest shows it.
        (metric(3.0, 1.0, 1.5, 2.0), metric(3.0, 1.0, 1.6, 2.0), Verdict.DIFFERENT, ["other values from step 2 on"]),
        (({}, {"m": "aa"}, {}), ({}, {"m": "bb"}, {}), Verdict.DIFFERENT, ["other content"]),
        (({}, {}, {"amp": True}), ({}, {}, {"amp": 1}), Verdict.DIFFERENT, ["True, then 1"]),
        (metric(1.0, name="system/cpu"), metric(9.0, name="system/cpu"), Verdict.IDENTICAL, []),
        (metric(1.0, name="epoch_time"), metric(9.0, name="epoch_time"), Verdict.IDENTICAL, []),
    ],
)  # fmt: skip
def test_verdicts(first, second, expected, where):
    found = judged(first, second)
    assert found.verdict is expected
    assert [difference.how for difference in found.differences] == where


def test_what_is_asked_for_decides():
    noisy = metric(1.0), metric(1.01)
    assert judged(*noisy, parse_tolerances(["0.1"])).verdict is Verdict.WITHIN_TOLERANCE
    assert judged(*noisy, parse_tolerances(["0", "lo*=0.1"])).verdict is Verdict.WITHIN_TOLERANCE
    assert judged(*noisy, parse_tolerances(["0.1", "loss=0"])).verdict is Verdict.DIFFERENT
    assert judged(*noisy, parse_tolerances([], ["loss"])).verdict is Verdict.IDENTICAL
    times = metric(1.0, name="epoch_time"), metric(9.0, name="epoch_time")
    assert judged(*times, parse_tolerances(["epoch_time=0.1"])).verdict is Verdict.DIFFERENT
    other_seed = ({}, {}, {"seed": 1}), ({}, {}, {"seed": 2})
    assert judged(*other_seed, changed_on_purpose=["seed"]).verdict is Verdict.IDENTICAL


def test_without_curves_the_summaries_are_compared_and_that_is_told():
    hidden = metric(3.0, 1.0, 1.5, 2.0), metric(3.0, 1.0, 1.6, 2.0)
    found = judged(*hidden, curves=False)
    assert found.verdict is Verdict.IDENTICAL
    assert not found.metrics[0].whole_curve
    assert judged(metric(1.0, 2.0), metric(1.0, 3.0), curves=False).verdict is Verdict.DIFFERENT


@pytest.mark.parametrize("text", ["", "x", "loss=", "-1", "nan", "1,2,3", "1e-6,"])
def test_what_is_no_tolerance(text):
    with pytest.raises(UsageError, match="no tolerance"):
        parse_tolerances([text])
