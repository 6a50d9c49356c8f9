"""`gitml show`: one run."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

from gitml.entities.run import RunStatus
from gitml.repo import Repo
from gitml.tracking.commit import finish_run
from gitml.tracking.start import start_run
from tests.cli.look.conftest import Look, record


def test_the_page_has_everything_at_a_glance(project: Path, look: Look) -> None:
    text = look("show", "brisk-heron").out
    assert "churn/brisk-heron" in text
    assert "deeper trees, class weights" in text
    assert "lr 0.001 · depth 8 · seed 7" in text
    assert "model.bin 5.0 kB" in text
    assert "team=vision" in text
    loss = next(line for line in text.splitlines() if line.strip().startswith("loss"))
    assert loss.split()[1:4] == ["0.183", "0.181↓", "1"]
    assert "█▁▁" in loss
    assert look("show").out.startswith("run ")


def test_parts_can_be_asked_for(project: Path, look: Look) -> None:
    assert "  lr     0.001" in look("show", "brisk-heron", "--params").out
    environment = look("show", "brisk-heron", "--env").out
    assert "requirements.txt" in environment
    assert "python-version" in environment
    assert "can't be combined" in look("show", "--env", "--log", code=2).err
    assert "printed nothing" in look("show", "--log").err


def test_json_has_the_files_too(project: Path, look: Look) -> None:
    document = json.loads(look("show", "brisk-heron", "--json").out)["run"]
    assert document["name"] == "brisk-heron"
    assert [file["path"] for file in document["artifacts"]] == ["eval.csv", "model.bin"]
    assert look("show", "brisk-heron", "--format", "%s %(metrics.acc)").out == "brisk-heron 0.9471\n"


def test_output_is_raw_in_a_pipe_and_tame_on_a_terminal(
    project: Path, repo: Repo, look: Look, on_terminal: Callable[..., str]
) -> None:
    live = start_run(repo, name="talker")
    live.append_output(b"10%\r100%\n\x1b]0;owned\x07\x1b[31mred\x1b[0m \xff\n")
    finish_run(repo, live, RunStatus.FINISHED)
    assert "\x1b]0;owned" in look("show", "talker", "--log").out
    text = on_terminal(project, "-P", "show", "talker", "--log")
    assert "owned" not in text
    assert "\x1b[31mred\x1b[0m" in text
    assert "10%\r" not in text
    assert "\x1b" not in on_terminal(project, "-P", "--color=never", "show", "talker", "--log")


def test_hostile_runs_do_not_reach_the_terminal(
    project: Path, repo: Repo, on_terminal: Callable[..., str]
) -> None:
    record(
        repo,
        "🚀 עברית",
        {"acc": [1.0]},
        params={"x": "\x1b[2Jgone\x07\u202e"},
        note="\x1b]0;t\x07note",
        tags={"t": "a\x1bb"},
    )
    for command in (
        ["show", "@"],
        ["log"],
        ["log", "--vertical"],
        ["diff"],
        ["log", "--graph"],
        ["log", "--oneline"],
    ):
        text = on_terminal(project, "-P", "--color=never", *command)
        assert "\x1b" not in text, command
        assert "\x07" not in text, command
        assert "\u202e" not in text, command


def test_live_runs_show_how_long_they_have_been_going(project: Path, repo: Repo, look: Look) -> None:
    live = start_run(repo, name="going")
    live.log_metric("acc", 0.5, step=0)
    live.log_metric("acc", 0.6, step=1)
    assert "● running" in look("show", "going").out
    assert look("log", "--oneline", "-n", "1").out.startswith("●")
    finish_run(repo, live, RunStatus.FINISHED)
    assert "✓ finished" in look("show", "going").out


def test_parents_name_their_children(project: Path, repo: Repo, look: Look) -> None:
    parent = record(repo, "parent", {})
    record(repo, "child", {}, parent_id=parent)
    assert "contains ✓" in look("show", "parent").out
    assert f"part of  {parent[:7]}" in look("show", "child").out


def test_candidates_of_a_name_have_a_time(project: Path, repo: Repo, look: Look) -> None:
    for _ in range(2):
        record(repo, "twice", {})
    said = look("show", "twice", code=2).err
    assert len(re.findall(r"twice  finished  \d{4}-\d\d-\d\d \d\d:\d\d", said)) == 2


def test_the_command_can_be_typed_again_as_it_is_shown(project: Path, repo: Repo, look: Look) -> None:
    words = ["python", "-c", 'print("a b")', "x y", "it's\x1b[2J"]
    record(repo, "typed", {}, command=words)
    record(repo, "other", {}, command=["true"])
    line = shlex.join(words)
    shown = line.replace("\x1b", "\\x1b")  # harmless on a terminal, and for people in a pipe too
    assert f"command  {shown}\n" in look("show", "typed").out
    assert f" command: {shown}\n" in look("log", "--vertical").out
    assert next(csv.DictReader(io.StringIO(look("show", "typed", "--csv").out)))["command"] == line
    assert look("show", "typed", "--format", "%(command)").out == f"{line}\n"
    compared = json.loads(look("diff", "typed", "other", "--all", "--json").out)["diff"]["facts"]
    assert line in next(row for row in compared if row["key"] == "command")["values"].values()
    assert shown in look("diff", "typed", "other", "--all").out
    assert json.loads(look("show", "typed", "--json").out)["run"]["command"] == words
