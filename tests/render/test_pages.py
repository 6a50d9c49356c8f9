"""Pages of text: a run, a comparison, a chart, a progress bar."""

from __future__ import annotations

import io
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.entities.artifact import Artifact
from gitml.entities.run import CodeState, DatasetInput, RunStatus
from gitml.render.chart import Chart, Curve, draw_chart
from gitml.render.diff_text import diff_text
from gitml.render.ink import Ink
from gitml.render.progress import count_progress, progress
from gitml.render.run_text import RunPage, run_text
from gitml.render.text import clean, width
from gitml.tracking.diff import ABSENT, CodeChange, CodeDiff, FileContent, Surroundings, compare, judge
from tests.render.builder import HOSTILE, NOW_MS, make_run

PLAIN = Ink()


def page_of(**fields: object) -> RunPage:
    run = make_run(
        "calm-otter", metrics={"acc": 0.9471, "loss": 0.183, "system/cpu": 3.0}, params={f"p{i}": i for i in range(30)},
        code=CodeState(commit="b41d77e" + "0" * 33, branch="main"), command=("python", "train.py"), note="a note\nof two lines",
        inputs=(DatasetInput("train.parquet", "sha256:91ab", context="training"),), tags={"team": "vision"}, **fields,
    )  # fmt: skip
    files = [Artifact("model.joblib", 4_200_000), Artifact("confusion.png", 3000)]
    return RunPage(run, curves={"acc": [0.1, 0.5, 0.9]}, files=files, subject="deeper trees", now_ms=NOW_MS)


def test_the_page_of_a_run_says_what_happened() -> None:
    text = run_text(page_of(), PLAIN, 80)
    assert "✓ finished in 1m 40s" in text.splitlines()[0]
    assert "commit   b41d77e deeper trees · branch main" in text
    assert "python train.py" in text
    assert "train.parquet (training)  sha256:91ab" in text
    assert "a note\n  of two lines" in text
    assert "--params)" in text
    assert "(+1, --metrics)" in text
    assert "▁▅█" in text
    assert "model.joblib 4.2 MB · confusion.png 3.0 kB" in text
    assert "p29  29" in run_text(page_of(), PLAIN, 80, all_params=True)
    assert "system/cpu" in run_text(page_of(), PLAIN, 80, all_metrics=True)


def test_live_failed_and_deleted_runs_say_so() -> None:
    live = run_text(page_of(status=RunStatus.RUNNING, duration_s=None, end_ms=None, live=True), PLAIN, 80)
    assert "● running, 1h 00m so far" in live
    failed = run_text(page_of(status=RunStatus.FAILED, exit_code=1, error="loss is nan"), PLAIN, 80)
    assert "exit 1: loss is nan" in failed
    assert "gitml runs restore" in run_text(page_of(deleted_ms=NOW_MS), PLAIN, 80)


def test_a_repository_without_commits() -> None:
    run = make_run("first", code=CodeState(tree="1" * 40, branch="main", dirty=True))
    assert "commit   (none yet) (uncommitted changes recorded) · branch main\n" in run_text(
        RunPage(run), PLAIN, 80
    )


def test_files_that_a_snapshot_lacks_are_named_one_a_line() -> None:
    def lines(*left_out: str) -> list[str]:
        run = make_run("one", code=CodeState(commit="1" * 40, left_out=left_out))
        return run_text(RunPage(run), PLAIN, 80).splitlines()[3:-1]

    assert lines("a.bin (3 MiB, over 1 MiB)", ".env\x1b (named like a secret)") == [
        "left out a.bin (3 MiB, over 1 MiB)",
        "         .env\\x1b (named like a secret)",
    ]
    many = lines(*(f"{number} (not readable)" for number in range(100)), "30 more files")
    assert len(many) == 6
    assert many[-1] == f"         and 125 more: gitml show {make_run('one').id[:7]} --json"


def test_as_many_params_as_fit() -> None:
    def line(count: int, cells: int) -> str:
        run = make_run("one", params={f"p{i}": i for i in range(count)})
        return next(
            line for line in run_text(RunPage(run), PLAIN, cells).splitlines() if line.startswith("params")
        )

    assert line(3, 80) == "params   p0 0 · p1 1 · p2 2"
    assert line(3, 27) == "params   p0 0 · p1 1 · p2 2"[:27]
    assert line(3, 26) == "params   p0 0 · (+2, --pa…"
    assert line(9, 40) == "params   p0 0 · p1 1 · (+7, --params)"
    assert line(20_000, 40) == "params   p0 0 · (+19999, --params)"


@pytest.mark.parametrize("cells", [60, 80, 140])
def test_pages_keep_to_the_screen(cells: int) -> None:
    lines = run_text(page_of(), PLAIN, cells).splitlines()
    assert all(width(line) <= cells for line in lines)


def two_runs() -> list[object]:
    return [
        make_run(
            "one",
            metrics={"acc": 0.9388, "p95 latency": 11, "system/cpu": 1},
            params={"depth": 6, "cw": None},
        ),
        make_run(
            "two", metrics={"acc": 0.9471, "p95 latency": 17, "system/cpu": 9}, params={"depth": 8, "seed": 7}
        ),
    ]


def surroundings(packages: str, **files: int) -> Surroundings:
    environment = {"requirements.txt": packages.encode(), "python-version": b"3.11.7\n"}
    return Surroundings(
        environment, {name: FileContent(size, f"{size:040x}") for name, size in files.items()}
    )


def test_two_runs_are_compared_downwards() -> None:
    around = [
        surroundings("Scikit-Learn==1.7.1\nnumpy==2.0\n", model=5),
        surroundings("scikit-learn==1.7.2\nnumpy==2.0\n", model=6),
    ]
    code = CodeDiff(("a", "b"), (CodeChange("train.py", 41, 12), CodeChange("x.bin", None, None)))
    diff = compare(two_runs(), around, code)
    text = diff_text(diff, PLAIN, 80, stat=True)
    assert (
        "depth  6  →  8" in " ".join(text.split("\n")).replace("      ", "  ").replace("    ", "  ")
        or "depth" in text
    )
    assert "▲ +0.0083" in text
    assert "better" in text
    assert "+55 %" in text
    assert "worse" in text
    assert "scikit-learn  1.7.1  →  1.7.2" in text
    assert "system/cpu" not in text
    assert "1 of the machine (--all)" in text
    assert "2 files, +41 -12" in text
    assert re.search(r"train.py +\+41 +-12\n +x.bin +binary\n", text)
    assert "system/cpu" in diff_text(diff, PLAIN, 80, everything=True)
    assert diff.differs


COMMITS = ["1" * 40, "2" * 40]


def test_packages_that_no_index_gave_show_what_tells_them_apart() -> None:
    around = [
        surroundings(
            f"churn @ git+https://example.org/churn.git@{commit}\n"
            f"fast @ https://example.org/wheels/fast-{version}-cp311-cp311-linux_x86_64.whl\n"
            f"local @ file:///src/local{version}\n"
            f"# mine=={version}, editable install of file:///home/{version}/mine\n"
            f"# same==1.0, editable install of file:///home/{version}/same\n"
        )
        for commit, version in zip(COMMITS, ("1.2", "1.3"), strict=True)
    ]
    text = diff_text(compare(two_runs(), around, CodeDiff(("a", "a"))), PLAIN, None)
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "churn 1111111 from example.org/churn.git → 2222222 from example.org/churn.git" in rows
    wheel = "cp311-cp311-linux_x86_64.whl"
    assert (
        f"fast 1.2 from example.org/wheels/fast-1.2-{wheel} → 1.3 from example.org/wheels/fast-1.3-{wheel}"
        in rows
    )
    assert "local from /src/local1.2 → from /src/local1.3" in rows
    assert "mine 1.2 (editable) → 1.3 (editable)" in rows
    assert "same 1.0" not in text


def test_equal_runs_do_not_differ() -> None:
    run = make_run("one", metrics={"acc": float("nan")}, params={"a": 1})
    other = make_run("two", metrics={"acc": float("nan")}, params={"a": 1.0})
    diff = compare([run, other], [surroundings("")] * 2, CodeDiff(("a", "a")))
    assert not diff.differs
    assert compare(
        [run, make_run("x", params={"a": True})], [surroundings("")] * 2, CodeDiff(("a", "a"))
    ).differs
    assert compare([run, other], [surroundings("")] * 2, CodeDiff((None, "a"), known=False)).differs


def test_absent_is_not_null() -> None:
    diff = compare(
        [make_run("a", params={"x": None}), make_run("b")], [surroundings("")] * 2, CodeDiff(("a", "a"))
    )
    assert diff.params[0].values == (None, ABSENT)
    assert not diff.params[0].same


def test_three_runs_stand_side_by_side() -> None:
    runs = [*two_runs(), make_run("three", metrics={"acc": 0.99}, params={"depth": 8})]
    text = diff_text(compare(runs, [surroundings("")] * 3, CodeDiff(("a",) * 3)), PLAIN, 80)
    assert "3 runs:" in text
    assert ["depth", "6", "8", "8"] in [line.split() for line in text.splitlines()]


def test_hostile_runs_are_compared_safely() -> None:
    runs = [
        make_run(HOSTILE + str(i), metrics={HOSTILE: i}, params={HOSTILE: HOSTILE + str(i)}) for i in range(2)
    ]
    around = [Surroundings({}, {HOSTILE: FileContent(i, str(i))}) for i in range(2)]
    text = diff_text(
        compare(runs, around, CodeDiff(("a", "b"), (CodeChange(HOSTILE, 1, 1),))), PLAIN, 80, stat=True
    )
    assert all(clean(line) == line for line in text.split("\n"))


@pytest.mark.parametrize(
    ("metric", "before", "after", "verdict"),
    [
        ("acc", 1, 2, "better"),
        ("loss", 1, 2, "worse"),
        ("acc", 1, 1, "same"),
        ("acc", 1, float("nan"), None),
        ("acc", ABSENT, 1, None),
    ],
)
def test_changes_are_judged_by_direction(
    metric: str, before: object, after: object, verdict: str | None
) -> None:
    assert judge(metric, before, after) == verdict


@given(
    st.lists(st.lists(st.tuples(st.floats(-1e308, 1e308), st.floats(-1e308, 1e308)), min_size=1, max_size=30), min_size=1, max_size=4),
    st.booleans(), st.integers(30, 120),
)  # fmt: skip
def test_charts_fit_whatever_they_show(
    curves: list[list[tuple[float, float]]], unicode: bool, cells: int
) -> None:
    made = tuple(
        Curve(f"run {i}", [x for x, _ in sorted(c)], [y for _, y in sorted(c)]) for i, c in enumerate(curves)
    )
    lines = draw_chart(Chart("loss", made), Ink(unicode=unicode), cells=cells, lines=20)
    assert len(lines) <= 21
    assert all(width(line) <= cells + 12 for line in lines)
    assert unicode or all(line.isascii() for line in lines)


def test_logarithms_leave_out_what_has_none() -> None:
    lines = draw_chart(
        Chart("loss", (Curve("a", [0, 1, 2], [0.0, 1.0, 100.0]),), log=True), PLAIN, cells=60, lines=13
    )
    assert any(line.strip().startswith("100") for line in lines)
    assert any(line.strip().startswith("10 ") for line in lines)


def test_progress_is_silent_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("copying", 10, "B") as done:
        done(10)
    assert capsys.readouterr() == ("", "")


def test_progress_speaks_every_so_often_in_ci(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr("gitml.render.progress.CI_INTERVAL_S", 0.0)
    with count_progress("reading runs", "runs") as done:
        done(5000, 100_000)
    assert capsys.readouterr().err == "reading runs: 5,000 of 100,000 runs\n"


def test_progress_draws_a_bar_for_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    with progress("copying model.bin [red]", 2_000_000, "B", patience_s=0.0) as done:
        done(1_000_000)
        done(1_000_000)
    assert "copying model.bin [red]" in terminal.getvalue()
