"""`gitml init`: what it does when asked, and what it leaves alone."""

from __future__ import annotations

import shutil
import stat
import subprocess

import pytest

from gitml.repo import RUNS_REF
from gitml.tracking.hooks import hook_text

GLOB = "+refs/heads/gitml/*:refs/remotes/origin/gitml/*"


@pytest.fixture
def origin(in_repo, git, tmp_path):
    """A bare repository that `git_repo` knows as `origin` and has been pushed to."""
    bare = tmp_path / "origin.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git(in_repo, "remote", "add", "origin", str(bare))
    git(in_repo, "push", "--quiet", "--set-upstream", "origin", "main")
    return bare


@pytest.fixture
def hooks(in_repo):
    folder = in_repo / ".git/hooks"
    shutil.rmtree(folder)  # git's samples
    return folder


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def snapshot(folder):
    return (
        {path.name: (path.read_bytes(), stat.S_IMODE(path.lstat().st_mode)) for path in folder.iterdir()}
        if folder.exists()
        else {}
    )


# The repository


def test_a_folder_becomes_a_repository(cli, tmp_path, git, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    done = cli("init", tmp_path / "new" / "project")
    assert "made a git repository" in done.err
    assert "user.name" in done.err  # the test's git knows no one
    assert done.out == ""
    assert git(tmp_path / "new/project", "rev-parse", "--is-inside-work-tree").strip() == "true"
    assert git(tmp_path / "new/project", "status", "--porcelain") == ""


def test_a_repository_is_left_as_it_is(cli, in_repo):
    config = (in_repo / ".git/config").read_bytes()
    hooks = snapshot(in_repo / ".git/hooks")
    assert "is a git repository already" in cli("init").err
    assert "is a git repository already" in cli("init", "sub/folder").err  # no repository inside a repository
    assert not (in_repo / "sub").exists()
    assert (in_repo / ".git/config").read_bytes() == config
    assert snapshot(in_repo / ".git/hooks") == hooks


def test_a_file_is_no_folder(cli):
    assert "is a file" in cli("init", "train.py", code=2).err


# The remote


def test_a_remote_that_brings_all_branches_needs_nothing_but_an_upstream(cli, origin, in_repo, git, recorded):
    before = git(in_repo, "config", "--get-all", "remote.origin.fetch")
    done = cli("init", "--remote", "origin")
    assert "brings runs already" in done.err
    assert git(in_repo, "config", "--get-all", "remote.origin.fetch") == before
    assert git(in_repo, "config", "branch.gitml/runs.merge").strip() == RUNS_REF
    recorded("one")
    git(in_repo, "push", "--quiet", "origin", "gitml/runs")
    recorded("two")
    assert "[origin/gitml/runs: ahead 1]" in git(in_repo, "branch", "-vv")


def test_a_remote_of_one_branch_is_taught_to_bring_runs(cli, origin, in_repo, git, recorded, tmp_path):
    git(in_repo, "config", "remote.origin.fetch", "+refs/heads/main:refs/remotes/origin/main")
    assert GLOB in cli("init", "--remote", "origin").err
    git(in_repo, "fetch", "--quiet", "origin")  # also while the remote has no runs yet
    recorded("one")
    git(in_repo, "push", "--quiet", "origin", "gitml/runs")
    git(in_repo, "update-ref", "-d", "refs/remotes/origin/gitml/runs")
    git(in_repo, "fetch", "--quiet", "origin")
    assert git(in_repo, "rev-parse", "origin/gitml/runs") == git(in_repo, "rev-parse", RUNS_REF)


def test_a_second_time_changes_nothing(cli, origin, in_repo, git):
    git(in_repo, "config", "remote.origin.fetch", "+refs/heads/main:refs/remotes/origin/main")
    cli("init", "--remote", "origin", "--hooks")
    config, hooks = (in_repo / ".git/config").read_bytes(), snapshot(in_repo / ".git/hooks")
    done = cli("init", "--remote", "origin", "--hooks")
    assert "brings runs already" in done.err
    assert "is installed already" in done.err
    assert (in_repo / ".git/config").read_bytes() == config
    assert snapshot(in_repo / ".git/hooks") == hooks


def test_a_plain_git_push_sends_what_it_sent_before(cli, origin, in_repo, git, recorded):
    cli("init", "--remote", "origin")
    recorded("one")
    git(in_repo, "commit", "--quiet", "--allow-empty", "--message", "more")
    git(in_repo, "push", "--quiet")
    assert git(origin, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]
    assert git(origin, "rev-parse", "main") == git(in_repo, "rev-parse", "main")


@pytest.mark.parametrize(
    ("refspecs", "said"),
    [
        (["+refs/heads/*:refs/remotes/origin/*", "^refs/heads/gitml/*"], "on purpose"),
        ([], "is not set"),
        (["+refs/*:refs/*"], "brings runs already"),
    ],
)
def test_unusual_refspecs_are_respected(cli, origin, in_repo, git, refspecs, said):
    git(in_repo, "config", "--unset-all", "remote.origin.fetch")
    for refspec in refspecs:
        git(in_repo, "config", "--add", "remote.origin.fetch", refspec)
    config = git(in_repo, "config", "--list", "--local")
    assert said in cli("init", "--remote", "origin").err
    added = set(git(in_repo, "config", "--list", "--local").splitlines()) - set(config.splitlines())
    assert all(line.startswith("branch.gitml/runs.") for line in added)


def test_an_upstream_of_the_users_choice_stays(cli, origin, in_repo, git):
    git(in_repo, "remote", "add", "backup", str(origin))
    git(in_repo, "config", "branch.gitml/runs.remote", "backup")
    assert "on 'backup' already; left as it is" in cli("init", "--remote", "origin").err
    assert git(in_repo, "config", "branch.gitml/runs.remote").strip() == "backup"


def test_a_remote_that_is_not_there(cli, origin):
    done = cli("init", "--remote", "upstream", code=3)
    assert "there is no remote 'upstream'" in done.err
    assert "origin" in done.err
    assert cli("init", "--remote=--mirror", code=3).err


# Hooks


def test_a_hook_is_installed_and_removed(cli, hooks):
    assert "installed" in cli("init", "--hooks").err
    assert set(snapshot(hooks)) == {"pre-push"}
    assert (hooks / "pre-push").stat().st_mode & stat.S_IXUSR
    assert "removed" in cli("init", "--no-hooks").err
    assert snapshot(hooks) == {}
    assert "gitml has no hook here" in cli("init", "--no-hooks").err


def test_the_users_hook_is_kept_called_first_and_put_back(cli, hooks, origin, in_repo, git, tmp_path):
    script(hooks / "pre-push", f'echo "mine $1" >> "{tmp_path}/called"; cat >> "{tmp_path}/called"')
    before = snapshot(hooks)
    assert "is called first" in cli("init", "--hooks").err
    git(in_repo, "commit", "--quiet", "--allow-empty", "--message", "more")
    git(in_repo, "push", "--quiet")
    first, refs = (tmp_path / "called").read_text().splitlines()
    assert first == "mine origin"
    assert refs.split()[0] == "refs/heads/main"
    cli("init", "--no-hooks")
    assert snapshot(hooks) == before


def test_a_users_hook_that_refuses_still_refuses(cli, hooks, origin, in_repo, git):
    script(hooks / "pre-push", "exit 7")
    cli("init", "--hooks")
    git(in_repo, "commit", "--quiet", "--allow-empty", "--message", "more")
    done = subprocess.run(["git", "push"], cwd=in_repo, capture_output=True, check=False)
    assert done.returncode != 0
    assert git(origin, "rev-parse", "main") != git(in_repo, "rev-parse", "main")


def test_a_users_hook_reads_no_line_when_there_is_nothing_to_push(cli, hooks, origin, in_repo, git, tmp_path):
    script(hooks / "pre-push", f'cat > "{tmp_path}/read"')
    cli("init", "--hooks")
    git(in_repo, "push", "--quiet")
    assert (tmp_path / "read").read_bytes() == b""


def test_a_users_hook_that_is_a_link_or_not_executable_stays_what_it_is(cli, hooks, in_repo):
    target = script(in_repo / "scripts/push-check", "exit 0")
    hooks.mkdir()
    (hooks / "pre-push").symlink_to("../../scripts/push-check")
    cli("init", "--hooks")
    assert (hooks / "pre-push.before-gitml").resolve() == target
    assert target.read_text() == "#!/bin/sh\nexit 0\n"
    cli("init", "--no-hooks")
    assert (hooks / "pre-push").is_symlink()
    (hooks / "pre-push").unlink()
    (hooks / "pre-push").write_text("#!/bin/sh\nexit 1\n")  # git ignores it: not executable
    before = snapshot(hooks)
    cli("init", "--hooks")
    assert (
        subprocess.run(
            [hooks / "pre-push", "origin", "x"],
            stdin=subprocess.DEVNULL,
            check=False,
            env={"PATH": "/usr/bin:/bin"},
        ).returncode
        == 0
    )
    cli("init", "--no-hooks")
    assert snapshot(hooks) == before


def test_two_earlier_hooks_are_not_chosen_between(cli, hooks):
    script(hooks / "pre-push", "exit 0")
    cli("init", "--hooks")
    script(hooks / "pre-push", "exit 1")  # another tool's installer, run with --force
    before = snapshot(hooks)
    assert "is not gitml's" in cli("init", "--hooks", code=4).err
    assert snapshot(hooks) == before


def test_the_pre_commit_frameworks_hook_stays_in_its_place(cli, hooks):
    script(hooks / "pre-push", "# File generated by pre-commit: https://pre-commit.com\nexit 0")
    before = snapshot(hooks)
    assert "the pre-commit framework calls it first" in cli("init", "--hooks").err
    assert snapshot(hooks)["pre-push"] == before["pre-push"]
    assert (hooks / "pre-push.legacy").read_text() == hook_text()
    assert "is installed already" in cli("init", "--hooks").err
    cli("init", "--no-hooks")
    assert snapshot(hooks) == before


def test_a_hook_beside_the_pre_commit_framework_is_chained(cli, hooks):
    script(hooks / "pre-push", "# File generated by pre-commit: https://pre-commit.com\nexit 0")
    script(hooks / "pre-push.legacy", "exit 0")
    before = snapshot(hooks)
    cli("init", "--hooks")
    assert snapshot(hooks)["pre-push.before-gitml"] == before["pre-push.legacy"]
    cli("init", "--no-hooks")
    assert snapshot(hooks) == before


def test_when_the_framework_comes_later_the_users_hook_is_still_called(cli, hooks, tmp_path):
    script(hooks / "pre-push", f'echo mine >> "{tmp_path}/called"')
    cli("init", "--hooks")
    (hooks / "pre-push").rename(hooks / "pre-push.legacy")  # what `pre-commit install` does
    script(hooks / "pre-push", "# File generated by pre-commit: https://pre-commit.com\nexit 0")
    subprocess.run(
        [hooks / "pre-push.legacy", "origin", "x"],
        stdin=subprocess.DEVNULL,
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert (tmp_path / "called").read_text() == "mine\n"
    assert "is installed already" in cli("init", "--hooks").err


@pytest.mark.parametrize("scope", ["--local", "--global"])
def test_hooks_kept_elsewhere_are_not_touched(cli, hooks, in_repo, git, tmp_path, scope, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    shared = tmp_path / "shared hooks"
    script(shared / "pre-push", "exit 0")
    git(in_repo, "config", scope, "core.hooksPath", str(shared))
    before = snapshot(shared)
    done = cli("init", "--hooks", code=4)
    assert f"add this line to '{shared}/pre-push': gitml hook pre-push" in done.err
    assert snapshot(shared) == before
    assert not hooks.exists()
    script(shared / "pre-push", 'gitml hook pre-push "$@"')
    assert "calls gitml already" in cli("init", "--hooks").err
    assert "yourself" in cli("init", "--no-hooks").err


def test_hooks_in_the_work_tree_are_the_users_to_edit(cli, hooks, in_repo, git):
    git(in_repo, "config", "core.hooksPath", ".husky")
    assert "outside its git folder" in cli("init", "--hooks", code=4).err
    assert not (in_repo / ".husky").exists()
    git(in_repo, "config", "--unset", "core.hooksPath")
    (in_repo / "tracked").mkdir()
    hooks.symlink_to(in_repo / "tracked")
    assert "outside its git folder" in cli("init", "--hooks", code=4).err
    assert list((in_repo / "tracked").iterdir()) == []


def test_a_linked_worktree_shares_the_hook(cli, hooks, in_repo, git, tmp_path):
    git(in_repo, "worktree", "add", "--quiet", str(tmp_path / "linked"), "-b", "side")
    assert "installed" in cli("init", "--hooks", cwd=tmp_path / "linked").err
    assert (hooks / "pre-push").exists()
    assert "is installed already" in cli("init", "--hooks").err


def test_an_older_hook_of_gitml_is_renewed(cli, hooks):
    cli("init", "--hooks")
    hook = hooks / "pre-push"
    hook.write_text(hook.read_text() + "# from an older gitml\n")
    assert "renewed" in cli("init", "--hooks").err
    assert hook.read_text() == hook_text()


def test_a_line_of_the_users_own_is_enough(cli, hooks):
    script(hooks / "pre-push", 'gitml hook pre-push "$@"')
    before = snapshot(hooks)
    assert "left as it is" in cli("init", "--hooks").err
    assert snapshot(hooks) == before


def test_the_hook_is_sound_shell(hooks):
    checked = subprocess.run(["sh", "-n"], input=hook_text(), text=True, check=False)
    assert checked.returncode == 0
