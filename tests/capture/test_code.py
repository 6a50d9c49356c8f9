"""The state of the code, and that recording it touches nothing."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from gitml.entities.run import CodeState
from gitml.git.repo import GitRepo
from gitml.tracking.capture import capture_code

HOOKS = ("post-index-change", "pre-commit", "post-checkout", "reference-transaction", "fsmonitor-watchman")
NO_LOCKS = {"GIT_OPTIONAL_LOCKS": "0"}


@pytest.fixture
def repo(git_repo: Path, git) -> Path:
    """A repository with some history, hooks that leave a mark when they run, and a stash."""
    files = {
        "pkg/a.py": "a = 1\n",
        "pkg/b.py": "b = 1\n",
        "deep/er/c.txt": "c\n",
        "run.sh": "#!/bin/sh\n",
        "old.txt": "old\n" * 20,
        ".gitignore": "ignored/\n*.log\n",
    }
    for name, text in files.items():
        write(git_repo, name, text)
    (git_repo / "link").symlink_to("run.sh")
    git(git_repo, "add", "--all")
    git(git_repo, "commit", "--quiet", "-m", "files")
    write(git_repo, "pkg/a.py", "a = 'stashed'\n")
    git(git_repo, "stash", "push", "--quiet")
    for hook in HOOKS:
        script = git_repo / ".git" / "hooks" / hook
        script.write_text(f"#!/bin/sh\necho {hook} >> '{git_repo.parent}/hooks-ran'\n")
        script.chmod(0o755)
    return git_repo


def write(repo: Path, name: str, text: str | bytes) -> Path:
    path = repo / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def private_state(repo: Path) -> dict[str, object]:
    """Everything of the user's that recording might touch."""
    state: dict[str, object] = {}
    git_dir = GitRepo.discover(repo).git_dir
    for name in ("index", "HEAD", "config", "ORIG_HEAD", "logs/HEAD", "logs/refs/stash"):
        path = git_dir / name
        if path.exists():
            state[name] = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
    for folder, folders, files in os.walk(repo):
        if ".git" in folders:
            folders.remove(".git")
        for name in [*files, *folders]:
            path = Path(folder, name)
            status = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(status.st_mode) and os.access(path, os.R_OK) else b""
            state[str(path)] = (status.st_mode, status.st_mtime_ns, content)
    hooks_ran = repo.parent / "hooks-ran"
    state["hooks"] = hooks_ran.read_text() if hooks_ran.exists() else ""
    state["temporary"] = sorted((git_dir / "gitml").rglob("index-*")) if (git_dir / "gitml").exists() else []
    for arguments in (["for-each-ref"], ["stash", "list"], ["status", "--porcelain=v2", "--branch"]):
        state[arguments[0]] = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *arguments],
            cwd=repo,
            env={**os.environ, **NO_LOCKS},
            check=True,
            capture_output=True,
        ).stdout
    return state


def capture(repo: Path, **options) -> CodeState:
    """Capture, and check that nothing was touched."""
    handle = GitRepo.discover(repo)
    before = private_state(repo)
    state = capture_code(handle, **options)
    assert private_state(repo) == before
    return state


def tree_by_git_add(repo: Path, tmp_path: Path, git) -> str:
    """What `git add --all` in a copy of the repository would store."""
    copy = Path(shutil.copytree(repo, tmp_path / "copy", symlinks=True))
    shutil.rmtree(copy / ".git" / "hooks")
    git(copy, "-c", "core.safecrlf=false", "add", "--all")
    tree = git(copy, "write-tree").strip()
    subprocess.run(["cp", "-r", f"{copy}/.git/objects/.", f"{tmp_path}/objects"], check=True)
    return tree


def names(repo: Path, tree: str | None, git) -> list[str]:
    assert tree is not None
    return git(repo, "ls-tree", "-r", "-z", "--name-only", tree).split("\0")[:-1]


def content(repo: Path, tree: str | None, name: str, git) -> str:
    return git(repo, "cat-file", "blob", f"{tree}:{name}")


def test_a_clean_tree_is_the_commits_own(repo, git):
    state = capture(repo)
    assert state == CodeState(
        commit=git(repo, "rev-parse", "HEAD").strip(),
        tree=git(repo, "rev-parse", "HEAD^{tree}").strip(),
        branch="main",
    )


def test_mode_off_records_nothing_and_commit_no_tree(repo, git):
    write(repo, "pkg/a.py", "a = 2\n")
    assert capture(repo, mode="off") == CodeState()
    commit = git(repo, "rev-parse", "HEAD").strip()
    assert capture(repo, mode="commit") == CodeState(commit=commit, branch="main", dirty=True)


# Each makes the work tree of `repo` dirty in one way.


def modified(repo, git):
    write(repo, "pkg/a.py", "a = 2\n")


def modified_within_the_tick_of_the_index(repo, git):
    """Same size, same time as the staged file and as the index: only content tells."""
    git(repo, "config", "core.trustctime", "false")
    path = write(repo, "pkg/a.py", "a = 2\n")
    git(repo, "add", "pkg/a.py")
    index = (repo / ".git" / "index").stat()
    status = path.stat()
    path.write_text("a = 3\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.utime(repo / ".git" / "index", ns=(index.st_atime_ns, status.st_mtime_ns))


def staged(repo, git):
    write(repo, "pkg/a.py", "a = 2\n")
    write(repo, "new.py", "n = 1\n")
    git(repo, "add", "--all")


def staged_and_changed_again(repo, git):
    staged(repo, git)
    write(repo, "pkg/a.py", "a = 3\n")
    (repo / "new.py").unlink()


def untracked(repo, git):
    write(repo, "more/deep/new.py", "n = 1\n")
    write(repo, "ignored/x.py", "x\n")
    write(repo, "train.log", "x\n")


def deleted(repo, git):
    (repo / "pkg/a.py").unlink()
    git(repo, "rm", "--quiet", "pkg/b.py")
    shutil.rmtree(repo / "deep")


def removed_from_the_index_only(repo, git):
    git(repo, "rm", "--quiet", "--cached", "pkg/b.py")


def renamed(repo, git):
    git(repo, "mv", "old.txt", "new.txt")
    (repo / "pkg").rename(repo / "package")


def executable(repo, git):
    (repo / "run.sh").chmod(0o755)


def links(repo, git):
    (repo / "link").unlink()
    (repo / "link").symlink_to("nowhere")
    (repo / "newlink").symlink_to("/etc/passwd")
    (repo / "old.txt").unlink()
    (repo / "old.txt").symlink_to("run.sh")


def file_becomes_folder(repo, git):
    (repo / "old.txt").unlink()
    write(repo, "old.txt/inner.txt", "x\n")


def folder_becomes_file(repo, git):
    shutil.rmtree(repo / "deep")
    write(repo, "deep", "now a file\n")


def folder_becomes_link(repo, git):
    shutil.move(repo / "deep", repo / "deeper")
    (repo / "deep").symlink_to("deeper")


def strange_names(repo, git):
    for name in (
        "-rf",
        "--help",
        "new\nline.py",
        "tab\t.py",
        "ünïcödé 🦉.py",
        '"quoted".py',
        ":(top)x",
        "*.py",
        " ",
    ):
        write(repo, name, name)
    git(repo, "add", "--", "-rf")
    write(repo, "-rf", "changed")


def not_utf8(repo, git):
    with open(os.fsencode(repo) + b"/caf\xe9.py", "wb") as file:
        file.write(b"\xe9")


def intent_to_add(repo, git):
    write(repo, "planned.py", "p = 1\n")
    write(repo, "planned_and_gone.py", "p = 1\n")
    git(repo, "add", "--intent-to-add", "planned.py", "planned_and_gone.py")
    (repo / "planned_and_gone.py").unlink()


def unmerged(repo, git):
    git(repo, "checkout", "--quiet", "-b", "other")
    write(repo, "pkg/a.py", "a = 'other'\n")
    git(repo, "rm", "--quiet", "pkg/b.py")
    git(repo, "commit", "--quiet", "--all", "-m", "other")
    git(repo, "checkout", "--quiet", "main")
    write(repo, "pkg/a.py", "a = 'main'\n")
    write(repo, "pkg/b.py", "b = 'main'\n")
    git(repo, "commit", "--quiet", "--all", "-m", "main")
    subprocess.run(["git", "merge", "other"], cwd=repo, check=False, capture_output=True)
    assert git(repo, "ls-files", "--unmerged")


def line_endings(repo, git):
    write(repo, ".gitattributes", "*.txt text eol=lf\n*.bin -text\n")
    write(repo, "crlf.txt", b"a\r\nb\r\n")
    write(repo, "mixed.py", b"a\r\nb\n")
    write(repo, "x.bin", b"a\r\n\0")


def filters(repo, git):
    git(repo, "config", "filter.upper.clean", "tr a-z A-Z")
    write(repo, ".gitattributes", "*.up filter=upper\n")
    write(repo, "x.up", "shout\n")


def empty_files_and_folders(repo, git):
    write(repo, "empty.py", "")
    (repo / "empty").mkdir()


def everything_gone(repo, git):
    for path in repo.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


DIRTY = (
    modified,
    modified_within_the_tick_of_the_index,
    staged,
    staged_and_changed_again,
    untracked,
    deleted,
    removed_from_the_index_only,
    renamed,
    executable,
    links,
    file_becomes_folder,
    folder_becomes_file,
    folder_becomes_link,
    strange_names,
    not_utf8,
    intent_to_add,
    unmerged,
    line_endings,
    filters,
    empty_files_and_folders,
)


def name_of(case):
    return case.__name__


@pytest.mark.parametrize("make_dirty", DIRTY, ids=name_of)
def test_a_snapshot_is_what_git_add_would_store(repo, git, tmp_path, make_dirty):
    make_dirty(repo, git)
    (repo.parent / "hooks-ran").unlink(missing_ok=True)
    state = capture(repo)
    assert state.tree == tree_by_git_add(repo, tmp_path, git)
    head = git(repo, "rev-parse", "HEAD", "HEAD^{tree}").split()
    assert state.commit == head[0]
    assert state.dirty == (state.tree != head[1] or make_dirty in (staged, removed_from_the_index_only))
    assert state.left_out == ()
    assert state.branch == "main"
    git(repo, "fsck", "--strict")


CONFIGURATIONS = {
    "status": {"status.showUntrackedFiles": "no", "status.relativePaths": "true", "status.renames": "copies"},
    "more status": {"status.short": "true", "status.branch": "true", "status.showStash": "true"},
    "colours": {
        "color.ui": "always",
        "core.quotePath": "true",
        "core.pager": "false",
        "pager.status": "true",
    },
    "line endings": {"core.autocrlf": "true", "core.safecrlf": "true"},
    "signing": {"commit.gpgSign": "true", "gpg.program": "/nonexistent", "user.signingKey": "x"},
    "fsmonitor": {"core.fsmonitor": "true"},
    "fsmonitor hook": {"core.fsmonitor": ".git/hooks/fsmonitor-watchman"},
    "untracked cache": {"core.untrackedCache": "true"},
    "split index": {"core.splitIndex": "true"},
    "many files": {"feature.manyFiles": "true", "index.version": "4"},
    "ignoring": {"diff.ignoreSubmodules": "all", "core.checkStat": "minimal", "core.trustctime": "false"},
    "filemode": {"core.fileMode": "false"},
    "hooks": {"core.hooksPath": ".git/hooks"},
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_no_configuration_changes_the_snapshot(repo, git, tmp_path, name):
    for key, value in CONFIGURATIONS[name].items():
        git(repo, "config", key, value)
    if name == "split index":
        git(repo, "update-index", "--split-index")
    write(repo, "pkg/a.py", b"a = 2\r\n")
    write(repo, "new.py", b"n = 1\r\n")
    (repo / "pkg/b.py").unlink()
    (repo.parent / "hooks-ran").unlink(missing_ok=True)
    state = capture(repo)
    assert state.tree == tree_by_git_add(repo, tmp_path, git)


def test_variables_of_an_outer_git_do_not_lead_astray(repo, git, tmp_path, monkeypatch):
    write(repo, "pkg/a.py", "a = 2\n")
    expected = tree_by_git_add(repo, tmp_path, git)
    handle = GitRepo.discover(repo)
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.autocrlf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "false")
    assert capture_code(handle).tree == expected


def test_a_subfolder_is_as_good_as_the_root(repo, git, tmp_path, monkeypatch):
    write(repo, "pkg/a.py", "a = 2\n")
    write(repo, "new.py", "n\n")
    expected = tree_by_git_add(repo, tmp_path, git)
    monkeypatch.chdir(repo / "deep" / "er")
    assert capture_code(GitRepo.discover()).tree == expected


def test_a_repository_without_commits_has_a_snapshot(tmp_path, git):
    git(tmp_path, "init", "--quiet", "-b", "main", "fresh")
    repo = tmp_path / "fresh"
    assert capture(repo) == CodeState(branch="main")
    write(repo, "train.py", "x = 1\n")
    state = capture(repo)
    assert (state.commit, state.branch, state.dirty) == (None, "main", True)
    assert names(repo, state.tree, git) == ["train.py"]


def test_a_work_tree_without_files_has_no_tree(repo, git):
    everything_gone(repo, git)
    state = capture(repo)
    assert state.dirty
    assert state.tree is None


def test_a_detached_head_has_no_branch(repo, git):
    git(repo, "checkout", "--quiet", "--detach")
    (repo.parent / "hooks-ran").unlink(missing_ok=True)
    state = capture(repo)
    assert (state.branch, state.commit) == (None, git(repo, "rev-parse", "HEAD").strip())


@pytest.mark.parametrize("detached", [False, True])
def test_a_bare_repository_is_its_head(repo, tmp_path, git, detached):
    git(tmp_path, "clone", "--quiet", "--bare", str(repo), "bare.git")
    bare = tmp_path / "bare.git"
    if detached:
        git(bare, "update-ref", "--no-deref", "HEAD", git(bare, "rev-parse", "HEAD").strip())
    commit, tree = git(bare, "rev-parse", "HEAD", "HEAD^{tree}").split()
    state = capture_code(GitRepo.discover(bare))
    branch = None if detached else "main"
    assert state == CodeState(commit=commit, tree=tree, branch=branch, remote=str(repo))


def test_an_empty_bare_repository_has_no_code(tmp_path, git):
    git(tmp_path, "init", "--quiet", "--bare", "bare.git")
    assert capture_code(GitRepo.discover(tmp_path / "bare.git")) == CodeState()


def test_a_linked_worktree_has_its_own_state(repo, tmp_path, git):
    linked = tmp_path / "linked"
    git(repo, "worktree", "add", "--quiet", "-b", "side", str(linked))
    write(linked, "pkg/a.py", "a = 'linked'\n")
    write(repo, "pkg/a.py", "a = 'main'\n")
    (repo.parent / "hooks-ran").unlink(missing_ok=True)
    state = capture(linked)
    assert state.branch == "side"
    assert content(linked, state.tree, "pkg/a.py", git) == "a = 'linked'\n"
    assert content(repo, capture(repo).tree, "pkg/a.py", git) == "a = 'main'\n"


@pytest.mark.parametrize("sparse_index", ["--no-sparse-index", "--sparse-index"])
def test_a_sparse_checkout_keeps_what_is_not_there(repo, git, sparse_index):
    git(repo, "sparse-checkout", "set", "--cone", sparse_index, "pkg")
    assert not (repo / "deep").exists()
    write(repo, "pkg/a.py", "a = 2\n")
    (repo.parent / "hooks-ran").unlink(missing_ok=True)
    state = capture(repo)
    assert "deep/er/c.txt" in names(repo, state.tree, git)
    assert content(repo, state.tree, "pkg/a.py", git) == "a = 2\n"
    assert state.left_out == ()


def test_a_staged_change_outside_a_sparse_checkout_is_kept(repo, git):
    git(repo, "sparse-checkout", "set", "--cone", "pkg")
    blob = git(repo, "hash-object", "-w", "--stdin", input="staged\n").strip()
    git(repo, "update-index", "--cacheinfo", f"100644,{blob},deep/er/c.txt")
    git(repo, "update-index", "--skip-worktree", "deep/er/c.txt")
    (repo.parent / "hooks-ran").unlink(missing_ok=True)
    assert content(repo, capture(repo).tree, "deep/er/c.txt", git) == "staged\n"


@pytest.fixture
def with_submodule(repo, tmp_path, git):
    git(tmp_path, "init", "--quiet", "-b", "main", "library")
    library = tmp_path / "library"
    write(library, "lib.py", "lib = 1\n")
    git(library, "add", "--all")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    git(library, *identity, "commit", "--quiet", "-m", "lib")
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "lib")
    git(repo, "commit", "--quiet", "-m", "submodule")
    (repo.parent / "hooks-ran").unlink(missing_ok=True)
    return repo


def test_a_clean_submodule_is_clean(with_submodule, git):
    assert not capture(with_submodule).dirty


def test_a_submodule_on_another_commit_is_recorded(with_submodule, git):
    lib = with_submodule / "lib"
    write(lib, "lib.py", "lib = 2\n")
    git(lib, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--all", "-m", "two")
    state = capture(with_submodule)
    assert state.dirty
    assert git(with_submodule, "rev-parse", f"{state.tree}:lib") == git(lib, "rev-parse", "HEAD")


def test_changes_within_a_submodule_are_named(with_submodule, git):
    write(with_submodule, "lib/lib.py", "lib = 2\n")
    write(with_submodule, "train.py", "changed\n")
    state = capture(with_submodule)
    assert state.left_out == ("lib (a submodule; its own uncommitted changes are not taken)",)
    assert content(with_submodule, state.tree, "train.py", git) == "changed\n"


def test_a_removed_submodule_is_removed(with_submodule, git):
    shutil.rmtree(with_submodule / "lib")
    (with_submodule / "lib").mkdir()
    assert not capture(with_submodule).dirty
    (with_submodule / "lib").rmdir()
    state = capture(with_submodule)
    assert state.dirty
    assert "lib" not in names(with_submodule, state.tree, git)


def test_a_nested_repository_is_left_out(repo, git):
    git(repo, "init", "--quiet", "nested")
    write(repo, "nested/x.py", "x\n")
    git(repo, "init", "--quiet", "other/nested")
    write(repo, "new.py", "n\n")
    state = capture(repo)
    assert set(state.left_out) == {
        "nested/ (a git repository of its own)",
        "other/nested/ (a git repository of its own)",
    }
    assert not any("nested" in name for name in names(repo, state.tree, git))
    assert "new.py" in names(repo, state.tree, git)


# What stays out


def test_large_untracked_files_are_left_out_and_tracked_ones_kept(repo, git):
    write(repo, "data.bin", b"x" * (3 << 20))
    write(repo, "small.bin", b"x" * (1 << 20))
    write(repo, "pkg/a.py", "# " + "long " * (1 << 19))
    state = capture(repo)
    assert state.left_out == ("data.bin (3 MiB, over 1 MiB)",)
    assert "small.bin" in names(repo, state.tree, git)
    assert len(content(repo, state.tree, "pkg/a.py", git)) > (2 << 20)


def test_the_size_limit_can_be_set(repo):
    write(repo, "x.txt", "12345678901")
    assert capture(repo, max_file_size=10).left_out == ("x.txt (11 bytes, over 10 bytes)",)
    assert capture(repo, max_file_size=11).left_out == ()


def test_a_work_tree_with_only_left_out_files_is_clean(repo, git):
    write(repo, "data.bin", b"x" * (3 << 20))
    state = capture(repo)
    assert not state.dirty
    assert state.tree == git(repo, "rev-parse", "HEAD^{tree}").strip()
    assert state.left_out


def test_huge_tracked_changes_are_left_out(repo, git):
    with open(repo / "old.txt", "wb") as file:
        file.truncate(101 << 20)
    state = capture(repo)
    assert state.left_out == ("old.txt (101 MiB, over 100 MiB; taken as it was staged)",)
    assert content(repo, state.tree, "old.txt", git) == "old\n" * 20
    assert state.dirty


SECRET_NAMES = (
    ".env",
    ".env.local",
    "prod.env",
    ".envrc",
    "sub/id_rsa",
    "id_ed25519",
    "server.pem",
    "server.KEY",
    "credentials.json",
    "aws_credentials",
    "secrets.yaml",
    "client_secret_123.json",
    "my-service-account.json",
    ".netrc",
    ".pypirc",
    ".ssh/config",
    ".aws/config",
    "kaggle.json",
)
ORDINARY_NAMES = (
    ".env.example",
    "id_rsa.pub",
    "secrets.py",
    "tokenizer.json",
    "keys.py",
    "credential_helper.py",
)


def test_files_named_like_secrets_are_left_out(repo, git):
    for name in (*SECRET_NAMES, *ORDINARY_NAMES):
        write(repo, name, "x\n")
    state = capture(repo)
    assert set(state.left_out) == {f"{name} (named like a secret)" for name in SECRET_NAMES}
    assert set(names(repo, state.tree, git)) >= set(ORDINARY_NAMES)


def test_untracked_files_that_hold_tokens_are_left_out(repo, git):
    token = "gh" + "p_" + "a1B2c3D4e5f6" * 3
    write(repo, "notes.txt", f"mine: {token}\n")
    write(repo, "harmless.py", "token = os.environ['TOKEN']; password = ask()\n")
    state = capture(repo)
    assert state.left_out == ("notes.txt (holds what looks like a github token)",)
    assert "harmless.py" in names(repo, state.tree, git)
    oid = git(repo, "hash-object", "notes.txt").strip()
    assert not GitRepo.discover(repo).has_object(oid)


def test_a_new_token_in_a_tracked_file_is_left_out_but_not_an_old_one(repo, git):
    old, new = ("gh" + "p_" + text * 3 for text in ("a1B2c3D4e5f6", "z9Y8x7W6v5u4"))
    write(repo, "known.py", f"T = '{old}'\n")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "-m", "a leak of long ago")
    write(repo, "known.py", f"T = '{old}'\nx = 1\n")
    write(repo, "pkg/a.py", f"T = '{new}'\n")
    (repo.parent / "hooks-ran").unlink(missing_ok=True)
    state = capture(repo)
    reason = "its changes hold what looks like a github token; taken as it was staged"
    assert state.left_out == (f"pkg/a.py ({reason})",)
    assert content(repo, state.tree, "pkg/a.py", git) == "a = 1\n"
    assert content(repo, state.tree, "known.py", git).endswith("x = 1\n")


def test_a_token_that_is_staged_does_not_enter_history(repo, git):
    token = "gh" + "p_" + "a1B2c3D4e5f6" * 3
    write(repo, "pkg/a.py", f"T = '{token}'\n")
    write(repo, "new.py", f"T = '{token}'\n")
    write(repo, "pkg/c.py", f"T = '{token}'\n")
    write(repo, "fine.py", "staged = 1\n")
    git(repo, "add", "--all")
    write(repo, "pkg/c.py", "T = os.environ['T']\n")  # what is on disk counts, not what is staged
    before = (repo / ".git/index").read_bytes()
    state = capture(repo)
    found = "what is staged holds what looks like a github token"
    assert set(state.left_out) == {f"pkg/a.py ({found}; taken as committed)", f"new.py ({found}; not taken)"}
    assert content(repo, state.tree, "pkg/a.py", git) == "a = 1\n"
    assert content(repo, state.tree, "pkg/c.py", git) == "T = os.environ['T']\n"
    assert content(repo, state.tree, "fine.py", git) == "staged = 1\n"
    assert "new.py" not in names(repo, state.tree, git)
    assert state.dirty
    assert (repo / ".git/index").read_bytes() == before
    write(repo, "pkg/a.py", f"T = '{token}' # again\n")  # neither on disk nor staged is fit to be kept
    again = capture(repo)
    assert "pkg/a.py (its changes hold what looks like a github token; taken as committed)" in again.left_out
    assert content(repo, again.tree, "pkg/a.py", git) == "a = 1\n"


def test_what_tools_made_is_left_out(repo, git):
    write(repo, "venv/pyvenv.cfg", "home = /usr\n")
    write(repo, "venv/lib/x.py", "x\n")
    write(repo, "pkg/__pycache__/a.pyc", "x\n")
    write(repo, "ui/node_modules/x/index.js", "x\n")
    state = capture(repo)
    assert sorted(state.left_out) == [
        "pkg/__pycache__/ (compiled Python)",
        "ui/node_modules/ (installed packages)",
        "venv/ (a virtual environment)",
    ]
    assert not state.dirty


def test_thousands_of_untracked_files_are_bounded_and_the_smallest_taken(repo, git):
    for number in range(5_050):
        write(repo, f"data/{number:05}.txt", "longer" if number < 150 else "x")
    state = capture(repo)
    taken = [name for name in names(repo, state.tree, git) if name.startswith("data/")]
    assert len(taken) == 5_000
    assert "data/05049.txt" in taken
    assert len(state.left_out) == 50


def test_a_long_list_of_left_out_files_is_cut(repo):
    for number in range(130):
        write(repo, f"{number:03}.pem", "x")
    left_out = capture(repo).left_out
    assert len(left_out) == 101
    assert left_out[-1] == "30 more files"


def test_unreadable_files_are_left_out(repo, git):
    write(repo, "locked.py", "x\n").chmod(0)
    if os.access(repo / "locked.py", os.R_OK):
        pytest.skip("root reads everything")
    (repo / "pkg/a.py").chmod(0)
    state = capture(repo)
    assert state.left_out == ("pkg/a.py (not readable; taken as it was staged)", "locked.py (not readable)")
    (repo / "pkg/a.py").chmod(0o644)


def test_sockets_and_pipes_are_not_waited_for(repo):
    os.mkfifo(repo / "pipe")
    assert not capture(repo).dirty


# Failures


def test_a_snapshot_that_fails_says_why_and_leaves_nothing(repo, git):
    git(repo, "config", "filter.broken.clean", "false")
    git(repo, "config", "filter.broken.required", "true")
    write(repo, ".gitattributes", "*.up filter=broken\n")
    write(repo, "x.up", "x\n")
    state = capture(repo)
    assert state.tree is None
    assert state.dirty
    assert state.left_out[0].startswith("all uncommitted changes (git update-index failed: ")
    assert state.commit is not None


def test_a_snapshot_survives_collection_while_a_ref_holds_it(repo, git):
    write(repo, "new.py", "n = 1\n")
    tree = capture(repo).tree
    handle = GitRepo.discover(repo)
    assert handle.move_ref("refs/gitml/live/0123", None, tree)
    git(repo, "reflog", "expire", "--expire=now", "--all")
    git(repo, "gc", "--quiet", "--prune=now")
    assert content(repo, tree, "new.py", git) == "n = 1\n"


# The remote


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://ada:hunter2@example.org/x.git", "https://example.org/x.git"),
        ("https://ghp@example.org/x.git", "https://example.org/x.git"),
        ("git@example.org:x.git", "git@example.org:x.git"),
        ("ssh://git@example.org/x.git", "ssh://git@example.org/x.git"),
    ],
)
def test_the_remote_is_recorded_without_credentials(repo, git, url, expected):
    git(repo, "remote", "add", "origin", url)
    assert capture(repo).remote == expected


def test_the_branchs_own_remote_goes_before_origin(repo, git):
    git(repo, "remote", "add", "origin", "https://example.org/origin.git")
    git(repo, "remote", "add", "fork", "https://example.org/fork.git")
    assert capture(repo).remote == "https://example.org/origin.git"
    git(repo, "config", "branch.main.remote", "fork")
    assert capture(repo).remote == "https://example.org/fork.git"


def test_a_single_remote_counts_whatever_its_name(repo, git):
    git(repo, "remote", "add", "hub", "https://example.org/x.git")
    assert capture(repo).remote == "https://example.org/x.git"


# The price


def git_processes(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Capture and list the git sub-commands that were started."""
    handle = GitRepo.discover(repo)
    trace = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(trace))
    capture_code(handle)
    return [line for line in trace.read_text().splitlines() if '"event":"cmd_name"' in line]


def test_a_clean_tree_costs_one_git_process(repo, git, tmp_path, monkeypatch):
    git(repo, "remote", "add", "origin", "https://example.org/x.git")
    assert len(git_processes(repo, tmp_path, monkeypatch)) == 1


def test_a_dirty_tree_costs_three_git_processes(repo, tmp_path, monkeypatch):
    write(repo, "pkg/a.py", "a = 2\n")
    assert len(git_processes(repo, tmp_path, monkeypatch)) == 3
