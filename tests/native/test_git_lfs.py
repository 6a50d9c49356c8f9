"""Stock git-lfs agrees with what gitml wrote, whatever the files are called."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess

import pytest

from gitml.entities.run import RunStatus
from gitml.formats.pointer import decode_attributes
from gitml.tracking.commit import finish_run
from gitml.tracking.start import resume_run, start_run
from tests.native.conftest import BIG, opened

pytestmark = pytest.mark.usefixtures("git_lfs")

# What .gitattributes and its patterns could take for something else.
ODD = [
    "with space.bin",
    " led by space.bin",
    "ended by space.bin ",
    'quote"d.bin',
    "it's.bin",
    "[abc]*?.bin",
    "star*.bin",
    "#hash.bin",
    "!bang.bin",
    "-dash.bin",
    "[attr]macro.bin",
    "**",
    "rocket \N{ROCKET}.bin",
    "übung.bin",
    "日本語/モデル.bin",
    "deep/er/and deeper/x.bin",
    "a,b=c;d&e|f$g`h.bin",
    "%41.bin",
    "~tilde.bin",
    "con.bin",
    ".hidden.bin",
    ".gitattributes.bin",
]
# Names that the patterns above would match if they were not escaped; these stay plain text.
PLAIN = ["a.bin", "starred.bin", "attr macro.bin", "A.bin", "sub/star*.bin", "x/with space.bin", "deep/x.bin"]


def content(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest() * 5000


@pytest.fixture
def odd(git_repo, git):
    """A run with files of all those names, and its commit."""
    git(git_repo, "config", "gitml.historylimit", "1k")
    with opened(git_repo) as repo:
        live = start_run(repo, name="odd")
        for name in ODD:
            live.log_bytes(content(name), name)
        for name in PLAIN:
            live.log_bytes(b"plain", name)
        for step in range(200):
            live.log_metric('long "metric"/[x]*', step / 7)
        return git_repo, finish_run(repo, live, RunStatus.FINISHED)


def lfs(folder, *words, data=b""):
    done = subprocess.run(["git", "lfs", *words], cwd=folder, input=data, capture_output=True, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout.decode()


def test_pointers_are_canonical(odd, git, tmp_path):
    folder, commit = odd
    for name in ODD:
        text = git(folder, "show", f"{commit}:artifacts/{name}")
        (tmp_path / "pointer").write_text(text)
        lfs(folder, "pointer", "--check", "--strict", "--file", str(tmp_path / "pointer"))
        (tmp_path / "content").write_bytes(content(name))
        assert lfs(folder, "pointer", "--file", str(tmp_path / "content")) == text


def test_git_lfs_lists_the_files_that_gitml_lists(odd, git):
    folder, commit = odd
    listed = lfs(folder, "ls-files", "--long", "--name-only", commit).splitlines()
    assert sorted(name for name in listed if name.startswith("artifacts/")) == sorted(
        f"artifacts/{n}" for n in ODD
    )
    assert len([name for name in listed if name.startswith("history/")]) == 1
    found = json.loads(lfs(folder, "ls-files", "--json", commit))["files"]
    oids = {item["name"].removeprefix("artifacts/"): item["oid"] for item in found}
    assert all(oids[name] == hashlib.sha256(content(name)).hexdigest() for name in ODD)
    assert all(item["downloaded"] for item in found)


def test_git_lfs_finds_nothing_wrong(odd):
    folder, commit = odd
    assert "Git LFS fsck OK" in lfs(folder, "fsck", "--objects", "--pointers", commit)


def test_git_lfs_finds_what_gitml_finds_damaged(odd):
    folder, commit = odd
    oid = hashlib.sha256(content(ODD[0])).hexdigest()
    stored = folder / ".git/lfs/objects" / oid[:2] / oid[2:4] / oid
    stored.chmod(0o644)
    stored.write_bytes(b"X" + content(ODD[0])[1:])
    done = subprocess.run(
        ["git", "lfs", "fsck", "--objects", "--dry-run", commit],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert oid in done.stdout + done.stderr


def test_a_worktree_of_a_run_has_the_files_themselves(odd, git, tmp_path):
    folder, commit = odd
    lfs(folder, "install", "--local", "--skip-repo")
    git(folder, "worktree", "add", "--quiet", str(tmp_path / "r"), commit)
    for name in ODD:
        assert (tmp_path / "r/artifacts" / name).read_bytes() == content(name), name
    for name in PLAIN:
        assert (tmp_path / "r/artifacts" / name).read_bytes() == b"plain", name
    (history,) = (tmp_path / "r/history").rglob("*.tsv")
    assert len(history.read_text().splitlines()) == 200
    assert git(tmp_path / "r", "status", "--porcelain") == ""


def test_attributes_mark_the_pointers_and_nothing_else(odd, git, tmp_path):
    folder, commit = odd
    git(folder, "worktree", "add", "--quiet", "--no-checkout", str(tmp_path / "r"), commit)
    git(tmp_path / "r", "read-tree", "HEAD")
    git(tmp_path / "r", "checkout", "--quiet", "HEAD", "--", ".gitattributes")
    names = git(tmp_path / "r", "ls-tree", "-r", "-z", "--name-only", "HEAD").split("\0")[:-1]
    words = git(tmp_path / "r", "check-attr", "-z", "--stdin", "filter", input="\0".join(names)).split("\0")[
        :-1
    ]
    marked = {path for path, value in zip(words[::3], words[2::3], strict=True) if value == "lfs"}
    assert {path for path in marked if path.startswith("artifacts/")} == {f"artifacts/{name}" for name in ODD}
    assert not {path for path in marked if path.startswith(("code/", "environment/", "logs/"))}
    assert decode_attributes((tmp_path / "r/.gitattributes").read_bytes()) == dict.fromkeys(marked, True)


def test_a_resumed_run_keeps_its_marks(odd, git):
    folder, commit = odd
    with opened(folder) as repo:
        run_id = git(
            folder, "log", "-1", "--format=%(trailers:key=Run-Id,valueonly,separator=)", commit
        ).strip()
        live = resume_run(repo, run_id)
        live.log_bytes(BIG, "new one.bin")
        live.log_bytes(b"now small", ODD[0])
        again = finish_run(repo, live, RunStatus.FINISHED)
    listed = lfs(folder, "ls-files", "--name-only", again).splitlines()
    expected = [f"artifacts/{name}" for name in [*ODD[1:], "new one.bin"]]
    assert sorted(name for name in listed if name.startswith("artifacts/")) == sorted(expected)
    assert "Git LFS fsck OK" in lfs(folder, "fsck", "--objects", "--pointers", again)


def test_git_lfs_and_gitml_share_objects(git_repo, git):
    lfs(git_repo, "install", "--local", "--skip-repo")
    (git_repo / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (git_repo / "data.bin").write_bytes(BIG)
    git(git_repo, "add", ".")
    git(git_repo, "commit", "--quiet", "--message", "data by git-lfs")
    objects = git_repo / ".git/lfs/objects"
    before = {path: path.stat().st_ino for path in objects.rglob("*") if path.is_file()}
    with opened(git_repo) as repo:
        live = start_run(repo)
        live.log_artifact(git_repo / "data.bin")
        commit = finish_run(repo, live, RunStatus.FINISHED)
    # The very files that git-lfs made: not written again, only marked as used.
    assert {path: path.stat().st_ino for path in objects.rglob("*") if path.is_file()} == before
    assert "Git LFS fsck OK" in lfs(git_repo, "fsck", commit)
    assert git(git_repo, "show", f"{commit}:code/data.bin") == git(
        git_repo, "show", f"{commit}:artifacts/data.bin"
    )


def test_a_dirty_file_of_git_lfs_is_snapshotted_as_its_pointer(git_repo, git):
    lfs(git_repo, "install", "--local", "--skip-repo")
    (git_repo / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (git_repo / "data.bin").write_bytes(BIG)
    git(git_repo, "add", ".")
    git(git_repo, "commit", "--quiet", "--message", "data by git-lfs")
    changed = os.urandom(150_000)
    (git_repo / "data.bin").write_bytes(changed)
    with opened(git_repo) as repo:
        live = start_run(repo)
        commit = finish_run(repo, live, RunStatus.FINISHED)
    size = int(git(git_repo, "cat-file", "-s", f"{commit}:code/data.bin"))
    assert size < 1024, "the whole file went into git instead of its pointer"
    assert hashlib.sha256(changed).hexdigest() in git(git_repo, "show", f"{commit}:code/data.bin")
