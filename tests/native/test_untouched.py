"""No command but `gitml init` changes what is the user's: HEAD, staging area, stash, files, settings, hooks."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

import gitml as package
from gitml.entities.run import RunStatus
from gitml.tracking.commit import finish_run
from gitml.tracking.start import start_run
from tests.native.conftest import fill, opened

COMMANDS = [
    ["run", "--name", "wrapped", "-P", "lr=1", "--", "sh", "-c", "echo hello"],
    ["run", "--name", "failing", "--", "sh", "-c", "exit 3"],
    ["log"],
    ["log", "--graph"],
    ["log", "--json"],
    ["show", "quiet-fox"],
    ["diff", "quiet-fox", "brisk-heron"],
    ["diff", "quiet-fox", "brisk-heron", "--code"],
    ["diff", "quiet-fox", "--working"],
    ["status"],
    ["plot", "acc", "quiet-fox"],
    ["tag", "quiet-fox", "team=b"],
    ["tag", "quiet-fox", "--delete", "team"],
    ["note", "quiet-fox", "-m", "text"],
    ["note", "quiet-fox", "--edit"],
    ["mv", "quiet-fox", "loud-fox"],
    ["rm", "loud-fox"],
    ["restore-run", "loud-fox"],
    ["runs", "list"],
    ["runs", "describe", "loud-fox"],
    ["runs", "compare", "loud-fox", "brisk-heron"],
    ["runs", "finish", "orphan", "--status", "failed"],
    ["experiments", "create", "new"],
    ["experiments", "set-tag", "new", "a=b"],
    ["experiments", "rename", "new", "newer"],
    ["experiments", "delete", "newer"],
    ["experiments", "restore", "newer"],
    ["experiments", "list"],
    ["artifacts", "list", "loud-fox"],
    ["artifacts", "get", "loud-fox", "-o", "{outside}"],
    ["artifacts", "cat", "loud-fox", "eval.csv"],
    ["completion", "bash"],
    ["fsck", "--repair"],
    ["du"],
    ["gc", "--repack", "--caches", "--older-than", "0"],
]


@pytest.fixture
def busy(recorded, git, monkeypatch) -> Path:
    """A work tree in the middle of everything: staged, changed, stashed, untracked, ignored; with hooks."""
    folder = recorded.folder
    monkeypatch.setenv("PYTHONPATH", str(Path(package.__file__).parents[1]))
    monkeypatch.setenv("GIT_EDITOR", "true")
    (folder / ".gitignore").write_text("*.log\n")
    git(folder, "add", ".gitignore")
    git(folder, "commit", "--quiet", "--message", "ignore")
    (folder / "train.py").write_text("print('stashed')\n")
    git(folder, "stash", "--quiet")
    (folder / "train.py").write_text("print('staged')\n")
    git(folder, "add", "train.py")
    (folder / "train.py").write_text("print('changed')\n")
    (folder / "new file.py").write_text("untracked\n")
    (folder / "x.log").write_text("ignored\n")
    for name in (
        "pre-commit",
        "post-commit",
        "reference-transaction",
        "post-index-change",
        "pre-push",
        "post-checkout",
    ):
        hook = folder / ".git/hooks" / name
        hook.write_text(f'#!/bin/sh\necho {name} >> "{folder}/.git/hooks-ran"\n')
        hook.chmod(0o755)
    with opened(folder) as repo:
        live = start_run(repo, name="orphan")
        fill(live, 0.2)
        live.close()
        live = start_run(repo, name="ended")
        finish_run(repo, live, RunStatus.FINISHED)
    return folder


def state(folder: Path, git) -> dict[str, object]:
    """What is the user's."""
    inside = folder / ".git"
    (inside / "hooks-ran").unlink(missing_ok=True)
    status = git(
        folder, "--no-optional-locks", "status", "--porcelain=v2", "--ignored", "--branch", "--show-stash"
    )
    (inside / "hooks-ran").unlink(missing_ok=True)  # looking at it must not count
    return {
        "files": {
            str(path.relative_to(folder)): (
                path.lstat().st_mtime_ns,
                stat.S_IMODE(path.lstat().st_mode),
                path.read_bytes(),
            )
            for path in sorted(folder.rglob("*"))
            if path.is_file() and inside not in path.parents
        },
        "git": {
            name: (inside / name).read_bytes() if (inside / name).exists() else None
            for name in (
                "HEAD",
                "index",
                "config",
                "ORIG_HEAD",
                "FETCH_HEAD",
                "COMMIT_EDITMSG",
                "logs/HEAD",
                "info/exclude",
                "hooks-ran",
            )
        },
        "hooks": {path.name: path.read_bytes() for path in (inside / "hooks").iterdir()},
        "refs": [
            line
            for line in git(folder, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
            if not line.startswith(("refs/heads/gitml/", "refs/gitml/"))
        ],
        "stash": git(folder, "stash", "list"),
        "worktrees": git(folder, "worktree", "list"),
        "home": sorted(path.name for path in Path(os.environ["HOME"]).iterdir()),
        "status": status,
    }


def test_no_command_touches_what_is_the_users(busy, git, gitml, tmp_path):
    before = state(busy, git)
    for command in COMMANDS:
        words = [word.format(outside=tmp_path / "out") if "{outside}" in word else word for word in command]
        done = gitml(busy, *words, code=None)
        assert done.returncode == (3 if "failing" in words else 0), (words, done.stderr)
        ran = busy / ".git/hooks-ran"
        assert not ran.exists(), f"{words} ran the user's hooks: {ran.read_text()}"
        assert state(busy, git) == before, words
    git(busy, "fsck", "--strict")


def test_nothing_is_left_behind_besides_runs_and_gitmls_folder(busy, git, gitml, tmp_path):
    known = {path.name for path in (busy / ".git").iterdir()}
    for command in (["run", "--", "true"], ["log"], ["tag", "@", "a=b"]):
        gitml(busy, *command)
    assert {path.name for path in (busy / ".git").iterdir()} - known <= {"gitml", "lfs"}
    locks = [
        path
        for path in (busy / ".git").rglob("*.lock")
        if "gitml" not in path.relative_to(busy / ".git").parts
    ]
    assert not locks
    assert not list((busy / ".git/gitml").rglob(".gitml-*"))
