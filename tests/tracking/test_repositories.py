"""Every kind of repository: gitml works in it and leaves what is the user's alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitml.entities.run import RunStatus
from gitml.errors import NotARepositoryError
from gitml.index import Query
from gitml.repo import RUNS_REF, Repo
from gitml.tracking import history
from gitml.tracking.commit import finish_run
from gitml.tracking.edit import set_tags
from gitml.tracking.start import start_run


def record(folder: Path) -> str:
    repo = Repo.open(folder)
    live = start_run(repo)
    live.log_metric("loss", 0.5)
    live.log_bytes(b"x" * 200_000, "model.bin")
    finish_run(repo, live, RunStatus.FINISHED)
    set_tags(repo, live.run_id, {"a": "b"})
    repo.close()
    return live.run_id


def check(folder: Path, run_id: str) -> None:
    repo = Repo.open(folder)
    run = history.search(repo, Query(filter="metrics.loss < 1"))[0]
    assert run.id == run_id
    assert run.tags == {"a": "b"}
    with history.open_artifact(repo, run, "model.bin") as stream:
        assert len(stream.read()) == 200_000
    assert repo.git.tip(RUNS_REF) == run.commit
    repo.close()


def state(folder: Path, git) -> dict[str, object]:
    """All that is the user's."""
    git_dir = Path(git(folder, "rev-parse", "--path-format=absolute", "--git-dir").strip())
    common = Path(git(folder, "rev-parse", "--path-format=absolute", "--git-common-dir").strip())
    found: dict[str, object] = {
        "refs": [line for line in git(folder, "for-each-ref").splitlines() if "gitml/runs" not in line],
        "status": git(folder, "--no-optional-locks", "status", "--porcelain=v2", "--branch")
        if (folder / ".git").exists()
        else "",
        "stash": git(folder, "stash", "list") if (folder / ".git").exists() else "",
    }
    for name in ("HEAD", "index"):
        file = git_dir / name
        found[name] = (file.read_bytes(), file.stat().st_mtime_ns) if file.exists() else None
    for name in ("config", "hooks", "info"):
        place = common / name
        files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
        found[name] = [(path.name, path.read_bytes()) for path in files]
    return found


def empty(tmp_path: Path, git) -> Path:
    git(tmp_path, "init", "-q", "fresh")
    return tmp_path / "fresh"


def sha256(tmp_path: Path, git) -> Path:
    git(tmp_path, "init", "-q", "--object-format=sha256", "modern")
    (tmp_path / "modern" / "f").write_text("x")
    git(tmp_path / "modern", "add", "f")
    git(tmp_path / "modern", "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "-m", "first")
    return tmp_path / "modern"


def detached(tmp_path: Path, git, git_repo: Path) -> Path:
    git(git_repo, "checkout", "-q", "--detach")
    return git_repo


def dirty_subfolder(tmp_path: Path, git, git_repo: Path) -> Path:
    (git_repo / "src").mkdir()
    (git_repo / "src" / "new.py").write_text("x = 1\n")
    (git_repo / "train.py").write_text("y = 2\n")
    git(git_repo, "stash", "push", "-q")
    (git_repo / "train.py").write_text("y = 3\n")
    return git_repo / "src"


def worktree(tmp_path: Path, git, git_repo: Path) -> Path:
    git(git_repo, "worktree", "add", "-q", str(tmp_path / "linked"), "-b", "side")
    return tmp_path / "linked"


def bare(tmp_path: Path, git, git_repo: Path) -> Path:
    git(tmp_path, "clone", "-q", "--bare", str(git_repo), "bare.git")
    return tmp_path / "bare.git"


def submodule(tmp_path: Path, git, git_repo: Path) -> Path:
    git(tmp_path, "init", "-q", "outer")
    git(
        tmp_path / "outer",
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(git_repo),
        "inner",
    )
    return tmp_path / "outer" / "inner"


def packed(tmp_path: Path, git, git_repo: Path) -> Path:
    git(git_repo, "gc", "-q")
    git(git_repo, "pack-refs", "--all")
    return git_repo


PLACES = [empty, sha256, detached, dirty_subfolder, worktree, bare, submodule, packed]


@pytest.mark.parametrize("make", PLACES, ids=lambda make: make.__name__)
def test_a_run_is_recorded_and_nothing_of_the_users_is_touched(make, tmp_path, git, git_repo):
    names = make.__code__.co_varnames[: make.__code__.co_argcount]
    folder = make(*[{"tmp_path": tmp_path, "git": git, "git_repo": git_repo}[name] for name in names])
    before = state(folder, git)
    run_id = record(folder)
    assert state(folder, git) == before
    check(folder, run_id)
    git(folder, "fsck", "--strict")
    git(folder, "gc", "-q", "--prune=now")
    check(folder, run_id)


def test_runs_of_a_worktree_and_its_repository_are_the_same(tmp_path, git, git_repo):
    linked = worktree(tmp_path, git, git_repo)
    check(git_repo, record(linked))


def test_outside_a_repository_it_says_so(tmp_path):
    with pytest.raises(NotARepositoryError) as caught:
        Repo.open(tmp_path)
    assert "gitml init" in caught.value.hint


def test_variables_of_an_outer_git_have_no_say(git, git_repo, tmp_path, monkeypatch):
    """As in a hook, where git sets them: the index of the outer command must not be used."""
    decoy = tmp_path / "decoy"
    decoy.write_bytes(b"")
    monkeypatch.setenv("GIT_INDEX_FILE", str(decoy))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(elsewhere))
    monkeypatch.chdir(git_repo)
    (git_repo / "train.py").write_text("changed\n")
    run_id = record(git_repo)
    monkeypatch.delenv("GIT_INDEX_FILE")
    monkeypatch.delenv("GIT_OBJECT_DIRECTORY")
    check(git_repo, run_id)
    assert decoy.read_bytes() == b""
    assert not list(elsewhere.iterdir())


def test_a_git_in_the_current_folder_is_never_run(git_repo, tmp_path):
    trap = git_repo / "git"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/trapped\n")
    trap.chmod(0o755)
    env = {**os.environ, "PATH": f".:{os.environ['PATH']}"}
    code = "from gitml.repo import Repo; print(Repo.open().settings.author)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=git_repo, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "Ada Example <ada@example.org>\n"
    assert not (tmp_path / "trapped").exists()


def test_without_an_identity_runs_are_still_recorded(git, git_repo):
    git(git_repo, "config", "--unset", "user.name")
    git(git_repo, "config", "--unset", "user.email")
    check(git_repo, record(git_repo))


def clone_of(tmp_path: Path, git, git_repo: Path) -> Path:
    git(tmp_path, "clone", "--quiet", str(git_repo), "clone")
    git(tmp_path / "clone", "config", "user.name", "Grace")
    git(tmp_path / "clone", "config", "user.email", "grace@example.org")
    return tmp_path / "clone"


def test_the_first_run_of_a_clone_continues_the_history_it_brought(tmp_path, git, git_repo):
    theirs = record(git_repo)
    clone = clone_of(tmp_path, git, git_repo)
    mine = record(clone)
    git(clone, "merge-base", "--is-ancestor", "origin/gitml/runs", "gitml/runs")
    git(clone, "push", "--quiet", "origin", "gitml/runs")  # refused, if it were no fast-forward
    for folder in (clone, git_repo):
        repo = Repo.open(folder)
        assert {run.id for run in history.search(repo, Query())} == {theirs, mine}
        repo.close()
    assert len(git(clone, "rev-list", "--max-parents=0", "gitml/runs").split()) == 1


def test_of_several_remotes_origin_is_continued(tmp_path, git, git_repo):
    clone = clone_of(tmp_path, git, git_repo)  # before there are runs
    git(tmp_path, "clone", "--quiet", str(git_repo), "backup")
    record(tmp_path / "backup")
    record(git_repo)
    git(clone, "remote", "add", "a-backup", str(tmp_path / "backup"))
    git(clone, "fetch", "--quiet", "--all")
    record(clone)
    git(clone, "merge-base", "--is-ancestor", "origin/gitml/runs", "gitml/runs")


def test_a_remotes_branch_that_is_not_gitmls_is_not_continued(tmp_path, git, git_repo):
    git(git_repo, "branch", "gitml/runs")
    clone = clone_of(tmp_path, git, git_repo)
    check(clone, record(clone))
    assert len(git(clone, "rev-list", "--max-parents=0", "gitml/runs").split()) == 1
