"""Bundles that hold what git itself holds for malformed: nothing of them stays, whatever gitml would say."""

from __future__ import annotations

import hashlib
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from gitml.entities.artifact import Pointer
from gitml.errors import DamagedError, GitmlError
from gitml.git.repo import GitRepo
from gitml.repo import RUNS_REF, Repo
from gitml.sync import bundle
from gitml.sync.bundle_file import write_bundle
from gitml.sync.bundle_manifest import BundleDamagedError, Manifest
from tests.sync.forge import EXECUTABLE, FILE, FOLDER, LINK, SUBMODULE, Forge, a_run


@pytest.fixture
def forge(tmp_path: Path, git):
    git(tmp_path, "init", "--quiet", "--bare", "theirs")
    with closing(GitRepo.discover(tmp_path / "theirs")) as found:
        yield Forge(found)


@pytest.fixture
def site(tmp_path: Path, git) -> Path:
    git(tmp_path, "init", "--quiet", "site")
    return tmp_path / "site"


def bundled(forge: Forge, path: Path, tip: str, *, without: str = "", ref: str = RUNS_REF, cut=bytes) -> Path:
    """Make a bundle of all that was forged, by hand: git would not make some of them.

    Args:
        forge: What has the objects.
        path: The file.
        tip: The record.
        without: An object that is left out.
        ref: The name that git's own bundle has for the tip.
        cut: What becomes of git's own bundle.
    """
    where = ["git", "-C", str(forge.git.git_dir)]
    listing = [*where, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]
    oids = subprocess.run(listing, capture_output=True, check=True).stdout.decode().split()
    wanted = "".join(f"{oid}\n" for oid in oids if oid != without).encode()
    packing = [*where, "pack-objects", "--stdout", "--quiet"]
    pack = subprocess.run(packing, input=wanted, capture_output=True, check=True).stdout
    data = cut(f"# v2 git bundle\n{tip} {ref}\n\n".encode() + pack)
    inner = forge.git.git_dir / "inner"
    inner.write_bytes(data)
    pointer = Pointer(hashlib.sha256(data).hexdigest(), len(data))
    manifest = Manifest(forge.git.object_format, (tip,), records=1, git=pointer)
    write_bundle(path, path.with_suffix(".new"), manifest, inner, open, lambda _: None)
    return path


def refuse(site: Path, path: Path, error: type[GitmlError] = GitmlError) -> str:
    """Make sure that a bundle is refused and leaves nothing: no ref, no object of git's."""
    with closing(Repo.open(site)) as repo, pytest.raises(error) as caught:
        bundle.apply(repo, path)
    with closing(Repo.open(site)) as repo, pytest.raises(error):
        bundle.apply(repo, path, dry_run=True)
    assert caught.value.hint
    left = [one for one in (site / ".git/objects").rglob("*") if one.is_file()]
    left += [one for one in (site / ".git/refs").rglob("*") if one.is_file()]
    left += [one for one in (site / ".git/gitml/bundles").iterdir() if one.name != ".lock"]
    assert left == []
    return f"{caught.value}"


@pytest.mark.parametrize("place", ["code", "artifacts"])
@pytest.mark.parametrize(
    ("mode", "name"),
    [(FOLDER, ".git"), (FOLDER, ".."), (FOLDER, "."), (FILE, ".GIT"), (FILE, "git~1"), (FILE, "a/b"), (FILE, "")],
)  # fmt: skip
def test_names_that_lead_astray(forge, site, tmp_path, place, mode, name):
    blob = forge.raw("blob", b"[core]\n\tfsmonitor = touch /tmp/harm\n")
    inner = blob if mode == FILE else forge.tree([(FILE, "config", blob)])
    tip = forge.record(a_run(), {place: (FOLDER, forge.tree([(mode, name, inner)]))})
    told = refuse(site, bundled(forge, tmp_path / "b", tip), BundleDamagedError)
    assert "git finds it unsound" in told


@pytest.mark.parametrize(
    "content",
    [
        b'[submodule "x"]\n\tpath = x\n\turl = -u./payload\n',
        b'[submodule "../../x"]\n\tpath = x\n\turl = https://h.example\n',
        b'[submodule "x"]\n\tpath = -x\n\turl = https://h.example\n',
    ],
)
def test_submodules_that_run_programs(forge, site, tmp_path, content):
    tree = forge.tree([(FILE, ".gitmodules", forge.raw("blob", content))])
    tip = forge.record(a_run(), {"code": (FOLDER, tree)})
    assert "gitmodules" in refuse(site, bundled(forge, tmp_path / "b", tip), BundleDamagedError)


@pytest.mark.parametrize("wrong", ["twice", "unsorted", "mode", "author", "date", "zero"])
def test_trees_and_commits_that_make_no_sense(forge, site, tmp_path, wrong):
    blob, sound = forge.raw("blob", b"x"), forge.record()
    body = forge.git.process.run(["cat-file", "commit", sound])
    trees = {
        "twice": [(FILE, "a", blob), (EXECUTABLE, "a", blob)],
        "unsorted": [(FILE, "b", blob), (FILE, "a", blob)],
        "mode": [(b"100600", "a", blob)],
    }
    commits = {
        "author": body.replace(b"author Eve <", b"author Eve <<", 1),
        "date": body.replace(b"1760000001", b"99999999999999999999999"),
        "zero": body.replace(b"Eve", b"E\0ve", 1),
    }
    tip = (
        forge.record(a_run(), {"code": (FOLDER, forge.tree(trees[wrong]))})
        if wrong in trees
        else forge.raw("commit", commits[wrong])
    )
    refuse(site, bundled(forge, tmp_path / "b", tip))


def test_an_object_that_is_nowhere(forge, site, tmp_path):
    tip = forge.record()
    blob = forge.git.entry_at(tip, "run.yaml").oid
    told = refuse(site, bundled(forge, tmp_path / "b", tip, without=blob), BundleDamagedError)
    assert "git finds it unsound" in told


@pytest.mark.parametrize(
    "cut",
    [
        lambda data: data[:-30],
        lambda data: data[:-1] + b"x",
        lambda data: data.partition(b"\n\n")[0] + b"\n\n",
        lambda data: data.replace(b"\n\n", b"", 1),
        lambda data: data[:10],
        lambda data: b"",
        lambda data: data.replace(b"# v2", b"# v9", 1),
        lambda data: data.replace(b"# v2 git bundle\n", b"# v3 git bundle\n@run=touch /tmp/harm\n", 1),
    ],
)
def test_a_part_that_is_cut_off(forge, site, tmp_path, cut):
    """With hashes that are right: only git can tell."""
    refuse(site, bundled(forge, tmp_path / "b", forge.record(), cut=cut), DamagedError)


@pytest.mark.parametrize(
    "name", ["--upload-pack=x", "refs/heads/main", "HEAD", "refs/heads/../../config", "-x"]
)
def test_refs_in_it_have_no_say(forge, site, tmp_path, git, name):
    """Names in git's own bundle are nothing but words: tips and tags are those of the manifest."""
    path = bundled(forge, tmp_path / "b", forge.record(), ref=name)
    with closing(Repo.open(site)) as repo:
        bundle.apply(repo, path)
    assert git(site, "for-each-ref", "--format=%(refname)").split() == [RUNS_REF]
    git(site, "fsck", "--strict", "--no-dangling")


def test_links_and_submodules_of_code_are_let_in(forge, site, tmp_path, git):
    """What git allows in source trees comes with it."""
    tree = forge.tree(
        [
            (FILE, ".gitmodules", forge.raw("blob", b'[submodule "m"]\n\tpath = m\n\turl = https://h.example/m\n')),
            (LINK, "link", forge.raw("blob", b"run.sh")),
            (SUBMODULE, "m", "1" * 40),
            (EXECUTABLE, "run.sh", forge.raw("blob", b"#!/bin/sh\n")),
        ]
    )  # fmt: skip
    path = bundled(forge, tmp_path / "b", forge.record(a_run(), {"code": (FOLDER, tree)}))
    with closing(Repo.open(site)) as repo:
        assert bundle.apply(repo, path).records == 1
    assert git(site, "rev-parse", f"{RUNS_REF}:code").strip() == tree
