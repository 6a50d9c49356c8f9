"""Notebook views: static, self-contained, escaped, small."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from gitml.entities.run import RunStatus
from gitml.render.html import diff_html, run_html, runs_html
from gitml.render.notebook_markdown import run_markdown, runs_markdown
from gitml.tracking.diff import CodeChange, CodeDiff, FileContent, Surroundings, compare
from tests.render.builder import HOSTILE, make_run

VOID = {"img", "br", "path", "input"}


class Checker(HTMLParser):
    """Counts what a view may not have, and whether tags are balanced."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def check(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    assert not checker.open
    assert not checker.tags & {"script", "img", "iframe", "link", "a", "object"}
    assert "id" not in checker.attributes
    assert not {name for name in checker.attributes if name.startswith("on")}
    assert not re.search(r"https?:|//|url\(|@import", html)
    assert "prefers-color-scheme:dark" in html
    assert len(html.encode()) <= 50_000
    return checker


def big_run(name: str, i: int = 0) -> object:
    return make_run(
        f"{name}{i}", metrics={f"m{k}{HOSTILE}": i + k / 7 for k in range(200)}, note=HOSTILE * 100,
        params={f"p{k}{HOSTILE}": HOSTILE * 20 + str(i) for k in range(200)}, tags={f"t{k}": HOSTILE for k in range(200)},
        command=("python", HOSTILE), error=HOSTILE, status=RunStatus.FAILED, experiment=HOSTILE, id=f"{i:032x}",
    )  # fmt: skip


def test_a_run_draws_itself() -> None:
    run = make_run("one", metrics={"acc": 0.9, "loss": 0.1}, params={"lr": 0.1})
    view = check(run_html(run, {"acc": [0.1, 0.5, 0.9]}))
    assert "svg" in view.tags
    assert "acc↑" in view.text
    assert "finished" in view.text


@pytest.mark.parametrize("count", [0, 1, 5, 214])
def test_lists_say_what_they_leave_out(count: int) -> None:
    view = check(
        runs_html([make_run(f"run{i}", metrics={"acc": i / 7}, id=f"{i:032x}") for i in range(count)])
    )
    assert ("no runs" in view.text) == (count == 0)
    assert ("… 194 more" in view.text) == (count == 214)


def test_headings_stand_where_their_cells_do() -> None:
    runs = [
        make_run("one", metrics={"acc": 0.8}, params={"lr": 0.1, "opt": "adam"}),
        make_run("two", metrics={"acc": 0.9}, params={"lr": 0.2, "opt": "sgd"}),
    ]
    heading, *rows = [
        ["n" in classes.split() for classes in re.findall(r'<t[hd](?: class="([^"]*)")?>', row)]
        for row in runs_html(runs).split("<tr>")[1:]
    ]
    assert [heading] * 2 == rows
    assert heading.count(True) == 3  # time, acc and lr


def test_a_list_over_experiments_says_which() -> None:
    runs = [make_run("one", experiment="churn"), make_run("two", experiment="fraud")]
    for text in (check(runs_html(runs)).text, runs_markdown(runs)):
        assert all(word in text for word in ("experiment", "churn", "fraud"))
    for text in (check(runs_html(runs[:1])).text, runs_markdown(runs[:1])):
        assert "churn" not in text


@pytest.mark.parametrize(("count", "said"), [(1, "1 file differs"), (2, "2 files differ")])
def test_files_are_counted(count: int, said: str) -> None:
    changes = tuple(CodeChange(f"{i}.py", 1, 1) for i in range(count))
    diff = compare(
        [make_run("one"), make_run("two")], [Surroundings({}, {})] * 2, CodeDiff(("a", "b"), changes)
    )
    assert said in check(diff_html(diff)).text


def test_hostile_data_stays_text_and_small() -> None:
    runs = [big_run(HOSTILE, i) for i in range(30)]
    curves = {key: [i * i % 7919 + 1e-9 for i in range(1000)] for key in runs[0].metrics}
    for html in (run_html(runs[0], {}), run_html(runs[0], curves), runs_html(runs)):
        assert "<img" not in html
        assert "<img" in check(html).text
    diff = compare(
        runs[:3],
        [Surroundings({}, {HOSTILE: FileContent(i, str(i))}) for i in range(3)],
        CodeDiff((None,) * 3, known=False),
    )
    assert "<img" in check(diff_html(diff)).text


def test_two_runs_are_compared_with_direction() -> None:
    runs = [
        make_run("one", metrics={"acc": 0.8}, params={"lr": 1}),
        make_run("two", metrics={"acc": 0.9}, params={"lr": 1}),
    ]
    diff = compare(runs, [Surroundings({}, {})] * 2, CodeDiff(("a", "a")))
    view = check(diff_html(diff))
    assert "+0.1 +12 % better" in view.text
    assert "1 the same" in view.text


def test_a_notebook_shows_the_command_as_a_shell_takes_it() -> None:
    run = make_run("one", command=("python", "-c", 'print("a b")', "x y"))
    line = """python -c 'print("a b")' 'x y'"""
    assert line in check(run_html(run)).text
    assert line in run_markdown(run)
