"""`gitml checkout`: a run's code and artifacts as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def run(git_repo: Path, gitml, git) -> str:
    """A run of uncommitted code on a branch that is gone since; its code has a folder `artifacts` too."""
    git(git_repo, "switch", "-q", "-c", "idea")
    (git_repo / "artifacts").mkdir()
    (git_repo / "artifacts" / "model.bin").write_text("not a model\n")
    (git_repo / "train.py").write_text(
        "import pathlib, sys\npathlib.Path('model.bin').write_bytes(b'm' * 200_000)\nprint(1)\n"
    )
    git(git_repo, "add", "artifacts")
    git(git_repo, "commit", "-q", "-m", "an idea")
    gitml(git_repo, "run", "--name", "heron", "--artifact", "model.bin", "python", "train.py")
    git(git_repo, "switch", "-q", "-f", "main")
    git(git_repo, "branch", "-q", "-D", "idea")
    git(git_repo, "reflog", "expire", "--expire=now", "--all")
    git(git_repo, "gc", "-q", "--prune=now")
    return "heron"


def test_code_and_artifacts_lie_beside_each_other(run: str, git_repo: Path, gitml, git, tmp_path: Path):
    before = git(git_repo, "status", "--porcelain")
    out = tmp_path / "new" / "out"
    told = gitml(git_repo, "checkout", run, str(out), "--json").stdout
    assert (out / "code" / "artifacts" / "model.bin").read_text() == "not a model\n"
    assert "200_000" in (out / "code" / "train.py").read_text()
    assert (out / "artifacts" / "model.bin").read_bytes() == b"m" * 200_000
    assert not list(out.rglob(".git"))
    document = json.loads(told)["checkout"]
    assert (document["code"], document["artifacts"]) == (str(out / "code"), str(out / "artifacts"))
    assert (document["artifact_files"], document["artifact_bytes"]) == (1, 200_000)
    assert git(git_repo, "status", "--porcelain") == before


def test_one_of_them_alone_is_the_folder_itself(run: str, git_repo: Path, gitml, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    gitml(git_repo, "checkout", run, str(tmp_path / "empty"), "--code-only")
    assert (tmp_path / "empty" / "artifacts" / "model.bin").read_text() == "not a model\n"
    gitml(git_repo, "checkout", "--artifacts-only", run, str(tmp_path / "files"))
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["model.bin"]


def test_what_can_t_be_laid_out_leaves_nothing(run: str, git_repo: Path, gitml, tmp_path: Path):
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine").touch()
    assert "is not empty" in gitml(git_repo, "checkout", run, str(taken), code=2).stderr
    assert [path.name for path in taken.iterdir()] == ["mine"]
    gitml(git_repo, "checkout", run, str(tmp_path / "out"), "--code-only", "--artifacts-only", code=2)
    gitml(git_repo, "run", "--name", "bare", "--code", "off", "true")
    refused = gitml(git_repo, "checkout", "bare", str(tmp_path / "out"), code=3).stderr
    assert "recorded no code" in refused
    assert "--artifacts-only" in refused
    for path in (git_repo / ".git" / "lfs" / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    assert "has no object" in gitml(git_repo, "checkout", run, str(tmp_path / "out"), code=3).stderr
    assert not (tmp_path / "out").exists()


def test_artifacts_come_from_the_remote(run: str, git_repo: Path, gitml, git, tmp_path: Path):
    git(tmp_path, "init", "-q", "--bare", "server.git")
    git(git_repo, "remote", "add", "origin", str(tmp_path / "server.git"))
    git(git_repo, "push", "-q", "origin", "main")
    gitml(git_repo, "push")
    gitml(tmp_path, "clone", str(tmp_path / "server.git"), "clone")
    gitml(tmp_path, "clone", "--filter", "blob:none", (tmp_path / "server.git").as_uri(), "partial")
    for clone in ("clone", "partial"):
        gitml(tmp_path / clone, "checkout", run, str(tmp_path / f"of-{clone}"))
        assert (tmp_path / f"of-{clone}" / "artifacts" / "model.bin").stat().st_size == 200_000
        assert "200_000" in (tmp_path / f"of-{clone}" / "code" / "train.py").read_text()
