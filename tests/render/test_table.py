"""Tables never wrap, and what was left out is named."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gitml.render.ink import Ink
from gitml.render.runs_table import RunsView, leaders, runs_table, select_fields
from gitml.render.table import Cell, Column, Table, draw
from gitml.render.text import clean, width
from tests.render.builder import HOSTILE, NOW_MS, make_run

WORDS = st.text(st.characters(codec="utf-8"), max_size=20).map(clean)


def table_of(*columns: Column, rows: list[list[str]]) -> Table:
    return Table(columns, tuple(tuple(Cell(text) for text in row) for row in rows))


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=5), st.integers(20, 100))
def test_no_line_is_wider_than_allowed(rows: list[tuple[str, str, str]], cells: int) -> None:
    columns = (Column("A", narrowest=6), Column("B", drop=1, name="b"), Column("C", drop=2, name="c"))
    drawing = draw(table_of(*columns, rows=[list(row) for row in rows]), cells=cells)
    assert all(width(line) <= cells for line in drawing.lines)
    assert len(drawing.lines) == len(rows) + 1


def test_columns_go_by_priority_and_are_named() -> None:
    columns = (Column("keep"), Column("first", drop=9, name="first"), Column("second", drop=1, name="second"))
    table = table_of(*columns, rows=[["aaaa", "bbbbbbbb", "cccccc"]])
    assert draw(table, cells=15).left_out == ["first"]
    assert draw(table, cells=5).left_out == ["first", "second"]
    assert draw(table).left_out == []


def test_numbers_are_aligned_to_the_right() -> None:
    table = table_of(Column("n", right=True), Column("t"), rows=[["1", "x"], ["100", "y"]])
    assert draw(table).lines == ["  n  t", "  1  x", "100  y"]


def test_colour_adds_nothing_but_colour() -> None:
    rows = (((Cell("a", "bold"), Cell("b", "red"))),)
    table = Table((Column("x"), Column("y")), rows)
    coloured = "\n".join(draw(table, ink=Ink(colour=True)).lines)
    plain = "\n".join(draw(table).lines)
    assert "\x1b[1ma\x1b[0m" in coloured
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m"):
        coloured = coloured.replace(code, "")
    assert coloured == plain


def test_runs_show_only_what_tells_them_apart() -> None:
    runs = [
        make_run("one", metrics={"acc": 0.9, "same": 1.0, "system/cpu": 3}, params={"lr": 0.1, "seed": 7}),
        make_run("two", metrics={"acc": 0.8, "same": 1.0, "system/cpu": 4}, params={"lr": 0.2, "seed": 7}),
    ]
    selection = select_fields(runs, RunsView())
    assert selection.columns == ("metrics.acc", "params.lr")
    assert dict(selection.constant) == {"params.seed": 7}
    everything = select_fields(runs, RunsView(everything=True)).columns
    assert {"metrics.same", "metrics.system/cpu", "params.seed"} <= set(everything)
    chosen = select_fields(runs, RunsView(columns=("params.seed",), keep=("metrics.acc",)))
    assert chosen.columns == ("params.seed", "metrics.acc")


def test_types_tell_params_apart() -> None:
    runs = [make_run("one", params={"a": True, "b": 1}), make_run("two", params={"a": 1, "b": 1})]
    assert select_fields(runs, RunsView()).columns == ("params.a",)


def test_the_best_value_is_marked_by_the_metric_s_direction() -> None:
    runs = [
        make_run("one", metrics={"acc": 0.9, "loss": 0.5}),
        make_run("two", metrics={"acc": 0.8, "loss": 0.1}),
    ]
    view = RunsView(now_ms=NOW_MS)
    selection = select_fields(runs, view)
    lines = draw(runs_table(runs, selection, view, Ink()), ink=Ink(colour=True)).lines
    assert "acc↑" in lines[0]
    assert "loss↓" in lines[0]
    assert "\x1b[1;32m0.9*\x1b[0m" in lines[1]
    assert "\x1b[1;32m0.1*\x1b[0m" in lines[2]
    assert [(key, run.name) for key, run in leaders(runs, selection)] == [("acc", "one"), ("loss", "two")]


def test_nan_is_never_the_best() -> None:
    runs = [
        make_run("one", metrics={"acc": float("nan")}),
        make_run("two", metrics={"acc": 0.1}),
        make_run("three"),
    ]
    assert leaders(runs, select_fields(runs, RunsView())) == []


def test_hostile_runs_keep_the_columns() -> None:
    runs = [
        make_run(
            HOSTILE, params={HOSTILE: HOSTILE}, metrics={HOSTILE: 1.0}, experiment=HOSTILE, note=HOSTILE
        ),
        make_run("tame", params={HOSTILE: 1}, metrics={HOSTILE: 2.0}),
    ]
    view = RunsView(now_ms=NOW_MS)
    for cells in (None, 200, 80, 40):
        lines = draw(runs_table(runs, select_fields(runs, view), view, Ink()), cells=cells).lines
        assert len(lines) == 3
        assert all(line == clean(line) for line in lines)
        assert cells is None or all(width(line) <= cells for line in lines)


def test_letters_outside_ascii_are_gitml_s_own_only_where_they_can_be_shown() -> None:
    runs = [make_run("one", metrics={"acc": 0.9}), make_run("two", metrics={"loss": 0.5})]
    view = RunsView(now_ms=NOW_MS)
    lines = draw(runs_table(runs, select_fields(runs, view), view, Ink(unicode=False))).lines
    assert all(line.isascii() for line in lines)


def test_equal_bests_are_all_marked_and_digits_stay_below_digits() -> None:
    runs = [make_run(name, metrics={"acc": value}) for name, value in (("a", 0.9), ("b", 0.85), ("c", 0.9))]
    view = RunsView(now_ms=NOW_MS)
    lines = draw(runs_table(runs, select_fields(runs, view), view, Ink())).lines
    assert [line.split()[-1] for line in lines[1:]] == ["0.9*", "0.85", "0.9*"]
    assert {line.rindex("0.") + len(line.split()[-1].rstrip("*")) for line in lines[1:]} == {
        lines[0].rindex("↑") + 1
    }


def test_columns_asked_for_outlast_all_others_but_the_id() -> None:
    params = {f"param-{i}": "x" * 8 for i in range(3)}
    runs = [make_run(f"a-long-name-{i}", params=params, note="a note", experiment=str(i)) for i in range(2)]
    for cells, kept in ((70, 3), (44, 3), (34, 2)):
        view = RunsView(columns=tuple(f"params.{key}" for key in params), now_ms=NOW_MS)
        lines = draw(runs_table(runs, select_fields(runs, view), view, Ink()), cells=cells).lines
        assert [word for word in lines[0].split() if word.startswith(("RUN", "param"))] == [
            "RUN",
            *list(params)[:kept],
        ]
        assert all(width(line) <= cells for line in lines)


def test_wide_tables_are_fitted_quickly() -> None:
    columns = [Column(f"column {i}", drop=i % 7 + 1, name=str(i)) for i in range(20_000)]
    drawing = draw(table_of(Column("first"), *columns, rows=[["x"] * 20_001]), cells=80)
    assert width(drawing.lines[0]) <= 80
    assert len(drawing.left_out) > 19_000


def test_a_choice_for_people_is_bounded() -> None:
    runs = [make_run(name, params={f"p{i}": f"{name}{i}" for i in range(100)}) for name in ("a", "b")]
    selection = select_fields(runs, RunsView(most=50))
    assert len(selection.columns) == len(selection.left_out) == 50
    assert len(select_fields(runs, RunsView()).columns) == 100
