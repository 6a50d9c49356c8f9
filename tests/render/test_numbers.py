"""Numbers, times and sizes as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.entities.run import MetricPoint
from gitml.render.numbers import (
    format_age,
    format_change,
    format_duration,
    format_number,
    format_param,
    format_percent,
    format_size,
    mean_and_spread,
    utc_text,
)
from gitml.render.sparkline import min_max_buckets, sparkline
from gitml.render.svg import svg_sparkline

FLOATS = st.floats(allow_nan=True, allow_infinity=True)


@given(FLOATS | st.integers(-(2**63), 2**63))
def test_any_number_has_a_short_text(value: float) -> None:
    text = format_number(value)
    assert text
    if isinstance(value, float):
        assert len(text) <= 11
        if abs(value) < 1e307:
            assert float(text) == pytest.approx(value, rel=1e-3)


def test_params_look_as_they_do_in_yaml() -> None:
    values = [None, True, False, 3, 1e-3, 0.1, "adam", [1, "a"], float("nan")]
    texts = ["null", "true", "false", "3", "0.001", "0.1", "adam", '[1, "a"]', "nan"]
    assert [format_param(value) for value in values] == texts


@given(st.floats(0, 1e8))
def test_durations_are_short(seconds: float) -> None:
    text = format_duration(seconds)
    assert 2 <= len(text) <= 9
    assert "60s" not in text.replace("160s", "")


def test_ages_change_at_their_units() -> None:
    seconds = [0, 59, 60, 3599, 3600, 86399, 86400, 40 * 86400, 800 * 86400, -30, -600]
    texts = ["now", "now", "1m", "59m", "1h", "23h", "1d", "1mo", "2y", "now", "ahead"]
    assert [format_age(-s * 1000, 0) for s in seconds] == texts


def test_sizes_are_decimal() -> None:
    sizes = [0, 999, 1000, 99_940, 999_500, 4_200_000, 2_100_000_000, 10**16]
    assert [format_size(size) for size in sizes] == [
        "0 B", "999 B", "1.0 kB", "99.9 kB", "1.0 MB", "4.2 MB", "2.1 GB", "10000 TB",
    ]  # fmt: skip


def test_changes_have_signs() -> None:
    assert format_change(0.201, 0.183) == "-0.018"
    assert format_change(11, 17) == "+6"
    assert format_percent(11, 17) == "+55 %"
    assert format_percent(-2.0, -1.0) == "+50 %"
    assert format_percent(0, 1) is None
    assert format_percent(1.0, float("inf")) is None


def test_groups_have_mean_and_spread() -> None:
    assert mean_and_spread([1.0, 2.0, 3.0]) == "2 ± 1"
    assert mean_and_spread([1.0, float("nan")]) == "nan"
    assert mean_and_spread([1.0, float("inf")]) == "inf"
    assert mean_and_spread([float("inf"), float("-inf")]) == "nan"
    assert mean_and_spread([1e308, 1e308]) == "1e+308 ± 0"
    assert mean_and_spread([float("nan")]) == "nan"
    assert mean_and_spread([]) == "–"


def test_times_before_1970_are_right() -> None:
    assert utc_text(-1) == "1969-12-31T23:59:59.999Z"


@given(st.lists(FLOATS, max_size=300), st.integers(1, 20))
def test_sparklines_fit_and_never_fail(values: list[float], cells: int) -> None:
    drawn = sparkline(values, cells=cells)
    assert len(drawn) <= cells
    assert bool(drawn) == any(map(math.isfinite, values))
    assert sparkline(values, cells=cells, unicode=False).isascii()
    assert ("<svg" in svg_sparkline(values)) == any(map(math.isfinite, values))


def test_a_flat_curve_is_drawn_flat() -> None:
    assert set(sparkline([14.1] * 200, cells=16)) == {"▄"}


@given(st.lists(FLOATS, min_size=1, max_size=400), st.integers(1, 30))
def test_thinning_keeps_every_extreme(values: list[float], buckets: int) -> None:
    points = [MetricPoint(i, i, value) for i, value in enumerate(values)]
    thin = min_max_buckets(points, buckets)
    assert len(thin) <= max(2 * buckets, 1)
    assert [point.step for point in thin] == sorted({point.step for point in thin})
    finite = [value for value in values if not math.isnan(value)]
    if finite:
        kept = [point.value for point in thin if not math.isnan(point.value)]
        assert (min(kept), max(kept)) == (min(finite), max(finite))


def test_a_curve_can_not_be_cut_into_nothing() -> None:
    with pytest.raises(ValueError, match="0 slices"):
        min_max_buckets([], 0)
