from __future__ import annotations

import math

import pytest

from gitml.errors import UsageError
from gitml.index.expressions import Both, Compare, Either, Field, In, Kind, Like, Match, Missing, Not, Order
from gitml.index.filters import FilterSyntaxError, parse_filter, parse_order

NOW = 1_800_000_000_000


def metric(key, stat="last"):
    return Field(Kind.METRIC, key, stat)


def param(key):
    return Field(Kind.PARAM, key)


def tag(key):
    return Field(Kind.TAG, key)


def attribute(key):
    return Field(Kind.ATTRIBUTE, key)


MLFLOW = {
    "metrics.rmse < 1": Compare(metric("rmse"), "<", 1),
    "metric.acc >= 0.94": Compare(metric("acc"), ">=", 0.94),
    "metrics.acc != -1.5e-3": Compare(metric("acc"), "!=", -0.0015),
    "metrics.`cross-entropy loss` = 0": Compare(metric("cross-entropy loss"), "=", 0),
    'metrics."a b/c" > 1': Compare(metric("a b/c"), ">", 1),
    "metrics.val/acc > 0.5": Compare(metric("val/acc"), ">", 0.5),
    "metrics.f1-score > 0.5": Compare(metric("f1-score"), ">", 0.5),
    "params.model = 'LogisticRegression'": Compare(param("model"), "=", "LogisticRegression"),
    'params.model = "a b"': Compare(param("model"), "=", "a b"),
    "parameter.lr = '0.01'": Compare(param("lr"), "=", "0.01"),
    "parameters.`learning rate` != 'x'": Compare(param("learning rate"), "!=", "x"),
    "param.model LIKE '%Regression'": Like(param("model"), "%Regression"),
    "params.model ILIKE 'log%'": Like(param("model"), "log%", ignore_case=True),
    "params.model IS NULL": Missing(param("model")),
    "params.model IS NOT NULL": Missing(param("model"), negated=True),
    "tags.team = 'a'": Compare(tag("team"), "=", "a"),
    'tag."mlflow.parentRunId" = "abc"': Compare(attribute("parent_run_id"), "=", "abc"),
    "tags.mlflow.parentRunId = 'abc'": Compare(attribute("parent_run_id"), "=", "abc"),
    "tags.mlflow.runName LIKE 'x%'": Like(attribute("run_name"), "x%"),
    "tags.`mlflow.note.content` IS NULL": Missing(attribute("note")),
    "tags.mlflow.user = 'ada'": Compare(attribute("user_id"), "=", "ada"),
    "tags.mlflow.source.git.commit = 'b41d77e0'": Compare(attribute("code.commit"), "=", "b41d77e0"),
    "attributes.status = 'FINISHED'": Compare(attribute("status"), "=", "finished"),
    "attribute.run_name = 'x'": Compare(attribute("run_name"), "=", "x"),
    "attr.`Run Name` = 'x'": Compare(attribute("run_name"), "=", "x"),
    'attributes."run name" = "x"': Compare(attribute("run_name"), "=", "x"),
    "run.user_id = 'ada'": Compare(attribute("user_id"), "=", "ada"),
    "status = 'RUNNING'": Compare(attribute("status"), "=", "running"),
    "run_name = 'x'": Compare(attribute("run_name"), "=", "x"),
    "attributes.start_time > 1664067852747": Compare(attribute("start_time"), ">", 1664067852747),
    "created <= 1664067852747": Compare(attribute("start_time"), "<=", 1664067852747),
    "end_time < 1664067852747": Compare(attribute("end_time"), "<", 1664067852747),
    "artifact_uri = 'x/abc/artifacts'": Compare(attribute("artifact_uri"), "=", "x/abc/artifacts"),
    "artifact_uri != 'x'": Compare(attribute("artifact_uri"), "!=", "x"),
    "attributes.artifact_uri LIKE '%'": Like(attribute("artifact_uri"), "%"),
    "artifact_uri IN ('x', 'y')": In(attribute("artifact_uri"), ("x", "y")),
    "metrics.'loss' > 2": Compare(metric("loss"), ">", 2),
    "params.'learning rate' = 'x'": Compare(param("learning rate"), "=", "x"),
    "attributes.'run_name' = 'x'": Compare(attribute("run_name"), "=", "x"),
    "attributes.run_id IN ('a', 'b')": In(attribute("run_id"), ("a", "b")),
    'run_id NOT IN ("a",)': In(attribute("run_id"), ("a",), negated=True),
    "datasets.name = 'train'": Compare(Field(Kind.DATASET, "name"), "=", "train"),
    "dataset.digest LIKE 'ab%'": Like(Field(Kind.DATASET, "digest"), "ab%"),
    "datasets.context IN ('train','test')": In(Field(Kind.DATASET, "context"), ("train", "test")),
    "metrics.a > 1 and params.b = 'x' AND tags.c != 'y'": Both(
        (Compare(metric("a"), ">", 1), Compare(param("b"), "=", "x"), Compare(tag("c"), "!=", "y"))
    ),
}

GITML = {
    "live": Compare(attribute("live"), "=", True),
    "not dirty": Not(Compare(attribute("dirty"), "=", True)),
    "dirty = false": Compare(attribute("dirty"), "=", False),
    "(live OR dirty) AND NOT (live)": Both(
        (
            Either((Compare(attribute("live"), "=", True), Compare(attribute("dirty"), "=", True))),
            Not(Compare(attribute("live"), "=", True)),
        )
    ),
    "live or dirty and live": Either(
        (
            Compare(attribute("live"), "=", True),
            Both((Compare(attribute("dirty"), "=", True), Compare(attribute("live"), "=", True))),
        )
    ),
    "params.lr < 0.01": Compare(param("lr"), "<", 0.01),
    "params.lr < '0.01'": Compare(param("lr"), "<", 0.01),
    "params.day >= '2026-01-01'": Compare(param("day"), ">=", "2026-01-01"),
    "params.lr = 1": Compare(param("lr"), "=", 1),
    "params.flag = true": Compare(param("flag"), "=", True),
    "params.x <> 'a'": Compare(param("x"), "!=", "a"),
    "params.x == 'it''s'": Compare(param("x"), "=", "it's"),
    "params.x in (1, '2', 0.5)": In(param("x"), (1, "2", 0.5)),
    "metrics.a not in (1, 2)": In(metric("a"), (1, 2), negated=True),
    "metrics.a IS NULL": Missing(metric("a")),
    "metrics.loss.min < 1": Compare(metric("loss", "min"), "<", 1),
    "metrics.loss.max < 1": Compare(metric("loss", "max"), "<", 1),
    "metrics.loss.last < 1": Compare(metric("loss"), "<", 1),
    "metrics.loss.count < 1": Compare(metric("loss", "count"), "<", 1),
    "metrics.loss.min_step < 1": Compare(metric("loss", "min_step"), "<", 1),
    "metrics.`a b`.max_step < 1": Compare(metric("a b", "max_step"), "<", 1),
    "metrics.loss.step < 1": Compare(metric("loss", "step"), "<", 1),
    "metrics.`loss.min` < 1": Compare(metric("loss.min"), "<", 1),
    "metrics.`val loss`.min < 1": Compare(metric("val loss", "min"), "<", 1),
    "params.loss.min = 'x'": Compare(param("loss.min"), "=", "x"),
    "metrics.a < inf": Compare(metric("a"), "<", math.inf),
    "metrics.a > -Infinity": Compare(metric("a"), ">", -math.inf),
    "metrics.a = +.5": Compare(metric("a"), "=", 0.5),
    "params.x ~ '^a\\d+'": Match(param("x"), "^a\\d+"),
    "params.x !~ 'b'": Match(param("x"), "b", negated=True),
    "params.x RLIKE 'b'": Match(param("x"), "b"),
    "params.x not rlike 'b'": Match(param("x"), "b", negated=True),
    "params.x NOT LIKE 'b'": Like(param("x"), "b", negated=True),
    "duration > 5m": Compare(attribute("duration"), ">", 300.0),
    "duration > '1h 30m'": Compare(attribute("duration"), ">", 5400.0),
    "duration <= 90": Compare(attribute("duration"), "<=", 90.0),
    "start_time > '7d ago'": Compare(attribute("start_time"), ">", NOW - 7 * 86_400_000),
    "start_time > 'now'": Compare(attribute("start_time"), ">", NOW),
    "start_time > '2026-11-01T12:00:00Z'": Compare(attribute("start_time"), ">", 1_793_534_400_000),
    "start_time > '2026-11-01 14:00+02:00'": Compare(attribute("start_time"), ">", 1_793_534_400_000),
    "name = 'x'": Compare(attribute("run_name"), "=", "x"),
    "experiment = 'x'": Compare(attribute("experiment"), "=", "x"),
    "experiment_id = 0": Compare(attribute("experiment_id"), "=", "0"),
    "code.commit = 'b41d77e'": Compare(attribute("code.commit"), "=", "b41d77e"),
    "branch like 'feature/%'": Like(attribute("branch"), "feature/%"),
    "parent = 'abc'": Compare(attribute("parent_run_id"), "=", "abc"),
    "exit_code != 0": Compare(attribute("exit_code"), "!=", 0),
    "host is null": Missing(attribute("host")),
    "params.größe = 1": Compare(param("größe"), "=", 1),
    "params.android = 'x' or params.x=1": Either(
        (Compare(param("android"), "=", "x"), Compare(param("x"), "=", 1))
    ),
}


@pytest.mark.parametrize("text", MLFLOW)
def test_reads_what_mlflow_reads(text):
    assert parse_filter(text, now_ms=NOW) == MLFLOW[text]


@pytest.mark.parametrize("text", GITML)
def test_reads_more_than_mlflow(text):
    assert parse_filter(text, now_ms=NOW) == GITML[text]


def test_nan_is_a_value():
    condition = parse_filter("metrics.a = NaN")
    assert isinstance(condition, Compare)
    assert math.isnan(condition.value)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_no_filter_is_no_condition(text):
    assert parse_filter(text) is None


def test_days_are_those_of_the_person_who_asks(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        condition = parse_filter("start_time > '2026-11-01'")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert condition == Compare(attribute("start_time"), ">", 1_793_458_800_000)


def test_a_metric_whose_name_ends_like_a_statistic_is_found_where_there_is_no_other():
    known = {"loss.min"}
    assert parse_filter("metrics.loss.min > 1", is_metric=known.__contains__) == Compare(
        metric("loss.min"), ">", 1
    )
    known.add("loss")
    assert parse_filter("metrics.loss.min > 1", is_metric=known.__contains__) == Compare(
        metric("loss", "min"), ">", 1
    )


WRONG = [
    # text, where, part of the problem, part of the hint
    ("metrics.acc >> 0.9", 13, "expected a value, found '>'", ""),
    ("metrics.acc >", 13, "found the end", ""),
    ("metrics.acc 0.9", 12, "expected a comparison", ""),
    ("acc > 0.9", 0, "no attribute 'acc'", "metrics.X"),
    ("strat_time > 5", 0, "no attribute 'strat_time'", "start_time"),
    ("metrcs.acc > 0.9", 0, "'metrcs'", "metrics.acc"),
    ("params.model = cnn", 15, "expected a value", "'cnn'"),
    ("params.model = null", 15, "expected a value", "IS NULL"),
    ("params.model = 'cnn", 15, "expected a value", "not closed"),
    ("(metrics.a > 1", 14, "expected ')'", ""),
    ("metrics.a > 1)", 13, "found ')'", ""),
    ("metrics.a > 1 metrics.b > 1", 14, "AND or OR", ""),
    ("metrics.a > 1 and", 17, "found the end", ""),
    ("status = 'finish'", 9, "not a status", "finished"),
    ("params.x ~ 'a(b'", 13, "regular expression", ""),
    ("metrics.a like 'x'", 10, "compares text", ""),
    ("metrics.a = 'x'", 12, "not a number", ""),
    ("metrics.a = true", 12, "not a number", ""),
    ("start_time > 'soon'", 13, "not a time", "7d ago"),
    ("duration > 'long'", 11, "not a duration", "5m"),
    ("dirty > true", 6, "=, != only", ""),
    ("dirty = 'perhaps'", 8, "true or false", ""),
    ("artifact_uri < 'x'", 13, "=, != only", ""),
    ("'loss' > 2", 0, "a name", ""),
    ("metrics.a", 9, "expected a comparison", ""),
    ("datasets.size = 'x'", 0, "no 'size'", "datasets.name"),
    ("params.`` = 'x'", 0, "missing", ""),
    ("metrics.a in 1", 13, "a list in parentheses", ""),
    ("metrics.a in (1 2)", 16, "a comma", ""),
    ("metrics.a > 1 # note", 14, "found '#'", ""),
    ("metrics.a > 1.2.3", 12, "expected a value", ""),
    ("metrics.a > 1 && live", 14, "expected AND or OR or the end, found '&'", ""),
    ("metrics.a % 1", 10, "IS NULL) or AND or OR or the end, found '%'", ""),
    ("metrics.a in (1; 2)", 15, "expected a comma or ')', found ';'", ""),
]


@pytest.mark.parametrize(("text", "position", "problem", "hint"), WRONG)
def test_a_wrong_filter_points_at_the_character(text, position, problem, hint):
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter(text)
    error = caught.value
    assert isinstance(error, UsageError)
    assert error.position == position
    assert problem in error.problem
    assert hint in (error.hint or "")
    lines = str(error).split("\n")
    assert lines[1] == f"  {text}"
    assert lines[2] == "  " + " " * position + "^"


def test_the_mark_stands_below_the_character_on_a_terminal():
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter("name = '日本語e\u0301' foo")
    assert str(caught.value).split("\n")[2] == "  " + " " * len("name = 'nihongo' ") + "^"


def test_a_long_filter_is_shown_in_part():
    text = "params.x = 'y' and " * 100 + "metrics.a >> 1"
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter(text)
    _, shown, caret = str(caught.value).split("\n")
    assert len(shown) < 130
    assert shown[caret.index("^")] == ">"
    assert text[caught.value.position] == ">"


def test_control_characters_are_not_shown():
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter("params.x = \x1b[31m")
    assert "\x1b" not in str(caught.value).split("\n", 1)[1]


@pytest.mark.parametrize("text", ["(" * 101 + "live" + ")" * 101, "not " * 101 + "live"])
def test_deep_nesting_is_refused(text):
    with pytest.raises(FilterSyntaxError, match="nested more than 100 deep"):
        parse_filter(text)


@pytest.mark.parametrize(
    "text", ["(" * 99 + "live" + ")" * 99, "not " * 99 + "live", "live or " * 1200 + "live"]
)
def test_what_is_not_too_deep_is_read(text):
    assert parse_filter(text) is not None


def test_length_is_limited():
    with pytest.raises(FilterSyntaxError, match="at most 10,000"):
        parse_filter("live or " * 1300 + "live")


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("metrics.acc DESC", Order(metric("acc"), descending=True)),
        ("metrics.acc asc", Order(metric("acc"))),
        ("-metrics.acc", Order(metric("acc"), descending=True)),
        ("- params.`a b`", Order(param("a b"), descending=True)),
        ("attributes.start_time", Order(attribute("start_time"))),
        ("`Run Name` DESC", Order(attribute("run_name"), descending=True)),
        ("metrics.loss.min", Order(metric("loss", "min"))),
        ("tags.mlflow.user", Order(attribute("user_id"))),
        ("note", Order(attribute("note"))),
        ("artifact_uri DESC", Order(attribute("artifact_uri"), descending=True)),
        ("metrics.'a b' DESC", Order(metric("a b"), descending=True)),
    ],
)
def test_sort_keys(text, order):
    assert parse_order(text) == order


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("acc", 0),
        ("metrics.acc DOWN", 12),
        ("-metrics.acc DESC", 13),
        ("", 0),
        ("datasets.name", 0),
        ("a, b", 1),
    ],
)
def test_wrong_sort_keys(text, position):
    with pytest.raises(FilterSyntaxError) as caught:
        parse_order(text)
    assert caught.value.position == position
