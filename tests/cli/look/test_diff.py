"""`gitml diff`: what differs between runs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gitml.cli.gates import parse_gate
from gitml.errors import UsageError
from gitml.repo import Repo
from tests.cli.look.conftest import Look, record
from tests.render.builder import make_run


def test_two_runs_are_compared(project: Path, look: Look) -> None:
    text = look("diff", "early-lark", "brisk-heron").out
    assert re.search(r"depth\s+6\s+→\s+8", text)
    assert re.search(r"acc↑\s+0.929\s+→\s+0.9471\s+▲ \+0.0181\s+\+1.9 %\s+better", text)
    assert re.search(r"loss↓\s+–\s+→\s+0.183", text)
    assert "1 the same (--all)" in text
    assert "packages  the same" in text
    assert re.search(r"model.bin\s+–\s+→\s+5.0 kB", text)
    assert "1 file, +1 -1" in text
    assert re.search(r"train.py +\+1 +-1", look("diff", "early-lark", "brisk-heron", "--stat").out)
    assert "seed" in look("diff", "early-lark", "brisk-heron", "--all").out


def test_without_names_the_last_two(project: Path, look: Look) -> None:
    assert "brisk-heron  →" in look("diff").out
    assert "quiet-fox" in look("diff", "early-lark").out


def test_three_runs_side_by_side(project: Path, look: Look) -> None:
    for command in ("diff", "compare"):
        text = look(command, "early-lark", "brisk-heron", "quiet-fox").out
        assert ["depth", "6", "8", "8"] in [line.split() for line in text.splitlines()]


def test_code_is_git_s_own_diff(project: Path, look: Look, git: Callable[..., str]) -> None:
    text = look("diff", "early-lark", "brisk-heron", "--code").out
    assert text == git(project, "diff", "HEAD~1", "HEAD")
    assert look("diff", "brisk-heron", "quiet-fox", "--code").out == ""
    assert "1 file changed" in look("diff", "early-lark", "brisk-heron", "--code", "--stat").out
    assert look("diff", "early-lark", "brisk-heron", "--code", "--path", "nothing").out == ""
    assert "{+" in look("diff", "early-lark", "brisk-heron", "--code", "--word-diff").out
    assert "compares two runs" in look("diff", "early-lark", "brisk-heron", "quiet-fox", "--code", code=2).err


def test_working_compares_with_the_work_tree(project: Path, look: Look) -> None:
    assert look("diff", "@", "--working").out == ""
    (project / "new.py").write_text("x = 1\n")
    assert "+x = 1" in look("diff", "@", "--working").out
    assert "new.py" in look("diff", "--working", "--stat").out
    look("diff", "--working", "--exit-code", code=1)
    assert "compares one run" in look("diff", "@", "@~1", "--working", code=2).err


def test_exit_codes_are_for_ci(project: Path, look: Look) -> None:
    look("diff", "quiet-fox", "quiet-fox", "--exit-code")
    look("diff", "quiet-fox", "brisk-heron", "--exit-code", code=1)
    look("diff", "quiet-fox", "brisk-heron", "--fail-if", "acc < base")
    answer = look("diff", "brisk-heron", "quiet-fox", "--fail-if", "acc < base - 0.001", code=1)
    assert "gate not met: acc < base - 0.001 (0.9455 against 0.9461)" in answer.err
    look("diff", "brisk-heron", "quiet-fox", "--fail-if", "acc <", code=2)
    look("diff", "brisk-heron", "quiet-fox", "--fail-if", "f1 < 1", code=3)
    look("diff", "brisk-heron", "nothing", code=3)


def test_formats_for_programs(project: Path, look: Look) -> None:
    document = json.loads(look("diff", "early-lark", "brisk-heron", "--json").out)["diff"]
    assert document["differs"]
    acc = next(row for row in document["metrics"] if row["key"] == "acc")
    assert acc["verdict"] == "better"
    assert acc["change"] == pytest.approx(0.0181)
    loss = next(row for row in document["metrics"] if row["key"] == "loss")
    assert len(loss["values"]) == 1
    assert document["code"]["files"] == [{"path": "train.py", "added": 1, "removed": 1}]
    table = look("diff", "early-lark", "brisk-heron", "--md").out
    assert re.search(r"\| metrics +\| acc +\| +0.929 +\| +0.9471 +\| \+0.0181 \+1.9 % better \|", table)


def test_programs_get_exact_numbers_in_fields_of_their_own(project: Path, repo: Repo, look: Look) -> None:
    curves = {"acc": [0.9440559440559441], "epochs": [3], "loss": [float("nan")]}
    first = record(repo, "first", curves, files={"model.joblib": b"m" * 1339})
    curves = {"acc": [0.9790209790209791], "epochs": [4], "loss": [float("inf")]}
    last = record(repo, "last", curves, files={"model.joblib": b"n" * 1339})
    contents = json.loads(look("diff", "--json").out)["diff"]["files"][0]["values"]
    digests = [contents[run]["digest"] for run in (first, last)]
    table = list(csv.reader(io.StringIO(look("diff", "--csv").out)))
    assert table[0] == ["section", "key", first, last, "change", "share", "verdict", "added", "removed"]
    rows = {(row[0], row[1]): row[2:] for row in table[1:]}
    before, after = 0.9440559440559441, 0.9790209790209791
    assert [float(text) for text in rows["metrics", "acc"][:4]] == [
        before, after, after - before, (after - before) / before,
    ]  # fmt: skip
    assert rows["metrics", "acc"][4:] == ["better", "", ""]
    assert rows["metrics", "epochs"][2:5] == ["1", repr(1 / 3), ""]
    assert rows["metrics", "loss"] == ["NaN", "Infinity", "NaN", "", "", "", ""]
    assert rows["files", "model.joblib"] == [*digests, "", "", "", "", ""]
    assert rows["sizes", "model.joblib"] == ["1339", "1339", "0", "0.0", "", "", ""]
    lines = look("diff", "--porcelain").out.splitlines()
    assert lines[0].split("\t")[1:] == table[0]
    assert [line.split("\t") for line in lines[1:]] == table[1:]
    code = list(csv.DictReader(io.StringIO(look("diff", "early-lark", "last", "--csv").out)))[-1]
    assert [code[name] for name in ("section", "key", "change", "added", "removed")] == [
        "code", "train.py", "", "1", "1",
    ]  # fmt: skip
    twice = look("diff", "last", "last", "--all", "--csv").out.splitlines()
    assert twice[0].split(",")[2:4] == [last, f"{last} (2)"]


def test_a_change_to_or_from_nan_has_no_direction(project: Path, repo: Repo, look: Look) -> None:
    record(repo, "first", {"loss": [float("nan")], "acc": [0.5], "up": [float("-inf")]})
    record(repo, "last", {"loss": [float("inf")], "acc": [float("nan")], "up": [2.0]})
    lines = [line.split() for line in look("diff").out.splitlines()]
    assert ["loss↓", "nan", "→", "inf"] in lines
    assert ["acc↑", "0.5", "→", "nan"] in lines
    assert ["up↑", "-inf", "→", "2", "▲", "+inf", "better"] in lines
    assert re.search(r"\| metrics +\| acc +\| +0.5 +\| +nan +\| +\|", look("diff", "--md").out)


def test_integers_beyond_floats_are_compared(project: Path, repo: Repo, look: Look) -> None:
    record(repo, "first", {"acc": [10**400]})
    record(repo, "last", {"acc": [0.5]})
    assert re.search(r"→ +0.5 +▼ -inf +worse", look("diff").out)
    assert json.loads(look("diff", "--json").out)["diff"]["metrics"][0]["change"] == "-Infinity"


def test_source_that_is_no_text_has_no_line_counts(project: Path, repo: Repo, look: Look) -> None:
    (project / "weights.bin").write_bytes(b"\0\1")
    record(repo, "with-weights", {})
    assert re.search(r"\| code +\| weights.bin +\|.*\| binary +\|", look("diff", "--md").out)
    row = list(csv.DictReader(io.StringIO(look("diff", "--csv").out)))[-1]
    assert [row[name] for name in ("section", "key", "added")] == ["code", "weights.bin", ""]


@pytest.mark.parametrize(
    ("gate", "value", "fails"),
    [
        ("acc < 0.9", 0.89, True),
        ("acc < 0.9", 0.9, False),
        ("acc <= base", 0.9, True),
        ("metrics.acc < base - 0.05", 0.86, False),
        ("`acc` < base - 5%", 0.85, True),
        ("acc > base * 1.1", 1.0, True),
        ("acc < base", float("nan"), True),
        ("acc<.9", 0.95, False),
    ],
)
def test_gates(gate: str, value: float, fails: bool) -> None:
    base, run = make_run("base", metrics={"acc": 0.9}), make_run("run", metrics={"acc": value})
    assert (parse_gate(gate).check(base, run) is not None) == fails


@pytest.mark.parametrize("gate", ["", "acc", "acc = 1", "acc < best", "acc < base - x", "acc < base / 2"])
def test_wrong_gates_are_refused(gate: str) -> None:
    with pytest.raises(UsageError):
        parse_gate(gate)


def test_tags_are_a_difference_in_every_form(project: Path, repo: Repo, look: Look) -> None:
    for value in "ab":
        record(repo, f"tagged-{value}", {}, params={"p": 1}, tags={"same": "x", "t": value})
    text = look("diff", "--exit-code", code=1).out
    assert re.search(r"^tags\n +t +a +→ +b\n +1 the same", text, re.MULTILINE)
    assert json.loads(look("diff", "--json").out)["diff"]["differs"] is True
    assert "tags" not in look("diff", "@", "@", "--exit-code").out


def test_long_values_show_where_they_differ(
    project: Path, repo: Repo, on_terminal: Callable[..., str]
) -> None:
    for end in "12":
        record(repo, f"long-{end}", {}, params={"url": "x" * 200 + end})
    for runs in (("@~1", "@"), ("@~2", "@~1", "@")):
        text = on_terminal(project, "-P", "--color=never", "diff", *runs, columns=60)
        assert "xx1 " in text
        assert "xx2" in text
        assert max(map(len, text.splitlines())) <= 60


def test_options_that_would_be_ignored_are_refused(project: Path, look: Look) -> None:
    for options in (("--code", "--json"), ("--working", "--csv")):
        assert "no other form" in look("diff", *options, code=2).err
    assert "goes with --code" in look("diff", "--word-diff", code=2).err
    assert "go with --code" in look("diff", "--path", "x", code=2).err
    assert look("diff", "--fail-if", "loss >", code=2).out == ""


def test_of_equal_bests_all_are_marked(project: Path, repo: Repo, look: Look) -> None:
    for name, value in (("one", 0.9), ("two", 0.5), ("three", 0.9)):
        record(repo, name, {"acc": [value]})
    lines = [line.split() for line in look("diff", "one", "two", "three").out.splitlines()]
    assert ["acc↑", "0.9*", "0.5", "0.9*"] in lines


@pytest.fixture
def branched(project: Path, repo: Repo, git: Callable[..., str]) -> Path:
    """A run on a branch that has another file, and a change to the one that `main` has."""
    git(project, "checkout", "--quiet", "-b", "feature")
    (project / "sub").mkdir()
    (project / "sub" / "extra.py").write_text("x = 1\n" * 100)
    (project / "train.py").write_text("print('best')\n")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "-m", "a feature")
    record(repo, "on-feature", {"acc": [0.5]})
    return project


def test_paths_behind_two_dashes_narrow_the_source(
    branched: Path, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = ("quiet-fox", "on-feature")
    whole = look("diff", *runs, "--code").out
    assert "extra.py" in whole
    assert "train.py" in whole
    for words in ((*runs, "--code", "--", "train.py"), ("--code", *runs, "--", "train.py")):
        assert "extra.py" not in look("diff", *words).out
        assert "+print('best')" in look("diff", *words).out
    look("diff", *runs, "--code", "--exit-code", "--", "nothing")
    look("diff", *runs, "--code", "--exit-code", "--", "sub", code=1)
    assert (
        f"hint: gitml diff {' '.join(runs)} --code -- train.py\n"
        in look("diff", *runs, "--", "train.py", code=2).err
    )
    said = look("diff", *runs, "train.py", code=3).err
    assert "there is no run 'train.py', only a file" in said
    assert "gitml diff --code -- train.py" in said
    narrow = look("diff", *runs, "--code", "--path", "sub/extra.py").out
    assert "train.py" not in narrow
    monkeypatch.chdir(branched / "sub")
    for option in ("--", "--path"):
        assert look("diff", *runs, "--code", option, "extra.py").out == narrow
    assert look("diff", *runs, "--code", "--", "..").out == whole


def test_a_range_is_its_two_ends(branched: Path, repo: Repo, look: Look) -> None:
    meant = look("diff", "main", "feature", "--json").out
    for words in ("main..feature", "main..", "main..HEAD", "quiet-fox..on-feature"):
        assert look("diff", words, "--json").out == meant
    assert look("diff", "main..feature", "--code").out == look("diff", "main", "feature", "--code").out
    assert "hint: gitml diff main feature\n" in look("diff", "main...feature", code=2).err
    assert "there is no run 'main..feature'" in look("show", "main..feature", code=3).err
    record(repo, "a..b", {})
    assert "a..b  →" in look("diff", "a..b", "on-feature").out


def test_the_newest_run_alone_is_compared_with_the_one_before(project: Path, look: Look) -> None:
    assert look("diff", "@").out == look("diff", "quiet-fox").out == look("diff", "@~1", "@").out
    answer = look("diff", "quiet-fox", "@")
    assert re.fullmatch(r"warning: run [0-9a-f]{7} quiet-fox is compared with itself\n", answer.err)
    assert look("diff", "early-lark").err == ""


def test_the_files_that_differ_are_listed_in_columns(branched: Path, look: Look) -> None:
    text = look("diff", "quiet-fox", "on-feature", "--stat").out
    assert text.endswith("\n  sub/extra.py  +100  -0\n  train.py        +1  -3\n")
    (branched / "train.py").write_text("")
    text = look("diff", "--working", "--stat").out
    run = json.loads(look("show", "--json").out)["run"]["id"][:7]
    assert text == f"code      1 file, +0 -1      gitml diff {run} --working\n  train.py  +0  -1\n"
    look("diff", "--working", "--stat", "--exit-code", "--", "sub")
    assert "1 file changed" in look("diff", "--working", "--code", "--stat").out
