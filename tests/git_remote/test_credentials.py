"""`git credential` and the user's own helpers: a real git, a real helper."""

from __future__ import annotations

import pytest

from gitml.git.credentials import GitCredentials, NoCredentialsError, UnsafeCredentialError
from gitml.git.lfsconfig import read_lfsconfig
from gitml.git.process import GitCommandFailedError
from gitml.git.repo import GitRepo

HELPER = """#!/bin/sh
{ echo "== $1"; cat; } >> "$HELPER_LOG"
test "$1" = get && printf 'username=ada\\npassword=s=c r%%t\\n'
exit 0
"""
WANTED = {"protocol": "https", "host": "git.example.org", "path": "ada/churn.git"}


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPER_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


@pytest.fixture
def helper(git_repo, git, log, tmp_path):
    script = tmp_path / "helper"
    script.write_text(HELPER)
    script.chmod(0o755)
    git(git_repo, "config", "credential.helper", str(script))
    return GitCredentials(GitRepo.discover(git_repo).process)


def test_a_helper_of_the_user_is_asked_and_told(helper, log):
    found = helper.fill(WANTED)
    assert (found["username"], found["password"]) == ("ada", "s=c r%t")
    assert found["host"] == "git.example.org"
    helper.approve(found)
    helper.reject(found)
    said = log.read_text()
    assert "== get\n" in said
    assert "== store\n" in said
    assert "== erase\n" in said
    assert said.count("password=s=c r%t") == 2


def test_the_path_goes_to_the_helper_only_if_the_user_wants_it(helper, log, git_repo, git):
    helper.fill(WANTED)
    assert "path=" not in log.read_text()
    git(git_repo, "config", "credential.useHttpPath", "true")
    helper.fill(WANTED)
    assert "path=ada/churn.git" in log.read_text()


def test_nobody_knows(git_repo):
    with pytest.raises(NoCredentialsError) as caught:
        GitCredentials(GitRepo.discover(git_repo).process).fill(WANTED)
    assert "git.example.org" in caught.value.message
    assert "credential.helper" in caught.value.hint
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("value", ["x\nhost=evil.example", "x\r", "x\0y"])
@pytest.mark.parametrize("verb", ["fill", "approve", "reject"])
@pytest.mark.parametrize("key", ["protocol", "host", "path", "username", "wwwauth[]"])
def test_a_value_is_never_two(helper, log, verb, key, value):
    with pytest.raises(UnsafeCredentialError):
        getattr(helper, verb)({**WANTED, key: value})
    assert not log.exists()


def test_what_a_helper_says_is_checked_too(git_repo, git, tmp_path):
    script = tmp_path / "helper"
    script.write_text("#!/bin/sh\ntest $1 = get && printf 'username=a\\npassword=b\\rX\\n'\n")
    script.chmod(0o755)
    git(git_repo, "config", "credential.helper", str(script))
    with pytest.raises((UnsafeCredentialError, NoCredentialsError)):
        GitCredentials(GitRepo.discover(git_repo).process).fill(WANTED)


# .lfsconfig


def lfsconfig(folder):
    repo = GitRepo.discover(folder)
    return read_lfsconfig(repo.process, repo.work_tree)


def test_lfsconfig_is_read_from_work_tree_index_and_head(git_repo, git):
    assert lfsconfig(git_repo) == {}
    (git_repo / ".lfsconfig").write_text('[lfs]\n\turl = https://one.example\n[remote "O"]\n\tlfsurl = x\n')
    assert lfsconfig(git_repo) == {"lfs.url": "https://one.example", "remote.O.lfsurl": "x"}
    git(git_repo, "add", ".lfsconfig")
    (git_repo / ".lfsconfig").unlink()
    assert lfsconfig(git_repo)["lfs.url"] == "https://one.example"
    git(git_repo, "commit", "--quiet", "--message", "x")
    git(git_repo, "clone", "--quiet", "--bare", ".", "bare.git")
    assert lfsconfig(git_repo / "bare.git")["lfs.url"] == "https://one.example"


def test_lfsconfig_leads_to_no_other_file(git_repo, tmp_path):
    other = tmp_path / "other"
    other.write_text("[lfs]\n\turl = https://stolen.example\n")
    path = git_repo / ".lfsconfig"
    path.write_text(f"[include]\n\tpath = {other}\n")
    assert "lfs.url" not in lfsconfig(git_repo)
    path.unlink()
    path.symlink_to(other)
    assert lfsconfig(git_repo) == {}
    path.unlink()
    path.write_text("[lfs\n")
    with pytest.raises(GitCommandFailedError):
        lfsconfig(git_repo)
