"""The SQL of a filter finds the runs of which the filter, read plainly, is true."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.entities.run import CodeState, DatasetInput, MetricSummary, RunStatus
from gitml.formats.run_tree import decode_run, encode_run
from gitml.index.connection import open_private
from gitml.index.expressions import Both, Compare, Either, Field, In, Kind, Like, Match, Missing, Not, Order
from gitml.index.fields import ATTRIBUTES, STATS, Type
from gitml.index.filters import parse_filter
from gitml.index.reading import load_runs
from gitml.index.rows import RowWriter
from gitml.index.search import Query, search
from gitml.index.sql import condition_sql, order_sql
from tests.index.branch import make_run, summary
from tests.index.evaluate import Null, holds, number_of, text_of, values_of

# Few names and few values, so that they meet.
KEYS = st.sampled_from(["a", "b", "loss.min"])
TEXTS = st.sampled_from(
    [
        "",
        "a",
        "A",
        "ab",
        "Ä",
        "ä",
        "x%y",
        "x*y",
        "[a]",
        "?",
        "1",
        "1.0",
        "0.5",
        "1e-05",
        "true",
        "True",
        "None",
        "null",
        "nan",
        "inf",
        "-inf",
        "x\ny",
    ]
)
INTEGERS = st.sampled_from([0, 1, -1, 5, 2**53 + 1, 2**63 - 1, -(2**63), 2**70])
FLOATS = st.sampled_from(
    [0.0, -0.0, 0.5, 1.0, 1e-5, 1e300, float("inf"), float("-inf"), float("nan"), float(2**53)]
)
NUMBERS = INTEGERS | FLOATS
SMALL = st.sampled_from([0, 1, 2, 5])
MS = st.sampled_from([1_770_000_000_000, 1_770_000_001_000, 1_780_000_000_000])
COMMITS = st.sampled_from(["b41d77e0" * 5, "b41d77e1" * 5, "0" * 40])

summaries = st.builds(
    MetricSummary, *(FLOATS | st.sampled_from([0, 1, 5, 2**53 + 1]), SMALL, MS) * 1,
    min=FLOATS, min_step=SMALL, max=FLOATS, max_step=SMALL, count=SMALL,
)  # fmt: skip
points = st.builds(
    lambda v, step, ms: MetricSummary(v, step, ms, v, step, v, step, 1),
    FLOATS | st.integers(-1, 5),
    SMALL,
    MS,
)
optional = st.none() | TEXTS.filter(bool)
runs = st.builds(
    make_run,
    st.integers(0, 9),
    name=TEXTS.filter(bool),
    status=st.sampled_from(RunStatus),
    start_ms=MS,
    end_ms=st.none() | MS,
    duration_s=st.none() | st.sampled_from([0.5, 1.0, 300.0]),
    user=optional,
    parent_id=st.none() | st.sampled_from(["0" * 31 + "1"]),
    exit_code=st.none() | SMALL,
    error=optional,
    note=TEXTS,
    code=st.builds(CodeState, commit=st.none() | COMMITS, branch=optional, dirty=st.booleans()),
    params=st.dictionaries(KEYS, st.none() | st.booleans() | NUMBERS | TEXTS | st.lists(NUMBERS | TEXTS, max_size=2), max_size=3),
    metrics=st.dictionaries(KEYS, summaries | points, max_size=3),
    tags=st.dictionaries(KEYS, TEXTS, max_size=3),
    inputs=st.lists(st.builds(DatasetInput, name=TEXTS.filter(bool), digest=TEXTS.filter(bool), context=optional), max_size=2).map(tuple),
)  # fmt: skip

OPS = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
EQUALS = st.sampled_from(["=", "!="])
PATTERNS = st.sampled_from(["%", "a%", "%A", "_", "x%y", "x*y", "[a]", "?", "Ä", "%ä%", "null", "1%", "x_y"])
EXPRESSIONS = st.sampled_from(["^a", "b$", "[aA]", "(?i)ä", "1|0", "", "^$", "x.y"])


def of_type(field: Field, ops, values, *, text: bool):
    options = [
        st.builds(Compare, st.just(field), ops, values),
        st.builds(In, st.just(field), st.lists(values, max_size=4).map(tuple), st.booleans()),
        st.builds(Missing, st.just(field), st.booleans()),
    ]
    if text:
        options += [
            st.builds(Like, st.just(field), PATTERNS, st.booleans(), st.booleans()),
            st.builds(Match, st.just(field), EXPRESSIONS, st.booleans()),
        ]
    return st.one_of(options)


def about(field: Field):
    if field.kind is Kind.METRIC:
        return of_type(field, OPS, NUMBERS, text=False)
    if field.kind is Kind.PARAM:
        return of_type(field, OPS, NUMBERS | TEXTS, text=True) | of_type(
            field, EQUALS, st.booleans(), text=True
        )
    if field.kind in (Kind.TAG, Kind.DATASET):
        return of_type(field, OPS, TEXTS, text=True)
    kind = ATTRIBUTES[field.key].type
    if kind is Type.ADDRESS:
        one = "0" * 31 + "1"
        addresses = st.sampled_from([f"gitml/{one}/artifacts", f"runs:/{one}", one, "x", ""])
        return of_type(field, EQUALS, addresses, text=True) | st.builds(
            Like, st.just(field), st.sampled_from(["runs:/%", "%1", "RUNS:/_%"]), st.booleans(), st.booleans()
        )
    if kind is Type.BOOLEAN:
        return of_type(field, EQUALS, st.booleans(), text=False)
    if kind in (Type.TEXT, Type.STATUS, Type.COMMIT):
        return of_type(
            field, OPS, TEXTS | st.sampled_from(["finished", "B41D77E", "b41d77e0" * 5]), text=True
        )
    return of_type(field, OPS, MS | FLOATS.filter(lambda x: x == x) | SMALL, text=False)


fields = st.one_of(
    st.builds(Field, st.just(Kind.METRIC), KEYS, st.sampled_from(STATS)),
    st.builds(Field, st.just(Kind.PARAM), KEYS),
    st.builds(Field, st.just(Kind.TAG), KEYS),
    st.builds(Field, st.just(Kind.ATTRIBUTE), st.sampled_from(sorted(ATTRIBUTES))),
    st.builds(Field, st.just(Kind.DATASET), st.sampled_from(["name", "digest", "context"])),
)
conditions = st.recursive(
    fields.flatmap(about),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=1, max_size=4).map(lambda items: Both(tuple(items))),
        st.lists(inner, min_size=1, max_size=4).map(lambda items: Either(tuple(items))),
    ),
    max_leaves=6,
)
different_runs = st.lists(runs, max_size=6, unique_by=lambda run: run.id)


def filled(some_runs) -> sqlite3.Connection:
    connection = open_private()
    writer = RowWriter(connection)
    for run in some_runs:
        writer.put_run(run)
    writer.flush()
    return connection


@given(different_runs, conditions)
def test_sql_agrees_with_plain_python(some_runs, condition):
    connection = filled(some_runs)
    sql, values = condition_sql(condition)
    rows = connection.execute(f"SELECT run_id, {sql} FROM run r", [*values]).fetchall()
    connection.close()
    assert dict(rows) == {run.id: int(holds(condition, run)) for run in some_runs}


def sort_key(order: Order, run):
    """Numbers before texts, NaN and then what is missing last; within those by value."""
    found = [value for value in values_of(order.field, run) if not isinstance(value, Null)]
    if not found:
        return (3, 0, "")
    value = found[0]
    if order.field.kind is Kind.PARAM:
        number = number_of(value)
        return (
            (0, number, text_of(value)) if number is not None and number == number else (1, 0, text_of(value))
        )
    if isinstance(value, str):
        return (0, 0, value)
    return (0, value, "") if value == value else (2, 0, "")


@given(
    different_runs,
    fields.filter(lambda f: f.kind is not Kind.DATASET),
    st.booleans(),
)
def test_order_agrees_with_plain_python(some_runs, field, descending):
    connection = filled(some_runs)
    order = Order(field, descending)
    joins, terms, values = order_sql([order])
    rows = connection.execute(f"SELECT r.run_id FROM run r {joins} ORDER BY {terms}", values).fetchall()
    connection.close()
    expected = sorted(some_runs, key=lambda run: (-run.start_ms, run.id))
    expected.sort(key=lambda run: sort_key(order, run)[1:], reverse=descending)
    expected.sort(key=lambda run: sort_key(order, run)[0])
    assert [run_id for (run_id,) in rows] == [run.id for run in expected]


@given(different_runs)
def test_runs_come_back_as_they_were(some_runs):
    connection = filled(some_runs)
    numbers = [number for (number,) in connection.execute("SELECT run_n FROM run ORDER BY run_n")]
    expected = [replace(decode_run(encode_run(run), commit="x"), commit=None) for run in some_runs]
    assert repr(list(load_runs(connection, numbers))) == repr(expected)
    connection.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.a > 1", "3"),
        ("not (metrics.a > 1)", "124"),
        ("metrics.a != 1", "234"),
        ("metrics.a is null", "1"),
        ("metrics.a = nan", "4"),
        ("metrics.a not in (0.5, 7)", "4"),
        ("params.lr < 0.2", "12"),
        ("params.lr = '0.1'", "1"),
        ("params.lr = 0.1", "12"),
        ("params.lr != 0.1", "34"),
        ("params.lr is null", ""),
        ("params.flag = true", "1"),
        ("params.flag = 'True'", "1"),
        ("params.flag is null", "234"),
        ("params.flag != 'x'", "12"),
        ("params.flag = 'None'", "2"),
        ("status in ('failed', 'FINISHED') and start_time < '2099-01-01'", "1234"),
        ("run_name like 'run-_' and name ~ '[34]$'", "34"),
        ("experiment = 'churn' and not live", "1234"),
    ],
)
def test_examples(text, expected):
    some = [
        make_run(1, params={"lr": 0.1, "flag": True}),
        make_run(2, params={"lr": "0.10", "flag": None}, metrics={"a": summary(0.5)}),
        make_run(3, params={"lr": 0.3}, metrics={"a": summary(7)}),
        make_run(4, params={"lr": "auto"}, metrics={"a": summary(float("nan"))}),
    ]
    connection = filled(some)
    found = search(connection, Query(filter=text, order_by=("run_id",)))
    connection.close()
    assert "".join(run.id[-1] for run in found) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("code.commit = '0988'", "1"),
        ("git_commit = '098'", ""),
        ("code.commit = '0988AB'", "1"),
        ("code.commit = '0988ac'", ""),
        ("code.commit != '0988'", "2"),
        ("code.commit in ('0988', 'ffff')", "12"),
        ("code.commit not in ('0988')", "2"),
        (f"code.commit = '{'f' * 40}'", "2"),
    ],
)
def test_commits_are_found_by_how_they_begin(text, expected):
    some = [
        make_run(1, code=CodeState(commit="0988ab" + "0" * 34)),
        make_run(2, code=CodeState(commit="f" * 40)),
        make_run(3),
    ]
    connection = filled(some)
    found = search(connection, Query(filter=text, order_by=("run_id",)))
    connection.close()
    assert "".join(run.id[-1] for run in found) == expected


def test_a_long_chain_is_no_deep_expression():
    connection = filled([make_run(1)])
    text = " or ".join(["metrics.a > 1"] * 500 + ["live"] * 100)
    assert parse_filter(text) is not None
    assert search(connection, Query(filter=text)) == []
    assert len(search(connection, Query(filter=f"run_id in ({', '.join(['1'] * 3000)}) or not live"))) == 1
    connection.close()
