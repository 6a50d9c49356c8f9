"""The short cut into the index says what the decoder says, or nothing."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from gitml.errors import DamagedError
from gitml.formats.run_tree import decode_run, encode_run
from gitml.index.facts import POINT, facts_of, whole_row
from gitml.index.scan import scan
from tests.index.branch import make_run, summary
from tests.strategies import runs


def comparable(facts):
    names, rows = facts.metrics
    metrics = (names, [tuple(map(repr, whole_row(row))) for row in rows])
    params, tags = ((names, list(values)) for names, values in (facts.params, facts.tags))
    return repr(facts._replace(metrics=metrics, params=params, tags=tags))


def agrees(files) -> bool:
    """Whether the short cut took the files; fails if it read something else than the decoder."""
    facts = scan(files)
    if facts is None:
        return False
    assert comparable(facts) == comparable(facts_of(decode_run(files, commit="c" * 40)))
    return True


@given(runs)
def test_agrees_with_the_decoder(run):
    agrees(encode_run(run))


SAMPLE = make_run(
    7,
    user="ada",
    command=("python", "train.py", "--lr=0.1"),
    exit_code=0,
    params={
        "lr": 0.1,
        "depth": 8,
        "model": "cnn",
        "flag": True,
        "text": "it's: here",
        "small": 1e-5,
        "x": None,
    },
    metrics={"acc": summary(0.5), "val/loss": summary(3, count=9)},
    tags={"team": "a b", "quoted": "yes"},
    note="a note",
)


def test_takes_what_is_common():
    assert agrees(encode_run(SAMPLE))


def test_metrics_with_one_point_take_one_value_wherever_they_come_from():
    metrics = {
        "int": summary(3),
        "float": summary(3.0),
        "many": summary(0.5, count=9),
        "range": summary(2, low=1),
    }
    run = make_run(1, metrics=metrics)
    for facts in (scan(encode_run(run)), facts_of(run)):
        assert [len(row) == POINT for row in facts.metrics[1]] == [True, True, False, False]
    odd = {"nan": summary(math.nan), "zero": summary(0.0, low=-0.0), "types": summary(1.0, low=1)}
    short = [len(row) == POINT for row in facts_of(make_run(1, metrics=odd)).metrics[1]]
    assert short == [True, False, False]


LINES = [
    "a: 1\n", "true: 1\n", "n: x\n", "- a\n", "a: yes\n", "a: 0x10\n", "a: 1e5\n", "a: 2026-01-01\n", "a: b: c\n", "a:\n",
    "  commit: b41d77e0\n", "code:\n", "a: {last: 1}\n", "start: 20260101\n", "command: 5\n", "exit_code: 1.5\n", "\n",
    "status: odd\n", "duration_s: x\n", "a: [1, 2]\n", "a: 'x'\n", "a: x # c\n", "acc: {last: NaN, step: 1}\n", "a: -0\n",
]  # fmt: skip


@given(
    st.sampled_from(sorted(encode_run(SAMPLE))),
    st.sampled_from(["insert", "drop", "cut", "swap"]),
    st.integers(0, 1000),
    st.sampled_from(LINES) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
def test_a_record_that_was_edited_means_what_the_decoder_says(name, how, at, text):
    files = dict(encode_run(SAMPLE))
    content = files[name].decode()
    lines = content.splitlines(keepends=True)
    at_line = at % len(lines)
    if how == "insert":
        lines.insert(at_line, text)
    elif how == "drop":
        del lines[at_line]
    elif how == "cut":
        lines = [content[: at % len(content)] + text + content[at % len(content) + 1 :]]
    else:
        lines[at_line], lines[0] = lines[0], lines[at_line]
    files[name] = "".join(lines).encode()
    try:
        agrees(files)
    except DamagedError as err:
        raise AssertionError(f"the short cut took what the decoder refuses: {files[name]!r}") from err
