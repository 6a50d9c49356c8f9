"""What plain git shows of runs: each row of the table in the format's specification."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml

from gitml.repo import RUNS_REF


def test_git_log_lists_runs_newest_first_with_headline_metrics(recorded, git):
    lines = git(recorded.folder, "log", "--format=%s", "gitml/runs").splitlines()
    assert lines == ["churn/brisk-heron: val/loss=0.025 acc=0.45", "churn/quiet-fox: val/loss=0.05 acc=0.9"]


def test_trailers_make_a_table(recorded, git):
    code = git(recorded.folder, "rev-parse", "main~2").strip()
    form = "%h|%(trailers:key=Status,valueonly,separator=)|%(trailers:key=Experiment,valueonly,separator=)|%(trailers:key=Code-Commit,valueonly,separator=)"
    last = git(recorded.folder, "log", f"--format={form}", "gitml/runs").splitlines()[-1]
    assert (
        last
        == f"{git(recorded.folder, 'rev-parse', '--short', recorded.first).strip()}|finished|churn|{code}"
    )
    run_id = git(
        recorded.folder, "log", "-1", "--format=%(trailers:key=Run-Id,valueonly,separator=)", "gitml/runs"
    ).strip()
    assert run_id == yaml.safe_load(git(recorded.folder, "show", f"{recorded.second}:run.yaml"))["id"]


def test_the_specifications_table_has_a_line_a_run(recorded, git):
    page = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
    (command,) = re.findall(r"`git (log --format='.*trailers.*' gitml/runs)`", page)
    lines = git(recorded.folder, *shlex.split(command)).splitlines()
    assert [line.split()[-1] for line in lines] == ["finished", "finished"]


def test_git_show_and_ls_tree_show_one_run(recorded, git):
    assert "churn/quiet-fox" in git(recorded.folder, "show", "--stat", recorded.first)
    files = git(recorded.folder, "ls-tree", "-r", "--name-only", recorded.first).splitlines()
    assert {
        ".gitattributes",
        "artifacts/eval.csv",
        "artifacts/model/weights.bin",
        "code/train.py",
        "environment/requirements.txt",
        "history/acc.tsv",
        "history/val/loss.tsv",
        "logs/output.log",
        "metrics.yaml",
        "note.md",
        "params.yaml",
        "run.yaml",
        "tags.yaml",
    } <= set(files)


def test_git_diff_shows_what_differs_code_and_curves_included(recorded, git):
    changed = git(recorded.folder, "diff", "--name-only", recorded.first, recorded.second).splitlines()
    assert {
        "artifacts/model/weights.bin",
        "code/train.py",
        "history/acc.tsv",
        "history/val/loss.tsv",
        "metrics.yaml",
        "params.yaml",
        "run.yaml",
    } <= set(changed)
    assert "artifacts/eval.csv" not in changed
    assert "environment/requirements.txt" not in changed
    text = git(recorded.folder, "diff", recorded.first, recorded.second, "--", "params.yaml")
    assert "-lr: 0.1\n" in text
    assert "+lr: 0.05\n" in text
    assert "depth" not in [line[1:].partition(":")[0] for line in text.splitlines() if line[:1] in "+-"]


def test_git_diff_of_code_alone(recorded, git):
    text = git(recorded.folder, "diff", recorded.first, recorded.second, "--", "code/")
    assert "+print('deeper trees')" in text
    assert {line for line in text.splitlines() if line.startswith("diff ")} == {
        "diff --git a/code/train.py b/code/train.py"
    }


def test_code_is_the_commits_own_tree(recorded, git):
    assert git(recorded.folder, "rev-parse", f"{recorded.first}:code") == git(
        recorded.folder, "rev-parse", "main~2^{tree}"
    )


def test_git_show_gives_a_file_of_a_run(recorded, git):
    params = yaml.safe_load(git(recorded.folder, "show", f"{recorded.first}:params.yaml"))
    assert params == {"lr": 0.1, "depth": 8, "optimizer": "adam"}
    assert git(recorded.folder, "show", f"{recorded.first}:artifacts/eval.csv") == "a,b\n1,2\n"
    assert git(recorded.folder, "show", f"{recorded.first}:note.md").strip() == "about quiet-fox"
    assert git(recorded.folder, "show", f"{recorded.first}:logs/output.log") == "epoch 1\n"
    rows = git(recorded.folder, "show", f"{recorded.first}:history/val/loss.tsv").splitlines()
    assert [row.split("\t")[0::2] for row in rows[:2]] == [["0", "1.0"], ["1", "0.5"]]


def test_git_push_shares_runs(recorded, git, tmp_path):
    git(tmp_path, "init", "--quiet", "--bare", "theirs.git")
    git(recorded.folder, "push", "--quiet", str(tmp_path / "theirs.git"), "gitml/runs")
    assert git(tmp_path / "theirs.git", "rev-parse", RUNS_REF).strip() == recorded.second


def test_git_worktree_makes_a_folder_of_a_run(recorded, git, tmp_path):
    git(recorded.folder, "worktree", "add", "--quiet", str(tmp_path / "r"), recorded.first)
    assert (tmp_path / "r/params.yaml").read_text().startswith("lr: 0.1\n")
    assert (tmp_path / "r/code/train.py").exists()
    assert git(tmp_path / "r", "status", "--porcelain") == ""


def test_a_record_of_a_changed_run_is_a_small_diff(recorded, git):
    from gitml.tracking import edit
    from tests.native.conftest import opened

    run_id = yaml.safe_load(git(recorded.folder, "show", f"{recorded.second}:run.yaml"))["id"]
    with opened(recorded.folder) as repo:
        edit.set_tags(repo, run_id, {"reviewed": "yes"})
    assert git(recorded.folder, "diff", "--name-only", recorded.second, "gitml/runs").split() == ["tags.yaml"]
    assert (
        git(recorded.folder, "log", "-1", "--format=%s", "gitml/runs").strip()
        == "churn/brisk-heron: tag reviewed"
    )


def test_everything_is_sound_to_git(recorded, git):
    done = git(recorded.folder, "fsck", "--strict", "--no-dangling")
    assert done.strip() == ""
