"""What a sweep tries, and how values reach a program."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.errors import DamagedError, RefusedError, UsageError
from gitml.execution.sweeps.expressions import SpaceSyntaxError, parse_dimension
from gitml.execution.sweeps.plan import GRID, RANDOM, Goal, Plan, choose_optimizer, decode_plan, encode_plan
from gitml.execution.sweeps.runner import command_with
from gitml.execution.sweeps.space import Choice, Integers, LogUniform, Uniform, Values, draws, grid, grid_size

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
NUMBERS = st.integers(-(10**9), 10**9) | st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**6), max_value=10**6, places=4
)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@given(st.lists(TEXTS, min_size=1, max_size=5, unique=True))
def test_any_text_can_be_a_value(texts: list[str]) -> None:
    assert parse_dimension("x", ", ".join(map(quoted, texts))) == Values(tuple(texts))
    assert parse_dimension("x", f"choice({','.join(map(quoted, texts))})") == Choice(tuple(texts))


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-9, 9))
def test_range_is_pythons(start: int, stop: int, step: int) -> None:
    expected = tuple(map(str, range(start, stop, step))) if step else ()
    if expected:
        assert parse_dimension("x", f"range({start},{stop},{step})") == Values(expected)
    else:
        with pytest.raises(SpaceSyntaxError):
            parse_dimension("x", f"range({start},{stop},{step})")


@given(st.text("range(int,uo.-5e'\"[ \t", max_size=24))
def test_anything_is_read_or_told_with_its_place(text: str) -> None:
    try:
        parse_dimension("x", text)
    except SpaceSyntaxError as err:
        assert 0 <= err.position <= len(text)
        assert f"at character {err.position + 1} " in str(err)
        assert "\n" not in str(err)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.1,0.01", ["0.1", "0.01"]),
        ("a b , c-d", ["a b", "c-d"]),
        ("range(3)", ["0", "1", "2"]),
        (
            "range(0.1,0.5,0.1)",
            ["0.1", "0.2", "0.3", "0.4"],
        ),  # exactly, where floats would have 0.30000000000000004
        ("linspace(0,1,5)", ["0", "0.25", "0.5", "0.75", "1"]),
        ("linspace(3,1,3)", ["3", "2", "1"]),
        ("logspace(1e-5,1e-1,5)", ["1e-05", "0.0001", "0.001", "0.01", "0.1"]),
    ],
)
def test_lists(text: str, values: list[str]) -> None:
    assert parse_dimension("x", text) == Values(tuple(values))


def test_draws_are_read() -> None:
    assert parse_dimension("x", "uniform(0,1)") == Uniform(0.0, 1.0)
    assert parse_dimension("x", "loguniform(1e-5, 1e-1)") == LogUniform(1e-5, 0.1)
    assert parse_dimension("x", "int(-3,3)") == Integers(-3, 3)


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("", 0, "there is none"),
        ("a,,b", 2, "a value is missing before ','"),
        ("a,", 2, "ends too early"),
        ("range(1,x)", 8, "'x' is not a number"),
        ("range(1,2,0)", 10, "the step is 0"),
        ("range(5,5)", 0, "no values"),
        ("range(0,1e12)", 0, "at most 100,000"),
        ("uniform(1)", 0, "it is uniform(low, high)"),
        ("uniform(2,1)", 10, "1 is not above 2"),
        ("logspace(-5,-1,3)", 9, "values, not exponents"),
        ("loguniform(0,1)", 11, "not above 0"),
        ("int(1,2.5)", 6, "no integer"),
        ("int(1,nan)", 6, "not a number"),
        ("uniform(0,1e9999)", 10, "too large"),
        ("normal(0,1)", 0, "there is no 'normal'"),
        ("[1,2]", 0, "in quotes"),
        ("'abc", 0, "the quote is not closed"),
        ("range(1,2", 9, "ends too early"),
        ("1,2,1", 4, "given twice"),
    ],
)
def test_what_is_wrong_is_told(text: str, position: int, problem: str) -> None:
    with pytest.raises(SpaceSyntaxError) as caught:
        parse_dimension("lr", text)
    assert caught.value.position == position
    assert problem in str(caught.value)
    assert "'lr'" in str(caught.value)


@given(NUMBERS, NUMBERS, st.integers(0, 2**32))
def test_draws_stay_in_their_range_and_are_the_same_again(a, b, seed: int) -> None:
    low, high = sorted((Fraction(a), Fraction(b)))
    space = {
        "o": Choice(("x", "y")),
        "v": Values(("1", "2", "3")),
        "n": Integers(math.floor(low), math.ceil(high) + 1),
    }
    if float(low) < float(high):
        space["u"] = Uniform(float(low), float(high))
        if low > 0:
            space["g"] = LogUniform(float(low), float(high))
    found = list(itertools.islice(draws(space, seed), 20))
    assert found[:7] == list(itertools.islice(draws(space, seed), 7))
    for values in found:
        assert values["o"] in ("x", "y")
        assert math.floor(low) <= int(values["n"]) <= math.ceil(high) + 1
        assert all(float(low) <= float(values[name]) <= float(high) for name in ("u", "g") if name in values)


def test_draws_use_the_whole_range() -> None:
    space = {"n": Integers(1, 3), "g": LogUniform(1e-4, 1), "o": Choice(("a", "b"))}
    found = list(itertools.islice(draws(space, 1), 300))
    assert {values["n"] for values in found} == {"1", "2", "3"}
    assert {values["o"] for values in found} == {"a", "b"}
    assert 100 < sum(float(values["g"]) < 1e-2 for values in found) < 200  # half of the orders of magnitude


def test_a_grid_is_every_combination() -> None:
    space = {"a": Values(("1", "2")), "b": Values(("x", "y", "z"))}
    found = list(grid(space))
    assert len(found) == grid_size(space) == 6
    assert found[:2] == [{"a": "1", "b": "x"}, {"a": "1", "b": "y"}]
    assert choose_optimizer(space, None, None) == (GRID, 6)
    assert choose_optimizer(space, 4, RANDOM) == (RANDOM, 4)
    with pytest.raises(UsageError, match="the grid has 6 trials, not 4"):
        choose_optimizer(space, 4, None)
    with pytest.raises(UsageError, match="'c' is drawn at random, so it must be said how often"):
        choose_optimizer({**space, "c": Uniform(0, 1)}, None, None)
    with pytest.raises(UsageError, match="1 to 100,000 trials"):
        choose_optimizer({name: Values(tuple(map(str, range(1000)))) for name in "ab"}, None, None)


@pytest.mark.parametrize(
    ("command", "values", "expected"),
    [
        ("python t.py", {"lr": "1"}, "python t.py --lr 1"),
        ("python t.py --lr 5 data", {"lr": "1"}, "python t.py --lr 1 data"),
        ("python t.py --lr=5 --lr 6", {"lr": "1"}, "python t.py --lr=1"),
        ("python t.py --batch-size 5", {"batch_size": "1"}, "python t.py --batch-size 1"),
        ("python t.py --lr -5 --b", {"lr": "-1"}, "python t.py --lr -1 --b"),
        ("python t.py --lr --b", {"lr": "1"}, "python t.py --lr 1 --b"),
        ("python t.py", {"o": "--evil"}, "python t.py --o=--evil"),
        ("python t.py model.lr={lr} {b}{lr}", {"lr": "1", "b": "{lr}"}, "python t.py model.lr=1 {lr}1"),
        ("awk {print} {x}", {"x": "1"}, "awk {print} 1"),
        ("python -X dev --x 1 t.py", {"x": "2"}, "python -X dev --x 1 t.py --x 2"),
        ("python t.py -- --x 1", {"x": "2"}, "python t.py --x 2 -- --x 1"),
    ],
)
def test_values_in_a_command(command: str, values: dict[str, str], expected: str) -> None:
    assert command_with(command.split(), values) == tuple(expected.split())


@given(TEXTS)
def test_a_value_is_one_word_and_no_other_option(text: str) -> None:
    word = command_with(["train"], {"x": text})[1:]
    assert word in (("--x", text), (f"--x={text}",))
    assert len(word) == 1 or not text.startswith("-") or text[1:2].isdigit() or text[1:2] == "."


def test_a_value_never_becomes_shell() -> None:
    assert command_with(["sh", "-c", "train {x}"], {"x": "a.b-1"}) == ("sh", "-c", "train a.b-1")
    for script in (
        ["sh", "-c", "train {x}"],
        ["/bin/bash", "-ec", "train {x}"],
        ["nice", "sh", "-e", "-c", "{x}"],
    ):
        with pytest.raises(RefusedError, match="a shell would read as more than a value"):
            command_with(script, {"x": "$(reboot)"})
    with pytest.raises(RefusedError):
        command_with(["sh", "-c", "train {x}"], {"x": ""})  # there would be no word at all
    assert command_with(["sh", "-c", 'train "$1"', "sh", "{x}"], {"x": "$(reboot)"})[-1] == "$(reboot)"
    with pytest.raises(UsageError, match="can be no option"):
        command_with(["train"], {"a b": "1"})


@given(st.dictionaries(TEXTS.filter(bool), TEXTS, min_size=1, max_size=3), st.integers(0, 2**32))
def test_plans_are_read_back(values: dict[str, str], seed: int) -> None:
    space = {name: quoted(text) for name, text in values.items()}
    plan = Plan(
        space, RANDOM, 3, Goal("loss", maximize=True), seed, None, (values,), {"command": ["a", "b c"]}
    )
    data = encode_plan(plan)
    if b"[redacted" not in data:
        assert decode_plan(data) == plan


def test_a_plan_keeps_no_secret() -> None:
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2
    plan = Plan({"x": f"a,{token}"}, GRID, 2, launch={"command": ["train", "--password", "hunter2!!x9"]})
    data = encode_plan(plan)
    assert token.encode() not in data
    assert b"hunter2" not in data
    assert decode_plan(data).secret


@pytest.mark.parametrize(
    "text", ["", "a: 1", "space: {}\noptimizer: grid\ntrials: x\nlaunch: {}", "space: [1]"]
)
def test_no_plan(text: str) -> None:
    with pytest.raises(DamagedError):
        decode_plan(text.encode())
