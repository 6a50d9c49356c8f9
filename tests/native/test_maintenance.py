"""Git's own housekeeping and ways to copy a repository change no answer of gitml."""

from __future__ import annotations

import pytest

from gitml.entities.run import RunStatus
from gitml.repo import LIVE_REFS, RUNS_REF
from gitml.tracking import history
from gitml.tracking.commit import finish_run
from gitml.tracking.start import start_run
from tests.native.conftest import answers, fill, opened


@pytest.mark.parametrize(
    "command",
    [
        ["fsck", "--strict"],
        ["gc", "--quiet", "--prune=now"],
        ["gc", "--quiet", "--aggressive", "--prune=now"],
        ["repack", "-adq"],
        ["repack", "-adq", "--write-bitmap-index"],
        ["pack-refs", "--all"],
        ["prune", "--expire=now"],
        ["reflog", "expire", "--expire=now", "--all"],
        ["commit-graph", "write", "--reachable"],
        ["repack", "-adq", "--write-midx"],
        ["maintenance", "run"],
    ],
    ids=" ".join,
)
def test_housekeeping_changes_no_answer(recorded, git, command):
    before = answers(recorded.folder)
    assert len(before) == 2
    git(recorded.folder, *command)
    assert answers(recorded.folder, fresh=False) == before
    assert answers(recorded.folder) == before


def test_runs_go_on_after_housekeeping(recorded, git):
    git(recorded.folder, "gc", "--quiet", "--prune=now")
    git(recorded.folder, "pack-refs", "--all")
    with opened(recorded.folder) as repo:
        live = start_run(repo, name="after")
        fill(live, 0.7)
        commit = finish_run(repo, live, RunStatus.FINISHED)
    assert git(recorded.folder, "rev-parse", "gitml/runs~1").strip() == recorded.second
    assert git(recorded.folder, "rev-parse", "gitml/runs").strip() == commit
    git(recorded.folder, "fsck", "--strict")
    assert len(answers(recorded.folder)) == 3


def test_one_open_repository_lives_through_a_repack(recorded, git):
    with opened(recorded.folder) as repo:
        run = history.get_run(repo, answers(recorded.folder)[0]["run"].id)
        history.list_artifacts(repo, run)
        git(recorded.folder, "repack", "-adq")
        git(recorded.folder, "prune-packed")
        assert history.list_artifacts(repo, run)
        live = start_run(repo, name="during")
        git(recorded.folder, "gc", "--quiet", "--prune=now")
        finish_run(repo, live, RunStatus.FINISHED)
    git(recorded.folder, "fsck", "--strict")
    assert len(answers(recorded.folder)) == 3


# Copies


@pytest.mark.parametrize("fetched", [False, True])
def test_a_clone_has_the_runs(recorded, git, tmp_path, fetched):
    git(tmp_path, "clone", "--quiet", str(recorded.folder), "clone")
    assert git(tmp_path / "clone", "rev-parse", "origin/gitml/runs").strip() == recorded.second
    if fetched:
        git(tmp_path / "clone", "fetch", "--quiet", "origin", "gitml/runs:gitml/runs")
    assert answers(tmp_path / "clone", objects=False) == answers(recorded.folder, objects=False)


def test_a_bundle_carries_the_runs(recorded, git, tmp_path):
    git(recorded.folder, "bundle", "create", "--quiet", str(tmp_path / "runs.bundle"), "gitml/runs")
    git(tmp_path, "init", "--quiet", "other")
    git(tmp_path / "other", "fetch", "--quiet", str(tmp_path / "runs.bundle"), "gitml/runs:gitml/runs")
    # Source is in it too: the runs stand without the branch they were made from.
    assert answers(tmp_path / "other", objects=False) == answers(recorded.folder, objects=False)
    git(tmp_path / "other", "fsck", "--strict")


def test_a_linked_worktree_is_the_same_repository(recorded, git, tmp_path):
    git(recorded.folder, "worktree", "add", "--quiet", str(tmp_path / "linked"), "-b", "side")
    before = answers(recorded.folder)
    assert answers(tmp_path / "linked") == before
    with opened(tmp_path / "linked") as repo:
        live = start_run(repo, name="from-the-side")
        finish_run(repo, live, RunStatus.FINISHED)
    after = answers(recorded.folder)
    assert [item["run"].name for item in after] == ["from-the-side", "brisk-heron", "quiet-fox"]
    assert after[0]["run"].code.branch == "side"
    git(recorded.folder, "worktree", "remove", "--force", str(tmp_path / "linked"))
    assert answers(recorded.folder) == after


def test_a_bare_repository_gives_the_same_answers(recorded, git, tmp_path):
    git(tmp_path, "clone", "--quiet", "--bare", str(recorded.folder), "bare.git")
    assert answers(tmp_path / "bare.git", objects=False) == answers(recorded.folder, objects=False)


def test_a_run_is_recorded_in_a_bare_repository(recorded, git, tmp_path):
    git(tmp_path, "clone", "--quiet", "--bare", str(recorded.folder), "bare.git")
    with opened(tmp_path / "bare.git") as repo:
        live = start_run(repo, name="in-the-bare")
        fill(live, 0.3)
        finish_run(repo, live, RunStatus.FINISHED)
    git(tmp_path / "bare.git", "fsck", "--strict")
    assert answers(tmp_path / "bare.git", objects=False)[0]["run"].name == "in-the-bare"


def test_the_branch_of_the_code_can_go(recorded, git):
    before = answers(recorded.folder)
    git(recorded.folder, "checkout", "--quiet", "--orphan", "rewritten")
    git(recorded.folder, "commit", "--quiet", "--message", "squashed")
    git(recorded.folder, "branch", "-D", "main")
    git(recorded.folder, "reflog", "expire", "--expire=now", "--all")
    git(recorded.folder, "gc", "--quiet", "--prune=now")
    assert answers(recorded.folder) == before
    assert git(recorded.folder, "show", f"{recorded.first}:code/train.py").startswith("import sys")


# Live runs


def test_gc_keeps_the_snapshot_of_a_live_run(recorded, git):
    script = recorded.folder / "train.py"
    script.write_text("print('never committed')\n")
    (recorded.folder / "helper.py").write_text("new = True\n")
    with opened(recorded.folder) as repo:
        live = start_run(repo, name="dirty")
        live.log_metric("loss", 1.0)
        script.write_text("print('changed again')\n")
        assert git(recorded.folder, "for-each-ref", "--format=%(refname)", LIVE_REFS).split() == [
            LIVE_REFS + live.run_id
        ]
        git(recorded.folder, "reflog", "expire", "--expire=now", "--all")
        git(recorded.folder, "gc", "--quiet", "--prune=now")
        git(recorded.folder, "repack", "-adq")
        assert history.get_run(repo, live.run_id).live
        commit = finish_run(repo, live, RunStatus.FINISHED)
    assert git(recorded.folder, "show", f"{commit}:code/train.py") == "print('never committed')\n"
    assert git(recorded.folder, "show", f"{commit}:code/helper.py") == "new = True\n"
    assert git(recorded.folder, "for-each-ref", LIVE_REFS) == ""
    git(recorded.folder, "fsck", "--strict")


def test_a_live_run_answers_the_same_through_housekeeping(recorded, git):
    with opened(recorded.folder) as repo:
        live = start_run(repo, name="live")
        fill(live, 0.4)
        before = answers(recorded.folder)
        for command in (["gc", "--quiet", "--prune=now"], ["pack-refs", "--all"], ["repack", "-adq"]):
            git(recorded.folder, *command)
            assert answers(recorded.folder) == before
        finish_run(repo, live, RunStatus.FINISHED)
    assert len(answers(recorded.folder)) == 3


def test_a_push_or_clone_takes_no_live_run_along(recorded, git, tmp_path):
    (recorded.folder / "train.py").write_text("print('not for others yet')\n")
    with opened(recorded.folder) as repo:
        live = start_run(repo, name="private")
        git(tmp_path, "clone", "--quiet", str(recorded.folder), "clone")
        git(tmp_path, "init", "--quiet", "--bare", "theirs.git")
        git(recorded.folder, "push", "--quiet", "--all", str(tmp_path / "theirs.git"))
        finish_run(repo, live, RunStatus.FINISHED)
    for folder in ("clone", "theirs.git"):
        assert "refs/gitml/" not in git(tmp_path / folder, "for-each-ref")
    assert RUNS_REF in git(tmp_path / "theirs.git", "for-each-ref")
