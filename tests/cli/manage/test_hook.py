"""`gitml hook pre-push`: artifacts are there before what points at them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gitml
from gitml.repo import RUNS_REF
from gitml.store.folder import local_path
from gitml.sync.prepush import parse_refs, without_password

BIG = bytes(range(256)) * 1000
OID = hashlib.sha256(BIG).hexdigest()
STORED = f"lfs/objects/{OID[:2]}/{OID[2:4]}/{OID}"
ZERO = "0" * 40


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """Put `gitml` on PATH, as an installation does."""
    program = tmp_path / "bin/gitml"
    program.parent.mkdir()
    home = Path(gitml.__file__).parents[1]
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{home}" exec "{sys.executable}" -m gitml "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def bare(in_repo, git, tmp_path):
    folder = tmp_path / "their repo.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(folder))
    return folder


@pytest.fixture
def pushed(recorded, repo):
    """A run with a large artifact, and what git would write to the hook."""
    recorded(artifacts={"model.bin": BIG, "small.txt": b"x"})
    return f"{RUNS_REF} {repo.git.tip(RUNS_REF)} {RUNS_REF} {ZERO}\n"


def push(folder, *words):
    return subprocess.run(["git", "push", *words], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("form", ["{path}", "file://{path}", "../their repo", "../their repo.git"])
def test_a_push_brings_the_artifacts_first(cli, on_path, bare, in_repo, git, pushed, form):
    url = form.format(path=str(bare).replace(" ", "%20") if form.startswith("file") else bare)
    git(in_repo, "remote", "add", "origin", url)
    cli("init", "--hooks")
    done = push(in_repo, "origin", "gitml/runs")
    assert done.returncode == 0, done.stderr
    assert "gitml: sent 1 artifact (256 kB) to origin" in done.stderr
    assert (bare / STORED).read_bytes() == BIG
    assert git(bare, "rev-parse", RUNS_REF) == git(in_repo, "rev-parse", RUNS_REF)
    assert not [path for path in (bare / "lfs").rglob("*") if path.is_file() and path.name != OID]


def test_a_repository_with_a_work_tree_is_a_remote_too(cli, on_path, tmp_path, in_repo, git, pushed):
    git(tmp_path, "init", "--quiet", "theirs")
    git(in_repo, "remote", "add", "origin", "../theirs")
    cli("hook", "pre-push", "origin", "../theirs", stdin=pushed)
    assert (tmp_path / "theirs/.git" / STORED).read_bytes() == BIG


def test_a_linked_worktree_of_a_repository_is_a_remote_too(cli, tmp_path, in_repo, git, pushed, bare):
    git(in_repo, "push", "--quiet", str(bare), "main")
    git(bare, "worktree", "add", "--quiet", str(tmp_path / "side"), "main")
    cli("hook", "pre-push", str(tmp_path / "side"), str(tmp_path / "side"), stdin=pushed)
    assert (bare / STORED).read_bytes() == BIG


def test_a_push_from_a_linked_worktree(cli, on_path, bare, tmp_path, in_repo, git, pushed):
    git(in_repo, "remote", "add", "origin", str(bare))
    git(in_repo, "worktree", "add", "--quiet", str(tmp_path / "linked"), "-b", "side")
    cli("init", "--hooks")
    assert push(tmp_path / "linked", "origin", "gitml/runs").returncode == 0
    assert (bare / STORED).exists()


def test_only_new_commits_are_looked_at(cli, on_path, bare, in_repo, git, pushed, recorded):
    git(in_repo, "remote", "add", "origin", str(bare))
    cli("init", "--hooks")
    assert push(in_repo, "origin", "gitml/runs").returncode == 0
    (in_repo / ".git" / STORED).unlink()  # pruned here: it is safe at the remote
    recorded("two", artifacts={"other.bin": BIG[::-1]})
    done = push(in_repo, "origin", "gitml/runs")
    assert done.returncode == 0, done.stderr
    assert "sent 1 artifact" in done.stderr


def test_what_the_remote_has_is_not_sent_again(cli, bare, in_repo, pushed):
    target = bare / STORED
    target.parent.mkdir(parents=True)
    target.write_bytes(BIG)
    before = target.stat().st_mtime_ns
    assert cli("hook", "pre-push", str(bare), str(bare), stdin=pushed).err == ""
    assert target.stat().st_mtime_ns == before


def test_other_branches_and_deletions_are_no_business_of_it(cli, in_repo, repo, pushed):
    main = repo.git.tip("refs/heads/main")
    for line in (
        "",
        f"refs/heads/main {main} refs/heads/main {ZERO}\n",
        f"(delete) {ZERO} {RUNS_REF} {repo.git.tip(RUNS_REF)}\n",
    ):
        assert cli("hook", "pre-push", "origin", "https://example.invalid/x.git", stdin=line).err == ""


def test_a_model_version_brings_its_runs_artifacts(cli, bare, in_repo, git, pushed):
    git(in_repo, "tag", "-a", "gitml/models/churn/v1", "-m", "one", RUNS_REF)
    git(in_repo, "tag", "-a", "gitml/stages/churn/prod/0001", "-m", "up", "gitml/models/churn/v1")
    name = "refs/tags/gitml/stages/churn/prod/0001"
    line = f"{name} {git(in_repo, 'rev-parse', name).strip()} {name} {ZERO}\n"
    cli("hook", "pre-push", str(bare), str(bare), stdin=line)
    assert (bare / STORED).exists()


def test_runs_under_another_name_bring_theirs_too(cli, bare, pushed):
    line = pushed.replace(f" {RUNS_REF} ", " refs/heads/results ")
    cli("hook", "pre-push", str(bare), str(bare), stdin=line)
    assert (bare / STORED).exists()


# When it can't be


def test_a_missing_object_stops_the_push(cli, on_path, bare, in_repo, git, pushed):
    (in_repo / ".git" / STORED).unlink()
    git(in_repo, "remote", "add", "origin", str(bare))
    cli("init", "--hooks")
    done = push(in_repo, "origin", "gitml/runs")
    assert done.returncode != 0
    assert "1 artifact could not be sent to 'origin': the store has no object" in done.stderr
    assert "--no-verify" in done.stderr
    assert git(bare, "for-each-ref") == ""
    assert push(in_repo, "--no-verify", "origin", "gitml/runs").returncode == 0


def test_a_damaged_object_is_never_sent(cli, bare, in_repo, pushed):
    stored = in_repo / ".git" / STORED
    stored.chmod(0o644)
    stored.write_bytes(b"X" + BIG[1:])
    assert "is damaged" in cli("hook", "pre-push", str(bare), str(bare), stdin=pushed, code=5).err
    assert not [path for path in (bare / "lfs").rglob("*") if path.is_file()]


def test_a_path_without_a_repository(cli, tmp_path, pushed):
    nowhere = str(tmp_path / "nowhere")
    assert "no git repository" in cli("hook", "pre-push", nowhere, nowhere, stdin=pushed, code=5).err


def test_words_that_git_does_not_write(cli):
    done = cli("hook", "pre-push", "origin", "x", stdin="hello\n", code=2)
    assert "is not what git writes" in done.err
    assert parse_refs(f"(delete) {ZERO} refs/heads/x {ZERO}\n")[0].concerns_runs is False


def test_without_gitml_on_path_a_push_goes_through_with_a_word(cli, bare, in_repo, git, pushed, monkeypatch):
    git(in_repo, "remote", "add", "origin", str(bare))
    cli("init", "--hooks")
    monkeypatch.setenv("PATH", f"{Path(shutil.which('git')).parent}{os.pathsep}/bin")
    if shutil.which("gitml"):
        pytest.skip("a gitml is installed beside git")
    done = push(in_repo, "origin", "gitml/runs")
    assert done.returncode == 0
    assert "gitml is not on PATH: artifacts of these runs were not sent; the next gitml push" in done.stderr
    assert "artifacts" not in push(in_repo, "origin", "main").stderr
    cli("push", "origin")
    assert (bare / STORED).exists()


def test_pointers_of_another_store(cli, in_repo, git, recorded, repo, tmp_path, bare):
    git(in_repo, "config", "gitml.artifacts.url", (tmp_path / "shared store").as_uri())
    repo.close()
    repo.__dict__.pop("settings", None)
    recorded(artifacts={"model.bin": BIG})
    line = f"{RUNS_REF} {repo.git.tip(RUNS_REF)} {RUNS_REF} {ZERO}\n"
    cli("hook", "pre-push", str(bare), str(bare), stdin=line)
    assert (tmp_path / "shared store" / STORED.removeprefix("lfs/objects/")).read_bytes() == BIG
    assert not (bare / "lfs").exists()
    git(in_repo, "config", "gitml.artifacts.url", "s3://bucket/x")
    assert "s3://bucket/x" in cli("hook", "pre-push", str(bare), str(bare), stdin=line, code=5).err


# Git LFS servers


@pytest.fixture
def server():
    from tests.cli.manage.lfs_server import lfs_server

    with lfs_server() as running:
        yield running


@pytest.fixture
def git_lfs():
    """git-lfs is there; CI installs it, so there its absence is an error."""
    if shutil.which("git-lfs") is None:
        if "CI" in os.environ:
            pytest.fail("git-lfs is not installed")
        pytest.skip("git-lfs is not installed")


def test_artifacts_reach_a_git_lfs_server(cli, git_lfs, server, in_repo, git, pushed):
    git(in_repo, "remote", "add", "origin", server.url)
    done = cli("hook", "pre-push", "origin", server.url, stdin=pushed)
    assert "sent 1 artifact" in done.err
    assert server.objects == {OID: BIG}


@pytest.mark.parametrize("key", ["lfs.url", "remote.origin.lfsurl"])
def test_a_path_with_a_git_lfs_server_elsewhere(cli, server, in_repo, git, pushed, recorded, bare, key):
    """What is set explicitly is wanted, wherever the remote is; so does git-lfs."""
    git(in_repo, "remote", "add", "origin", str(bare))
    git(in_repo, "config", key, server.url)
    cli("push", "origin")
    assert server.objects == {OID: BIG}
    assert not (bare / "lfs").exists()
    git(in_repo, "config", "remote.origin.lfspushurl" if key != "lfs.url" else "lfs.pushurl", str(bare))
    recorded(artifacts={"more.bin": BIG[::-1]})
    cli("push", "origin")
    assert server.objects == {OID: BIG}
    assert [path.read_bytes() for path in (bare / "lfs").rglob("*") if path.is_file()] == [BIG[::-1]]


def test_a_git_lfs_server_that_refuses_stops_the_push(cli, git_lfs, server, in_repo, git, pushed):
    git(in_repo, "remote", "add", "origin", server.url)
    server.refuses = True
    done = cli("hook", "pre-push", "origin", server.url, stdin=pushed, code=5)
    assert "1 artifact could not be sent to 'origin'" in done.err
    assert "you may not write there" in done.err
    assert "git push --no-verify" in done.err
    assert server.objects == {}


def test_a_server_that_is_not_there_is_named_without_the_password(cli, in_repo, pushed):
    url = "https://user:hunter2@example.invalid/x.git"
    done = cli("hook", "pre-push", "origin", url, stdin=pushed, code=5)
    assert "example.invalid" in done.err
    assert "git push --no-verify" in done.err
    assert "hunter2" not in done.err


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/srv/x.git", "/srv/x.git"),
        ("../x", "/base/../x"),
        ("file:///srv/a%20b", "/srv/a b"),
        ("file://localhost/srv/x", "/srv/x"),
        ("./host:path", "/base/./host:path"),
        ("host:path", None),
        ("user@host:path/x.git", None),
        ("https://host/x.git", None),
        ("ssh://host/x.git", None),
        ("", None),
    ],
)
def test_which_urls_are_paths(url, path):
    found = local_path(url, Path("/base"))
    assert found == (None if path is None else Path(path))


def test_urls_are_shown_without_passwords():
    assert without_password("https://a:b@host/x") == "https://host/x"
