"""`gitml log`: which runs, which columns, in which form."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gitml.cli.arguments import read_moment
from gitml.render.text import width
from gitml.repo import RUNS_REF, Repo
from tests.cli.look.conftest import Look, record
from tests.sync.forge import Forge, a_run

NEWEST_FIRST = ["quiet-fox", "brisk-heron", "odd-newt", "early-lark"]


def names(text: str) -> list[str]:
    return re.findall("|".join(NEWEST_FIRST), text)


def test_runs_come_newest_first_with_what_tells_them_apart(project: Path, look: Look) -> None:
    lines = look("log").out.splitlines()
    assert lines[0].split() == [
        "RUN",
        "NAME",
        "EXPERIMENT",
        "WHEN",
        "TIME",
        "acc↑",
        "loss↓",
        "lr",
        "depth",
        "COMMIT",
        "NOTE",
    ]
    assert names("\n".join(lines)) == NEWEST_FIRST
    assert lines[1].startswith("✓")
    assert lines[3].startswith("✗")
    assert "loss is nan \\x1b[31m" in lines[3]
    assert lines[4].endswith("first try")
    assert "seed" not in lines[0]


def test_a_pipe_gets_no_colour_no_box_and_no_footer(project: Path, look: Look) -> None:
    answer = look("log")
    assert "\x1b" not in answer.out
    assert "constant" not in answer.out
    assert answer.err == ""
    assert look("log").out.splitlines()[0] == answer.out.splitlines()[0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-n", "2"], ["quiet-fox", "brisk-heron"]),
        (["-e", "churn"], ["quiet-fox", "brisk-heron"]),
        (["-e", "churn", "-e", "Default"], NEWEST_FIRST),
        (["-e", "churn", "--experiment", "churn"], ["quiet-fox", "brisk-heron"]),
        (["-f", "params.depth = 6"], ["odd-newt", "early-lark"]),
        (["-s", "acc"], ["early-lark", "quiet-fox", "brisk-heron", "odd-newt"]),
        (["-s", "-acc"], ["brisk-heron", "quiet-fox", "early-lark", "odd-newt"]),
        (["-s", "metrics.acc DESC", "-n", "1"], ["brisk-heron"]),
        (["--top", "2", "loss"], ["brisk-heron", "quiet-fox"]),
        (["--top", "1", "acc"], ["brisk-heron"]),
        (["--top", "1", "loss.min"], ["brisk-heron"]),
        (["--top", "2", "metrics.loss.max"], ["quiet-fox", "brisk-heron"]),
        (["-s", "created"], NEWEST_FIRST[::-1]),
        (["-s", "when"], NEWEST_FIRST[::-1]),
        (["-s", "-loss.min_step", "-n", "1"], ["quiet-fox"]),
        (["--since", "1 hour ago", "--until", "now"], NEWEST_FIRST),
        (["--until", "2 days ago"], []),
        (["--since", "last week", "--until", "today"], NEWEST_FIRST),
        (["--since", "5m"], NEWEST_FIRST),
        (["--until", "5h"], []),
        (["--grep", "first try"], ["early-lark"]),
        (["--author", "nobody"], []),
        (["-f", "params.depth = 8 or name = 'odd-newt'", "--since", "7d ago"], NEWEST_FIRST[:3]),
    ],
)
def test_options_choose_runs(project: Path, look: Look, options: list[str], expected: list[str]) -> None:
    assert names(look("log", "--oneline", *options).out) == expected
    assert [run["name"] for run in json.loads(look("log", "--json", *options).out)["runs"]] == expected


def test_a_time_that_can_not_be_read_is_named_with_its_option(project: Path, look: Look) -> None:
    for option in ("--since", "--until"):
        for text in ("garbage", "5", "5m later"):
            answer = look("log", option, text, code=2)
            assert f"error: {option} '{text}' is no time" in answer.err
            assert "'2 days ago'" in answer.err


def test_until_a_day_means_its_end() -> None:
    start, end = read_moment("2026-11-28", "--since"), read_moment("2026-11-28", "--until", whole_day=True)
    assert end - start == 24 * 3600 * 1000 - 1
    assert read_moment("2026-11-28 00:00", "--until", whole_day=True) == start


def test_columns_are_what_was_asked_for(project: Path, look: Look) -> None:
    heading = look("log", "-c", "depth,acc.max", "--columns", "user").out.splitlines()[0].split()
    assert heading[5:8] == ["depth", "acc.max↑", "user"]
    heading = look("log", "-n", "1", "--all-columns").out.splitlines()[0]
    assert "seed" in heading
    answer = look("log", "-c", "dept", code=2)
    assert "no run here has 'dept'" in answer.err
    assert "params.depth" in answer.err


def test_other_shapes(project: Path, look: Look) -> None:
    lines = look("log", "--oneline").out.splitlines()
    assert re.fullmatch(r"✓ [0-9a-f]{7} churn/quiet-fox acc=0.9455 loss=0.187 \((now|\d+m)\)", lines[0])
    vertical = look("log", "--vertical", "-n", "1").out
    assert re.search(r"^[0-9a-f]{7} params.lr: 0.003$", vertical, re.MULTILINE)
    groups = look("log", "--group-by", "depth").out.splitlines()
    assert groups[0].split() == ["depth", "n", "acc↑", "loss↓"]
    assert groups[1].split() == ["8", "2", "0.9463", "±", "0.0011", "0.185", "±", "0.0028"]
    assert "can't be combined" in look("log", "--graph", "--vertical", code=2).err


def test_the_graph_hangs_runs_under_their_commits(project: Path, look: Look, git: Callable[..., str]) -> None:
    git(project, "commit", "--quiet", "--allow-empty", "-m", "nothing ran here")
    lines = look("log", "--graph").out.splitlines()
    shape = [line[0] for line in lines]
    assert shape == list("○○││○││")
    assert "(main)" in lines[0]
    assert any("← best" in line and "brisk-heron" in line for line in lines)


def test_the_graph_tells_commits_without_runs_from_those_with_others(
    project: Path, repo: Repo, look: Look, git: Callable[..., str]
) -> None:
    def elided(*words: str) -> list[str]:
        return [line[3:] for line in look("log", "--graph", *words).out.splitlines() if line[0] == "~"]

    git(project, "commit", "--quiet", "--allow-empty", "-m", "nothing ran here")
    git(project, "commit", "--quiet", "--allow-empty", "-m", "the last")
    assert elided() == ["1 commit without runs"]
    record(repo, "on-top", {}, experiment="top")
    assert elided("-e", "top") == ["3 commits, 2 of them with runs that are not shown"]
    assert elided("-n", "1", "-e", "churn") == [
        "1 commit without runs", "1 commit with runs that are not shown",
    ]  # fmt: skip
    for name in ("early-lark", "odd-newt"):
        look("rm", name)
    assert elided("-e", "churn") == ["1 commit without runs", "1 commit without runs"]
    assert elided("--deleted")[0] == "2 commits, 1 of them with runs that are not shown"


def test_the_graph_shows_runs_whose_commit_is_gone(
    project: Path, look: Look, git: Callable[..., str]
) -> None:
    git(project, "checkout", "--quiet", "--orphan", "other")
    git(project, "branch", "-D", "main")
    git(project, "reflog", "expire", "--expire=now", "--all")
    runs = git(project, "rev-parse", "refs/heads/gitml/runs").strip()
    git(project, "gc", "--quiet", "--prune=now")
    assert git(project, "rev-parse", "refs/heads/gitml/runs").strip() == runs
    text = look("log", "--graph").out
    assert "(not in this repository)" in text
    assert names(text) == NEWEST_FIRST


@pytest.fixture
def branched(project: Path, repo: Repo, git: Callable[..., str]) -> Path:
    """Two more runs on a branch: one of its commit, one that changes another file uncommitted."""
    git(project, "checkout", "--quiet", "-b", "feature")
    (project / "sub").mkdir()
    (project / "sub" / "extra.py").write_text("x = 1\n")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "-m", "a feature")
    record(repo, "on-feature", {"acc": [0.5]})
    (project / "sub" / "extra.py").write_text("x = 2\n")
    record(repo, "not-committed", {"acc": [0.6]})
    return project


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["main..feature"], ["not-committed", "on-feature"]),
        (["..feature"], []),
        (["^main", "feature"], ["not-committed", "on-feature"]),
        (["main"], NEWEST_FIRST),
        (["feature", "-n", "1"], ["not-committed"]),
        (["main..feature", "-f", "metrics.acc > 0.55"], ["not-committed"]),
        (["--", "sub"], ["not-committed", "on-feature"]),
        (["sub/extra.py", "-s", "acc"], ["on-feature", "not-committed"]),
        (["--path", "nowhere"], []),
        (["-C", "sub", "--", "extra.py"], ["not-committed", "on-feature"]),
    ],
)
def test_runs_of_a_part_of_the_code(
    branched: Path, look: Look, arguments: list[str], expected: list[str]
) -> None:
    start = []
    if arguments[0] == "-C":
        start, arguments = arguments[:2], arguments[2:]
    assert [
        run["name"] for run in json.loads(look(*start, "log", "--json", *arguments).out)["runs"]
    ] == expected


def test_what_is_neither_code_nor_file_is_said(branched: Path, look: Look, git: Callable[..., str]) -> None:
    assert "neither a commit or branch of the code nor a file" in look("log", "brisk-heron", code=3).err
    assert "neither a commit" in look("log", "main..nowhere", code=3).err
    assert "outside of the repository" in look("log", "--path", "../x", code=2).err
    git(branched, "branch", "sub")
    assert "both a revision and a file" in look("log", "sub", code=2).err


def test_two_dashes_tell_revisions_from_paths(branched: Path, look: Look, git: Callable[..., str]) -> None:
    git(branched, "branch", "sub", "main")  # as the folder is called
    for words, expected in (
        (["--", "sub"], ["not-committed", "on-feature"]),
        (["feature", "--", "sub"], ["not-committed", "on-feature"]),
        (["main", "--", "sub"], []),
        (["sub", "--"], NEWEST_FIRST),
        (["-n", "1", "sub", "--", "."], ["brisk-heron"]),
        (["--", "was-never-there"], []),
        (["--"], ["not-committed", "on-feature", *NEWEST_FIRST]),
    ):
        assert look("log", "--format", "%s", *words).out.split() == expected, words
    hint = look("log", "sub", code=2).err.splitlines()[-1]
    assert hint == "hint: gitml log -- sub means the file, gitml log sub -- the revision"
    assert "'nowhere' is no commit or branch" in look("log", "nowhere", "--", "sub", code=3).err


def test_patches_show_how_the_code_changed_from_run_to_run(branched: Path, look: Look) -> None:
    text = look("log", "-p", "-n", "1").out
    assert text.splitlines()[0].split()[2] == "Default/not-committed"
    assert "-x = 1\n+x = 2\n" in text
    assert look("log", "--patch", "-n", "0").out.endswith("(the first run: there is no source before it)\n")
    assert "sub/extra.py | 2 +-" in look("log", "--stat", "main..feature").out
    assert "diff --git" not in look("log", "-p", "--grep", "quiet").out  # the same code as the run before
    assert "no other form" in look("log", "-p", "--json", code=2).err


def test_formats_for_programs(project: Path, look: Look) -> None:
    assert json.loads(look("log", "--json").out)["schema"] == 1
    lines = look("log", "--jsonl").out.splitlines()
    assert [json.loads(line)["name"] for line in lines] == NEWEST_FIRST
    rows = list(csv.DictReader(io.StringIO(look("log", "--csv").out)))
    assert rows[1]["metrics.acc"] == "0.9471"
    assert rows[1]["tags.team"] == "vision"
    assert look("log", "--md", "-n", "1").out.splitlines()[2].startswith("| ")
    porcelain = look("log", "--porcelain", "-c", "acc").out.splitlines()
    assert porcelain[0].startswith("# gitml porcelain 1 runs\tid\tstatus\tname")
    assert porcelain[2].split("\t")[-1] == "0.9471"
    assert (
        look("log", "--format", "%s %(params.lr)", "-z").out
        == "quiet-fox 0.003\0brisk-heron 0.001\0odd-newt 0.1\0early-lark 0.003\0"
    )
    assert "can't be combined" in look("log", "--json", "--csv", code=2).err
    assert json.loads(look("log", "--group-by", "depth", "--json").out)["groups"][0]["n"] == 2


def test_programs_get_all_runs_and_people_twenty(project: Path, repo: Repo, look: Look) -> None:
    for i in range(25):
        record(repo, f"run-{i}", {})
    answer = look("log")
    assert len(answer.out.splitlines()) == 21
    assert answer.err == "20 of 29 runs: -n 0 lists all\n"
    for form in ("--oneline", "--vertical", "--graph", "--stat"):
        assert look("log", form).err == answer.err
    for wanted in (
        ("-n", "5"),
        ("-n", "0"),
        ("--top", "2", "acc"),
        ("--group-by", "lr"),
        ("--csv",),
        ("--md",),
    ):
        assert look("log", *wanted).err == ""
    for form in ("--csv", "--md", "--porcelain", "--format=%h"):
        assert len(look("log", form).out.splitlines()) in (29, 30, 31)
    assert len(json.loads(look("log", "--json").out)["runs"]) == 29
    assert len(look("log", "-n", "0").out.splitlines()) == 30
    assert len(look("log", "--jsonl").out.splitlines()) == 29
    assert len(look("log", "--jsonl", "-n", "3").out.splitlines()) == 3


def test_nothing_to_show_is_said(project: Path, look: Look, tmp_path: Path, git: Callable[..., str]) -> None:
    answer = look("log", "-f", "params.depth = 99")
    assert answer.out == ""
    assert answer.err == "none of 4 runs matches\n"
    assert look("log", "-f", "params.depth = 99", "--exit-code", code=1).out == ""
    assert json.loads(look("log", "-f", "params.depth = 99", "--json").out) == {"schema": 1, "runs": []}
    empty = tmp_path / "empty"
    git(tmp_path, "init", "--quiet", "empty")
    assert look("-C", str(empty), "log").err == "there are no runs yet\n"


def test_a_plain_clone_answers_as_its_origin(
    project: Path, look: Look, tmp_path: Path, git: Callable[..., str]
) -> None:
    for number, question in enumerate(
        (
            ["log", "--oneline"],
            ["show", "odd-newt", "--json"],
            ["status"],
            ["log", "--json"],
            ["diff", "odd-newt", "@~1", "--json"],
        )
    ):
        git(tmp_path, "clone", "--quiet", str(project), f"clone{number}")
        clone = str(tmp_path / f"clone{number}")
        answer = look("-C", clone, *question).out
        if question == ["status"]:
            assert "all pushed to origin" in answer
        else:
            assert answer == look(*question).out


def test_a_clone_with_unsound_runs_is_told_how_to_find_out_more(
    project: Path, look: Look, tmp_path: Path, git: Callable[..., str]
) -> None:
    repo = Repo.open(project)
    tip = repo.git.tip(RUNS_REF)
    unsound = {"metrics.yaml": b"not: [a, metric\n"}
    commit = Forge(repo.git).record(a_run(), unsound, parents=[tip])
    assert repo.git.move_ref(RUNS_REF, tip, commit)
    repo.close()
    git(tmp_path, "clone", "--quiet", str(project), "clone")
    clone = str(tmp_path / "clone")
    said = "origin has runs: gitml pull origin"
    assert look("-C", clone, "log").err == f"there are no runs yet\n{said}\n"
    status = look("-C", clone, "status").out
    assert said in status
    assert "nothing to share yet" not in status
    assert "metrics.yaml" in look("-C", clone, *said.partition(": gitml ")[2].split(), code=4).err


def test_deleted_runs_are_hidden_until_asked_for(project: Path, look: Look) -> None:
    look("rm", "odd-newt")
    assert names(look("log", "--oneline").out) == ["quiet-fox", "brisk-heron", "early-lark"]
    assert names(look("log", "--oneline", "--deleted").out) == ["odd-newt"]
    assert names(look("log", "--oneline", "--all").out).count("odd-newt") == 1


def test_a_wrong_filter_is_pointed_at(project: Path, look: Look) -> None:
    answer = look("log", "-f", "metrics.acc >", code=2)
    assert "  metrics.acc >\n" in answer.err
    assert answer.err.splitlines()[2].strip() == "^"


@pytest.mark.parametrize("columns", [40, 80, 140])
def test_a_terminal_gets_lines_that_fit(
    project: Path, repo: Repo, on_terminal: Callable[..., str], columns: int
) -> None:
    for i, name in enumerate(["עברית 🚀" * 5, "日本語ラン" * 9, "x" * 200]):
        record(
            repo,
            name,
            {f"metric-{i}-{k}": [k / 3] for k in range(9)},
            params={f"param {k}": "y" * 60 for k in range(i + 3)},
        )
    text = on_terminal(project, "-P", "--color=never", "log", columns=columns)
    assert "\x1b" not in text
    assert all(width(line) <= columns for line in text.splitlines())
    assert re.search(r"^\+\d+ columns: ", text, re.MULTILINE)
    assert "7 runs" in text.splitlines()[-1]


def test_the_best_is_bold_on_a_terminal(project: Path, on_terminal: Callable[..., str]) -> None:
    text = on_terminal(project, "-P", "log", columns=140)
    assert "\x1b[1;32m0.9471*\x1b[0m" in text
    assert "constant: seed=7" in text
    assert "\x1b[" not in on_terminal(project, "-P", "log", NO_COLOR="1")
    assert "\x1b[1;32m" in on_terminal(project, "-P", "log", NO_COLOR="1", CLICOLOR_FORCE="1")


def test_groups_with_runs_that_diverged_are_honest_in_every_form(
    project: Path, repo: Repo, look: Look
) -> None:
    for name, value in (("fine", 1.0), ("nan", float("nan")), ("up", float("inf")), ("down", float("-inf"))):
        kind = "up" if name == "up" else "mixed"
        record(repo, name, {"val/loss": [value]}, params={"k": kind})
    record(repo, "without", {}, params={"k": "mixed"})
    options = ("log", "-n", "5", "--group-by", "k")
    groups = json.loads(look(*options, "--json").out)["groups"]
    assert [group["n"] for group in groups] == [4, 1]
    assert [group["metrics.val/loss.mean"] for group in groups] == ["NaN", "Infinity"]
    assert [group["metrics.val/loss.n"] for group in groups] == [3, 1]
    rows = list(csv.DictReader(io.StringIO(look(*options, "--csv").out)))
    assert [row["metrics.val/loss.mean"] for row in rows] == ["NaN", "Infinity"]
    assert "NaN" in look(*options, "--porcelain").out
    assert "nan" in look(*options, "--md").out
    lines = [line.split() for line in look(*options).out.splitlines()]
    assert lines[1:] == [["mixed", "4", "nan", "(n", "3)"], ["up", "1", "inf"]]
    assert "one key" in look("log", "--group-by", "k", "--group-by", "lr", code=2).err


def test_what_was_asked_for_is_shown_on_a_narrow_terminal(
    project: Path, on_terminal: Callable[..., str]
) -> None:
    heading = on_terminal(project, "-P", "--color=never", "log", "-c", "lr,depth,seed,acc", columns=40)
    assert heading.splitlines()[0].split()[-4:] == ["lr", "depth", "seed", "acc↑"]
    assert "(-c NAME)" in heading
    sort = on_terminal(project, "-P", "--color=never", "log", "-s", "duration", columns=34)
    assert "TIME" in sort.splitlines()[0]


def test_fields_are_found_in_all_runs_of_the_repository(
    project: Path, repo: Repo, look: Look, tmp_path: Path, git: Callable[..., str]
) -> None:
    record(repo, "bare", {})
    assert "lr" in look("log", "-n", "1", "-c", "lr").out.splitlines()[0].split()
    assert look("log", "-n", "1", "--csv", "-c", "lr").out.splitlines()[0] == "id,name,params.lr"
    for options in (("-c", "nope"), ("-s", "nope"), ("-s", "-metrics.nope"), ("--top", "2", "nope")):
        assert "nope" in look("log", *options, code=2).err
    git(tmp_path, "init", "--quiet", "empty")
    for options in (("-c", "lr"), ("-s", "-loss"), ("-s", "-metrics.loss"), ("--top", "2", "loss")):
        assert look("-C", str(tmp_path / "empty"), "log", *options).err == "there are no runs yet\n"


def test_texts_are_found_as_they_are(project: Path, repo: Repo, look: Look) -> None:
    record(repo, "under_score", {}, note="100% (sure)")
    for text in ("_", "%", "100% (SURE)"):
        assert look("log", "--format", "%s", "--grep", text).out == "under_score\n"
    assert look("log", "--oneline", "--author", "%").out == ""
    assert look("log", "--format", "%s", "--author", "EXAMPLE", "-n", "1").out == "under_score\n"


def test_many_columns_are_bounded_for_people_only(project: Path, repo: Repo, look: Look) -> None:
    for i in range(2):
        record(repo, f"wide-{i}", {}, params={f"p{k}": k + i for k in range(300)})
    answer = look("log", "-n", "2")
    assert len(answer.out.splitlines()[0].split()) < 60
    assert answer.err == "250 columns left out: -c NAME shows it, --all-columns all\n"
    assert "p299" in look("log", "-n", "2", "--all-columns").out
    assert len(look("log", "-n", "2", "--csv").out.splitlines()[0].split(",")) > 300
    assert look("show").out.count("(+250, --params)") == 1


def test_a_pipe_gets_values_whole(project: Path, repo: Repo, look: Look) -> None:
    ends = "x" * 300 + "1", "x" * 300 + "2"
    for i, value in enumerate(ends):
        record(repo, f"long-{i}", {}, params={"url": value}, tags={"t": value})
    assert ends[0] in look("log", "-n", "2").out
    assert f"url {ends[1]}" in look("show").out
    text = look("diff").out
    assert ends[0] in text
    assert ends[1] in text
    assert "…" not in text


def test_statistics_and_metrics_named_like_them_are_told_apart(project: Path, repo: Repo, look: Look) -> None:
    record(repo, "both", {"v": [1.0, 5.0], "v.min": [100.0]})
    record(repo, "plain", {"v": [2.0, 6.0]})
    record(repo, "only", {"v.min": [50.0]})
    whole, template = "metrics.`v.min`", "%s %(metrics.v.min) %(metrics.`v.min`)"
    assert look("log", "-n", "3", "--format", template).out.splitlines() == [
        "only  50.0", "plain 2.0 ", "both 1.0 100.0",
    ]  # fmt: skip
    rows = list(csv.reader(io.StringIO(look("log", "-n", "3", "--csv", "-c", f"v.min,{whole}").out)))
    assert [row[2:] for row in rows[1:]] == [["", "50.0"], ["2.0", ""], ["1.0", "100.0"]]
    assert rows[0][2] != rows[0][3]
    for key in ("v.min", "metrics.v.min"):
        assert look("log", "--format", "%s", "-s", f"-{key}", "-n", "2").out == "plain\nboth\n"
    assert look("log", "--format", "%s", "-f", "metrics.v.min > 1.5").out == "plain\n"
    assert look("log", "--format", "%s", "-f", f"{whole} > 1.5").out == "only\nboth\n"


def test_records_that_have_no_end_take_no_nul(project: Path, look: Look) -> None:
    for options in ((), ("--json",), ("--csv",), ("--md",), ("--oneline",)):
        assert "-z goes with" in look("log", "-z", *options, code=2).err


def test_a_terminal_gets_data_without_commands(
    project: Path, repo: Repo, look: Look, on_terminal: Callable[..., str]
) -> None:
    note = "\x1b]0;t\x07\u202e\x9b"
    record(repo, "hostile", {}, note=note)
    forms = (["show", "--format", "%N"], ["log", "-n1", "--format", "%N"], ["log", "-n1", "--csv"],
             ["log", "-n1", "--json"], ["show", "--json"], ["log", "-n1", "--jsonl", "-z"])  # fmt: skip
    for command in forms:
        text = on_terminal(project, "-P", *command)
        assert not set(text) & set(note) - set("]0;t"), command
    assert look("show", "--format", "%N").out == f"{note}\n"
    assert json.loads(on_terminal(project, "show", "--json"))["run"]["note"] == note


def test_why_nothing_is_shown_is_said(
    project: Path, look: Look, tmp_path: Path, git: Callable[..., str]
) -> None:
    assert look("log", "--deleted").err == "no run is deleted\n"
    look("experiments", "delete", "churn")
    assert "'churn' was deleted" in look("log", "-e", "churn").err
    for name in ("early-lark", "odd-newt"):
        look("rm", name)
    assert look("log").err == "all runs are deleted: gitml log --deleted\n"
    git(tmp_path, "init", "--quiet", "empty")
    assert "there are no runs yet" in look("-C", str(tmp_path / "empty"), "show", code=3).err


def test_the_best_of_a_filter_with_or_is_of_the_filter(project: Path, look: Look) -> None:
    found = look("log", "--oneline", "--top", "3", "loss", "-f", "name = 'early-lark' or name = 'quiet-fox'")
    assert names(found.out) == ["quiet-fox"]


def test_the_graph_has_the_same_columns_below_all_commits(project: Path, look: Look) -> None:
    runs = [
        line for line in look("log", "--graph").out.splitlines() if line.startswith("│") and "acc=" in line
    ]
    assert len({line.index("acc=") for line in runs}) == 1


NAMES = [
    # as written, the field that it is
    ("lr", "params.lr"),
    ("p.lr", "params.lr"),
    ("parameter.lr", "params.lr"),
    ("acc", "metrics.acc"),
    ("acc.max", "metrics.acc.max"),
    ("metric.acc.max_step", "metrics.acc.max_step"),
    ('metrics."acc"', "metrics.acc"),
    ("team", "tags.team"),
    ("run.user", "user"),
    ("created", "start"),
    ("description", "note"),
    ("duration", "duration_s"),
]


@pytest.mark.parametrize(("written", "field"), NAMES)
def test_a_name_is_read_in_one_way_wherever_it_stands(
    project: Path, look: Look, written: str, field: str
) -> None:
    rows = list(csv.reader(io.StringIO(look("log", "--csv", "-c", written).out)))
    assert rows[0] == list(dict.fromkeys(["id", "name", field]))
    values = [row[2] for row in rows[1:]]
    assert any(values)
    assert look("log", "--format", f"%({written})", "-z").out.split("\0")[:-1] == values
    assert look("log", "--group-by", written, "--csv").out.splitlines()[0].split(",")[0] == field
    found = look("log", "-n", "1", "-s", f"-{written}", "--format", "%s").out.strip()
    lowest = look("log", "-n", "1", "-s", f"{written} DESC", "--format", "%s").out.strip()
    assert found == lowest


def test_names_that_are_nothing_are_told_with_what_there_is(project: Path, repo: Repo, look: Look) -> None:
    for options in (("-c", "los"), ("--group-by", "los"), ("-s", "-los"), ("--top", "1", "los")):
        assert "did you mean metrics.loss?" in look("log", *options, code=2).err, options
    assert "did you mean metrics.loss?" in look("log", "--format", "%(los)", code=2).err
    assert "did you mean metrics.loss?" in look("show", "--format", "%(los)", code=2).err
    assert "did you mean params.lr?" in look("log", "-f", "lr > 0.05", code=2).err
    assert "did you mean metrics.loss.min?" in look("log", "-f", "loss.min < 0.07", code=2).err
    answer = look("log", "--top", "1", "lr", code=2)
    assert "--top takes a metric, and 'lr' is params.lr" in answer.err
    assert "gitml log -n N -s -lr" in answer.err
    assert "can't be sorted by 'command'" in look("log", "-s", "command", code=2).err
    record(repo, "lossy", {"error": [1.0]})
    assert "the metric is metrics.error" in look("log", "-s", "error").err


def test_names_with_commas_stand_in_backticks(project: Path, repo: Repo, look: Look) -> None:
    record(repo, "comma", {"a,b": [1.0]})
    heading = look("log", "--csv", "-c", "lr,`a,b`").out.splitlines()[0]
    assert heading == 'id,name,params.lr,"metrics.a,b"'
