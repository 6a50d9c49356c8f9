"""What programs read: JSON, CSV, Markdown, tab-separated, templates."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.entities.run import CodeState, DatasetInput, MetricPoint
from gitml.index.fields import ATTRIBUTES
from gitml.render.as_json import dump_json, dump_json_line, plain, point_document, run_document
from gitml.render.fields import Names, UnknownColumnError, field_value, filter_name, find_field
from gitml.render.listing import Listing, to_csv, to_json, to_json_lines, to_markdown, to_porcelain
from gitml.render.runs_table import RunsView, select_fields
from gitml.render.runs_text import group_runs, groups_listing, runs_listing, vertical
from gitml.render.template import FormatError, parse_template
from tests.render.builder import HOSTILE, make_run

VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20)
)


def refuse(constant: str) -> float:
    raise AssertionError(f"{constant} is not JSON")


@given(
    st.recursive(
        VALUES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    )
)
def test_everything_becomes_strict_json(value: object) -> None:
    document = json.loads(dump_json("x", value), parse_constant=refuse)
    assert document["schema"] == 1
    assert "\n" not in dump_json_line({"x": value})


def test_numbers_that_json_lacks_are_strings() -> None:
    assert plain([math.nan, math.inf, -math.inf, 2**63, 0.1]) == ["NaN", "Infinity", "-Infinity", 2**63, 0.1]


def test_a_run_has_a_stable_shape() -> None:
    run = make_run(
        "one", metrics={"acc": 0.9}, params={"lr": 0.1, "layers": [1, 2]}, code=CodeState(commit="c" * 40, dirty=True),
        inputs=(DatasetInput("train", "sha256:1"),), tags={"team": "vision"},
    )  # fmt: skip
    document = json.loads(dump_json("run", run_document(run)))["run"]
    assert document["experiment"] == {"id": "0", "name": "Default"}
    assert document["start"] == "2025-11-24T15:00:00.000Z"
    assert document["metrics"]["acc"]["last"] == 0.9
    assert document["params"] == {"lr": 0.1, "layers": [1, 2]}
    assert document["code"]["commit"] == "c" * 40
    assert document["inputs"][0]["digest"] == "sha256:1"
    assert set(document) == {
        "id", "name", "experiment", "status", "live", "start", "end", "duration_s", "parent", "user", "host",
        "entry_point", "command", "exit_code", "error", "incomplete", "deleted", "code", "directory", "project",
        "params", "metrics",
        "tags", "inputs", "note", "commit",
    }  # fmt: skip
    assert point_document(MetricPoint(3, 1000, 0.5)) == {
        "step": 3,
        "time": "1970-01-01T00:00:01.000Z",
        "value": 0.5,
    }


@given(st.lists(st.fixed_dictionaries({"a": VALUES, "b": VALUES}), min_size=1, max_size=5))
def test_every_format_has_one_record_a_record(records: list[dict[str, object]]) -> None:
    listing = Listing.of("things", records, ("a", "b"))
    # Python 3.10 can't read NUL back, though it is allowed in a field.
    rows = list(csv.reader(io.StringIO(to_csv(listing).replace("\0", ""), newline="")))
    assert [len(row) for row in rows] == [2] * (len(records) + 1)
    assert len(json.loads(to_json(listing))["things"]) == len(records)
    assert to_json_lines(listing, end="\0").count("\0") == len(records)
    lines = to_porcelain(listing).split("\n")
    assert lines[0] == "# gitml porcelain 1 things\ta\tb"
    assert [line.count("\t") for line in lines[1:-1]] == [1] * len(records)
    table = to_markdown(listing).splitlines()
    assert len(table) == len(records) + 2


def test_runs_have_all_fields_in_csv_and_fixed_ones_for_scripts() -> None:
    runs = [
        make_run("one", metrics={"acc": 0.9471}, params={"lr": 1e-3}),
        make_run("two", params={"depth": 3}),
    ]
    listing = runs_listing(runs, None, select_fields(runs, RunsView()))
    rows = list(csv.DictReader(io.StringIO(to_csv(listing))))
    assert rows[0]["metrics.acc"] == "0.9471"
    assert rows[0]["params.depth"] == ""
    assert {*rows[0]} - {"metrics.acc", "params.lr", "params.depth"} == {
        "id", "name", "experiment", "experiment_id", "status", "live", "start", "end", "duration_s", "user",
        "host", "code.commit", "code.branch", "code.dirty", "parent", "entry_point", "command", "exit_code",
        "error", "note", "deleted", "commit",
    }  # fmt: skip
    assert rows[1]["params.depth"] == "3"
    assert to_porcelain(listing).splitlines()[0].split("\t")[1:] == [
        "id", "status", "name", "experiment", "start", "duration_s", "code.commit", "code.dirty", "user", "parent",
    ]  # fmt: skip


def test_markdown_shows_hostile_text_as_text() -> None:
    table = to_markdown(Listing.of("x", [{"name": HOSTILE}]))
    assert len(table.splitlines()) == 3
    assert "\\<img" in table
    assert "\\|" in table
    assert "\x1b" not in table


def test_names_lead_to_fields() -> None:
    runs = [
        make_run("one", metrics={"acc": 0.9, "loss.min": 3}, params={"lr": 0.1, "acc": 1}, tags={"team": "a"})
    ]
    names = [
        "acc",
        "params.acc",
        "p.lr",
        "lr",
        "team",
        "loss.min",
        "acc.max",
        "user",
        "attributes.status",
        "duration",
    ]
    assert [find_field(name, runs) for name in names] == [
        "metrics.acc", "params.acc", "params.lr", "params.lr", "tags.team", "metrics.loss.min", "metrics.acc.max",
        "user", "status", "duration_s",
    ]  # fmt: skip
    with pytest.raises(UnknownColumnError) as caught:
        find_field("metrics.ac", runs)
    assert "metrics.acc" in (caught.value.hint or "")


def test_names_of_filters_are_names_of_fields() -> None:
    run = make_run("one", metrics={"loss": 3, "a,b": 1}, params={"lr": 1}, tags={"team": "a"}, note="n",
                   inputs=(DatasetInput("train", "1"), DatasetInput("test", "2", context="eval")))  # fmt: skip
    names = Names(run.metrics, run.params, run.tags)
    for attribute in ATTRIBUTES.values():
        fields = {
            find_field(prefix + name, (), names)
            for name in (attribute.name, *attribute.aliases)
            for prefix in ("", "attributes.", "run.")
        }
        assert len(fields) == 1, fields
        assert filter_name(fields.pop(), run.metrics) == attribute.name
    assert field_value(run, find_field("dataset.name", (), names)) == "train, test"
    assert field_value(run, find_field("datasets.context", (), names)) == "eval"
    assert field_value(run, find_field("tags.mlflow.runName", (), names)) == "one"
    for written in ("parameter.lr", 'params."lr"', "params.'lr'", "Params.lr", "`lr`"):
        assert find_field(written, (), names) == "params.lr"
    for written, whole in (("loss.min_step", "metrics.loss.min_step"), ("a,b", "metrics.`a,b`")):
        assert filter_name(find_field(written, (), names), run.metrics) == whole
    assert find_field("time", (), names) == "duration_s"
    assert find_field("time", (), Names({"time"})) == "metrics.time"
    assert filter_name("command", ()) is None


def test_templates_are_git_s() -> None:
    run = make_run("one", metrics={"acc": 0.5}, params={"lr": 0.001}, tags={"team": "a"}, id="0123456789" * 3)
    names = Names(run.metrics, run.params, run.tags)
    text = parse_template(
        "%h %s %(metrics.acc)%x09%(params.lr) %(tags.team) %(tags.none)|%S%n%%", lambda: names
    ).fill(run)
    assert text == "0123456 one 0.5\t0.001 a |finished\n%"
    assert parse_template("%(acc.max) %(lr) %(`team`) %(user)", lambda: names).fill(run) == (
        "0.5 0.001 a Ada <ada@example.org>"
    )
    for wrong in ("%Q", "%(nothing)", "%(metrics.)", "abc%"):
        with pytest.raises(FormatError):
            parse_template(wrong, lambda: names)
    with pytest.raises(FormatError) as caught:
        parse_template("%(ac)", lambda: names)
    assert caught.value.hint == "did you mean metrics.acc?"


def test_vertical_has_one_key_a_line() -> None:
    run = make_run("one", metrics={"acc": 0.5}, note="two\nlines")
    lines = vertical([run], ()).splitlines()
    assert all(line.startswith(run.id[:7] + " ") for line in lines)
    assert f"{run.id[:7]} metrics.acc: 0.5" in lines
    assert f"{run.id[:7]} note: two lines" in lines


def test_groups_are_values_of_one_type() -> None:
    runs = [
        make_run(str(i), params={"a": value}, metrics={"acc": i / 10})
        for i, value in enumerate([1, 1, "1", True])
    ]
    groups = group_runs(runs, "params.a")
    assert [len(members) for _, members in groups] == [2, 1, 1]
    record = groups_listing(groups, "params.a", ["acc"]).records[0]
    assert record["n"] == 2
    assert record["metrics.acc.mean"] == pytest.approx(0.05)
