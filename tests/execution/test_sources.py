"""Where a project's code comes from: real repositories, a git host on loopback, trees that mean harm."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.errors import UsageError
from gitml.execution.sources import open_source
from gitml.execution.sources.fetching import SourceUnreachableError
from gitml.execution.sources.layout import lay_out
from gitml.execution.sources.links import leads_out
from gitml.execution.sources.objects import OtherHashError
from gitml.execution.sources.opening import ProjectFolderError
from gitml.execution.sources.submodules import SubmoduleError
from gitml.execution.sources.versions import VersionNotFoundError
from gitml.execution.sources.writing import HostileTreeError
from gitml.execution.target import TargetError, parse_target
from gitml.formats.pointer import encode_pointer
from gitml.git.remote import UnsoundObjectsError
from gitml.git.repo import GitRepo
from gitml.repo import Repo
from tests.servers.git_http import GitServer, git_http_server

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def project(tmp_path: Path, git) -> Path:
    """A repository with a history: `first`, tagged v1, then `second` on main and `side` on a branch."""
    folder = tmp_path / "served" / "project"
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "Ada")
    git(folder, "config", "user.email", "ada@example.org")
    (folder / "train").mkdir()
    (folder / "train" / "run.sh").write_text("#!/bin/sh\necho first\n")
    (folder / "train" / "run.sh").chmod(0o755)
    (folder / "README").write_text("a project\n")
    commit(git, folder, "first")
    git(folder, "tag", "-a", "-m", "one", "v1")
    (folder / "train" / "run.sh").write_text("#!/bin/sh\necho second\n")
    commit(git, folder, "second")
    git(folder, "branch", "side/line")
    return folder


def commit(git, folder: Path, message: str) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD").strip()


@pytest.fixture
def host(project: Path) -> Iterator[GitServer]:
    with git_http_server(project.parent) as server:
        yield server


@pytest.fixture
def opened(git_repo: Path, cache: Path) -> Callable:
    """Open a project; `at` is the folder whose repository records it."""

    @contextlib.contextmanager
    def call(target: Path | str, version: str | None = None, *, at: Path = git_repo, **options):
        with (
            contextlib.closing(Repo.open(at)) as repo,
            open_source(repo, parse_target(str(target)), version, cache=cache, **options) as source,
        ):
            yield source

    return call


@pytest.fixture
def tell_no_more(monkeypatch: pytest.MonkeyPatch):
    """Hosts give only what they advertise, as they do to git before protocol 2."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.version")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "0")


def state_of(folder: Path, git) -> tuple[str, list[str]]:
    """What a user sees of a repository, and the files of git's folder that are no objects or gitml's."""
    names = sorted(path.name for path in (folder / ".git").iterdir() if path.name != "gitml")
    return git(folder, "for-each-ref") + git(folder, "status", "--porcelain"), names


def test_every_kind_of_version_becomes_its_commit(opened, host, project: Path, git_repo: Path, git):
    first, second = git(project, "rev-parse", "v1^{commit}", "HEAD").split()
    before = state_of(git_repo, git)
    url = host.url("project")
    for version, expected, branch, word in [
        ("v1", first, None, "first"),
        (None, second, "main", "second"),
        ("side/line", second, "side/line", "second"),
        ("refs/heads/side/line", second, "side/line", "second"),
        (first[:7], first, None, "first"),
        (first.upper(), first, None, "first"),
        (second, second, None, "second"),
    ]:
        with opened(f"{url}#train", version) as source:
            script = source.folder / "run.sh"
            assert script.read_text() == f"#!/bin/sh\necho {word}\n", version
            assert script.stat().st_mode & stat.S_IXUSR
            assert not (source.root / "README").stat().st_mode & stat.S_IXUSR
            assert (source.code.commit, source.code.branch, source.directory) == (expected, branch, "train")
            assert (source.uri, source.version, source.code.dirty) == (url, version, False)
            files = git(git_repo, "ls-tree", "-r", "--name-only", source.code.tree).split()
            assert files == ["README", "train/run.sh"]
        assert not source.root.exists()
    assert state_of(git_repo, git) == before
    assert git(git_repo, "fsck", "--strict", "--no-dangling") == ""


def test_a_commit_is_fetched_once_and_then_needs_no_network(opened, host, project: Path, cache: Path, git):
    first, second = git(project, "rev-parse", "v1^{commit}", "HEAD").split()
    url = host.url("project")
    with opened(url, second):
        pass
    fetched = len(host.requests)
    with opened(url, second):
        pass
    assert len(host.requests) == fetched
    with opened(url, second[:8]):  # brings the history, and all commits in it
        pass
    host.shutdown()
    host.server_close()
    for version in (first, second):
        with opened(url, version) as source:
            assert source.code.commit == version
    for version in ("main", None, second[:8]):
        with pytest.raises(SourceUnreachableError, match="no connection") as caught, opened(url, version):
            pass
        assert "full commit" in caught.value.hint
        assert caught.value.exit_code == 5
    folders = [cache, cache / "repositories", *cache.glob("repositories/*.git"), cache / "work"]
    assert len(folders) == 4
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


def test_a_branch_that_moved_is_seen(opened, host, project: Path, git):
    url = host.url("project")
    with opened(url, "main") as source:
        old = source.code.commit
    git(project, "commit", "-q", "--amend", "--allow-empty", "-m", "rewritten")
    with opened(url, "main") as source:
        assert source.code.commit == git(project, "rev-parse", "HEAD").strip() != old
    with opened(url, old) as source:
        assert source.code.commit == old


@pytest.mark.usefixtures("tell_no_more")
def test_a_host_that_gives_only_what_it_advertises(opened, host, project: Path, git):
    first = git(project, "rev-parse", "v1^{commit}").strip()
    git(project, "tag", "-d", "v1")
    with opened(host.url("project"), first) as source:
        assert (source.code.commit, (source.folder / "train/run.sh").read_text()[-6:]) == (first, "first\n")
    with pytest.raises(VersionNotFoundError, match="has no commit"), opened(host.url("project"), "a" * 40):
        pass


def test_versions_that_are_not_there(opened, host, project: Path, git):
    git(project, "tag", "both", "v1^{commit}")
    git(project, "branch", "both")
    for place in (host.url("project"), project):
        for version, hint in [
            ("mian", "main"),
            ("side/lime", "side/line"),
            ("deadbeef", "main"),
            ("v11", "v1"),
        ]:
            with pytest.raises(VersionNotFoundError) as caught, opened(place, version):
                pass
            assert hint in caught.value.hint, version
            assert caught.value.exit_code == 3
        for version in ("--upload-pack=touch", "main*", "a..b", "", "main\nside"):
            with pytest.raises(Exception, match="can't be a version"), opened(place, version):
                pass
        with pytest.raises(ProjectFolderError, match="no folder 'absent'"), opened(f"{place}#absent", "v1"):
            pass
    with (
        pytest.raises(VersionNotFoundError, match="both a tag and a branch"),
        opened(host.url("project"), "both"),
    ):
        pass


def test_credentials_are_used_and_never_kept(project: Path, git_repo: Path, opened, cache: Path, git):
    secret = "correct-horse-battery"
    with git_http_server(project.parent, password=secret) as server:
        url = server.url("project")
        private = url.replace("://", f"://ada:{secret}@")
        with opened(private, "v1") as source:
            assert source.uri == source.code.remote == url
        with pytest.raises(VersionNotFoundError) as caught, opened(private, "absent"):
            pass
        told = [str(caught.value), caught.value.hint]
        with pytest.raises(SourceUnreachableError, match="does not accept") as caught, opened(url, "main"):
            pass
        with pytest.raises(SourceUnreachableError) as caught, opened(private.replace("ada:", "bob:"), "main"):
            pass
        told += [str(caught.value), caught.value.hint]
    assert not [text for text in told if secret in text]
    found = subprocess.run(
        ["grep", "-rl", secret, cache, git_repo], capture_output=True, text=True, check=False
    )
    assert found.stdout == ""


# A folder on this machine


def test_a_folder_at_a_version_keeps_its_place_in_its_repository(opened, project: Path, git_repo: Path, git):
    (project / "train" / "run.sh").write_text("changed\n")
    with opened(project / "train", "v1") as source:
        assert (source.directory, source.folder) == ("train", source.root / "train")
        assert (source.folder / "run.sh").read_text() == "#!/bin/sh\necho first\n"
        assert (source.uri, source.code.branch) == (None, None)
        assert git(git_repo, "cat-file", "-t", source.code.tree) == "tree\n"
    assert (project / "train" / "run.sh").read_text() == "changed\n"
    with opened(project, "main") as source:
        assert source.code.branch == "main"


def test_a_folder_as_it_is_runs_in_place(opened, project: Path, git_repo: Path, tmp_path: Path, git):
    with opened(git_repo) as source:
        assert (source.folder, source.directory, source.code) == (git_repo.resolve(), "", None)
    (project / "new.py").write_text("print()\n")
    with opened(f"{project}#train") as source:  # of another repository: its state, its uncommitted files too
        assert (source.folder, source.directory) == (project / "train", "train")
        assert source.code.dirty
        assert "new.py" in git(git_repo, "ls-tree", "--name-only", source.code.tree)
    (tmp_path / "loose").mkdir()
    with opened(tmp_path / "loose") as source:
        assert (source.code.tree, source.directory) == (None, "")
        assert "no git repository" in source.code.left_out[0]


def test_recording_from_a_linked_work_tree_or_in_a_bare_repository(
    opened, project: Path, git_repo: Path, tmp_path: Path, git
):
    git(git_repo, "worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    (tmp_path / "linked" / "train.py").write_text("other\n")
    with opened(tmp_path / "linked") as source:  # the same repository, other files than those of the main one
        assert source.code.branch == "other"
        assert git(git_repo, "show", f"{source.code.tree}:train.py") == "other\n"
    git(tmp_path, "init", "-q", "--bare", "bare.git")
    for recording in (tmp_path / "linked", tmp_path / "bare.git"):
        with opened(project, "v1", at=recording) as source:
            assert git(recording, "show", f"{source.code.tree}:README") == "a project\n"
    git(tmp_path / "bare.git", "fetch", "-q", str(project), "main:main")
    with opened(f"{tmp_path / 'bare.git'}#train", "main") as source:
        assert source.directory == "train"
    with pytest.raises(UsageError, match="bare repository"), opened(tmp_path / "bare.git"):
        pass


def test_object_ids_of_another_kind_are_refused(opened, tmp_path: Path, git):
    folder = tmp_path / "sha256"
    git(tmp_path, "init", "-q", "--object-format=sha256", str(folder))
    for key, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        git(folder, "config", key, value)
    (folder / "a").touch()
    full = commit(git, folder, "one")
    for place, version in ((folder, "HEAD"), (folder.as_uri(), None), (folder.as_uri(), full)):
        with pytest.raises(OtherHashError, match="sha256"), opened(place, version):
            pass


# Submodules


@pytest.fixture
def monorepo(project: Path, git, tmp_path: Path) -> Path:
    """`monorepo` has `project` as the submodule libs/project, by a relative URL; that has `leaf` in turn."""
    served, safe = project.parent, ("-c", "protocol.file.allow=always")
    for name in ("leaf", "monorepo"):
        git(served, "init", "-q", "-b", "main", name)
        git(served / name, "config", "user.name", "Ada")
        git(served / name, "config", "user.email", "ada@example.org")
    (served / "leaf" / "leaf.txt").write_text("leaf\n")
    commit(git, served / "leaf", "leaf")
    git(project, *safe, "submodule", "--quiet", "add", "../leaf", "inner/leaf")
    commit(git, project, "with a leaf")
    (served / "monorepo" / "app").mkdir()
    (served / "monorepo" / "app" / "main.py").write_text("print()\n")
    git(served / "monorepo", *safe, "submodule", "--quiet", "add", "../project", "libs/project")
    commit(git, served / "monorepo", "all")
    return served / "monorepo"


def test_submodules_come_when_they_are_asked_for(opened, host, monorepo: Path):
    for place, version in ((host.url("monorepo"), None), (monorepo, "main")):
        with opened(f"{place}#app", version) as source:
            assert source.directory == "app"
            assert list((source.root / "libs" / "project").iterdir()) == []
            assert "'libs/project' is a submodule" in source.notes[0]
        with pytest.raises(ProjectFolderError) as refused, opened(f"{place}#libs/project/app", version):
            pass
        assert "'libs/project' is a submodule: run it from its own repository" in str(refused.value.hint)
        with opened(f"{place}#app", version, recurse_submodules=True) as source:
            inside = source.root / "libs" / "project"
            assert (inside / "inner" / "leaf" / "leaf.txt").read_text() == "leaf\n"
            assert not list(source.root.rglob(".git"))


def test_submodules_that_are_cloned_already_are_taken_from_there(opened, monorepo: Path):
    for name in ("project", "leaf"):
        (monorepo.parent / name).rename(monorepo.parent / f"{name}-is-gone")
    # The clone beside the work tree has no clone of the leaf: that alone is asked for.
    with (
        pytest.raises(SourceUnreachableError, match="/leaf'"),
        opened(monorepo, "main", recurse_submodules=True),
    ):
        pass


def test_a_submodule_can_t_reach_into_this_machine(opened, host, monorepo: Path, git):
    for url in ("file:///etc", "/etc", "ext::touch pwned", "--upload-pack=x"):
        git(monorepo, "config", "-f", ".gitmodules", "submodule.libs/project.url", url)
        commit(git, monorepo, "hostile")
        refused = pytest.raises((SubmoduleError, TargetError, UnsoundObjectsError))
        with refused, opened(host.url("monorepo"), recurse_submodules=True):
            pass


# Trees that mean harm


def tree_of(git, folder: Path, *entries: tuple[str, str, str]) -> str:
    """Make a tree that no `git add` would make: (mode, name, content or id of a tree)."""
    lines = []
    for mode, name, content in entries:
        kind = "tree" if mode == "040000" else "blob"
        oid = (
            content if kind == "tree" else git(folder, "hash-object", "-w", "--stdin", input=content).strip()
        )
        lines.append(f"{mode} {kind} {oid}\t{name}\n")
    return git(folder, "mktree", input="".join(lines)).strip()


@pytest.mark.parametrize(
    "name", ["..", ".", ".git", ".GIT", "git~1", ".g\u200cit", ".git ", ".git::$INDEX_ALLOCATION"]
)
def test_a_path_that_leads_out_or_into_git_is_refused(git_repo: Path, tmp_path: Path, git, name: str):
    hooks = tree_of(git, git_repo, ("100755", "post-checkout", "#!/bin/sh\ntouch pwned\n"))
    tree = tree_of(git, git_repo, ("100644", "fine", "x"), ("040000", name, hooks))
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(HostileTreeError):
        lay_out(GitRepo.discover(git_repo), tree, folder)
    assert not list(folder.iterdir())


def test_two_paths_that_are_one_are_refused(git_repo: Path, tmp_path: Path, git):
    inner = tree_of(git, git_repo, ("100644", "file", "pwned"))
    for entries in (
        (("120000", "a", "b"), ("040000", "a", inner)),
        (("100644", "a", "one"), ("100644", "a", "two")),
    ):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        tree = tree_of(git, git_repo, *entries)
        with pytest.raises(HostileTreeError, match="the same as another path"):
            lay_out(GitRepo.discover(git_repo), tree, folder)
            files = sorted(path.name for path in folder.rglob("*"))
            raise AssertionError(files)


def test_links_that_lead_out_are_left_out_and_told(opened, project: Path):
    """`up/to/top` is a link within, but over it `chain` would lead to the folder above."""
    (project / "up" / "to").mkdir(parents=True)
    for name, said in {
        "fine": "train/run.sh", "train/fine": "../README", "dangling": "absent", "up/to/top": "../..",
        "absolute": "/etc/passwd", "out": "../x", "chain": "up/to/top/../x", "loop": "loop",
    }.items():  # fmt: skip
        (project / name).symlink_to(said)
    subprocess.run(["git", "add", "-A"], cwd=project, check=True)
    subprocess.run(["git", "commit", "-qm", "links"], cwd=project, check=True)
    with opened(project, "HEAD") as source:
        there = {str(path.relative_to(source.root)) for path in source.root.rglob("*") if path.is_symlink()}
        assert there == {"fine", "train/fine", "dangling", "up/to/top"}
        assert (source.root / "fine").read_text().endswith("second\n")
        assert "'absolute', 'chain', 'loop', 'out' lead out of the code and were left out" in source.notes


_NAMES = st.sampled_from("abc")
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join)
_SAID = st.lists(st.sampled_from(["..", "..", ".", "a", "b", "c"]), min_size=1, max_size=5).map("/".join)


@given(st.dictionaries(_PATHS, _SAID, max_size=5))
def test_no_link_that_is_made_leads_out(tmp_path_factory: pytest.TempPathFactory, links: dict[str, str]):
    links = {path: said for path, said in links.items() if not any(o.startswith(f"{path}/") for o in links)}
    top = tmp_path_factory.mktemp("links") / "top"
    for path, said in links.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        if not leads_out(path, links):
            (top / path).symlink_to(said)
    for path in links:
        if (top / path).is_symlink():
            assert Path(os.path.realpath(top / path)).is_relative_to(top), (path, links)


# What else code may have


def test_large_files_of_git_lfs_come_from_where_they_are(opened, project: Path, git_repo: Path, git):
    here, there = (Repo.open(folder).objects for folder in (git_repo, project))
    (project / ".gitattributes").write_text(
        "*.bin filter=lfs diff=lfs merge=lfs -text\n*.txt eol=crlf ident\n"
    )
    for name, pointer in [
        ("recorded.bin", here.put_bytes(b"recorded" * 99)),
        ("original.bin", there.put_bytes(b"original" * 99)),
        ("lost.bin", here.put_bytes(b"lost" * 99)),
    ]:
        (project / name).write_bytes(encode_pointer(pointer))
        if name == "lost.bin":
            here.path(pointer.oid).unlink()
    (project / "stored.txt").write_bytes(b"$Id$\n")
    git(project, "-c", "filter.lfs.clean=cat", "-c", "filter.lfs.required=false", "add", "-A")
    git(project, "-c", "filter.lfs.clean=cat", "commit", "-qm", "large files")
    with opened(project, "HEAD") as source:
        assert (source.root / "recorded.bin").read_bytes() == b"recorded" * 99
        assert (source.root / "original.bin").read_bytes() == b"original" * 99
        assert (source.root / "lost.bin").read_bytes().startswith(b"version https://git-lfs")
        assert (source.root / "stored.txt").read_bytes() == b"$Id$\n"  # as git has it
        assert source.notes == ("'lost.bin' is a Git LFS pointer whose content is not here",)


# Processes that are killed

OPEN = """
import sys, time
from pathlib import Path
from gitml.execution.sources import open_source
from gitml.execution.target import parse_target
from gitml.repo import Repo

with open_source(Repo.open(sys.argv[1]), parse_target(sys.argv[2]), None, cache=Path(sys.argv[3])) as source:
    print(source.root, flush=True)
    time.sleep(60)
"""


def test_kill_in_the_middle_of_a_fetch(opened, host, project: Path, git_repo: Path, cache: Path, git):
    (project / "large").write_bytes(os.urandom(4 << 20))
    commit(git, project, "large")
    url = host.url("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "cut_after", 1 << 20)
        with pytest.raises(SourceUnreachableError, match="broke off"), opened(url):
            pass
    running = start(git_repo, url, cache)
    wait_for(lambda: list(cache.glob("repositories/*.git/objects/pack/tmp_*")), "a pack is on its way")
    os.killpg(running.pid, signal.SIGKILL)  # git too, so that its locks and files stay
    running.wait()
    running.stdout.close()
    left = next(cache.glob("repositories/*.git")) / "shallow.lock"
    left.touch()  # as it stays if git gets to that
    with opened(url) as source:
        assert (source.root / "large").stat().st_size == 4 << 20
    assert not list(cache.glob("repositories/*.git/objects/pack/tmp_*"))


def test_what_a_killed_process_laid_out_is_swept(opened, project: Path, git_repo: Path, cache: Path):
    running = start(git_repo, project.as_uri(), cache)
    left = Path(running.stdout.readline().strip())
    with opened(project, "v1") as source:
        assert left.is_dir()  # it lives
        (source.root / "made").mkdir()
        (source.root / "made" / "by-the-program").touch()
        (source.root / "made").chmod(0o500)
    assert not source.root.exists()
    running.kill()
    running.wait()
    running.stdout.close()
    with opened(project, "v1"):
        assert not left.exists()
        assert len(list((cache / "work").iterdir())) == 2  # a folder and its lock
    assert not list((cache / "work").iterdir())


def start(recording: Path, url: str, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OPEN, recording, url, cache],
        stdout=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def wait_for(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.002)
