"""Against a real Git LFS server, and beside the real git-lfs client, in both directions."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from gitml.entities.artifact import Pointer
from gitml.store.local import ObjectStore
from tests.servers.giftless import giftless_server, require_giftless
from tests.store.lfs.conftest import keep
from tests.store.lfs.proxy import cutting_proxy

MIB = 1024**2
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"


@pytest.fixture(scope="module")
def giftless(tmp_path_factory):
    require_giftless()
    with giftless_server(tmp_path_factory.mktemp("giftless")) as running:
        yield running


@pytest.fixture
def client(git_repo, giftless, git):
    """A repository whose git-lfs uses the server."""
    if shutil.which("git-lfs") is None:
        pytest.fail("git-lfs is not installed") if "CI" in os.environ else pytest.skip(
            "git-lfs is not installed"
        )
    git(git_repo, "config", "lfs.url", giftless.url())
    git(git_repo, "config", f"lfs.{giftless.url()}.locksverify", "false")
    git(git_repo, "remote", "add", "origin", f"{giftless.url()}.git")
    return git_repo


def lfs(folder, *words):
    done = subprocess.run(["git", "lfs", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def test_a_round_trip(giftless, opened, here, there):
    store = opened("https://nowhere.example/x", {"lfs.url": giftless.url()})
    pointers = [*keep(here, 20, 5000), *keep(here, 2, 5 * MIB)]
    assert store.missing(pointers) == pointers
    sent = store.upload(here, pointers)
    assert set(sent.moved) == set(pointers)
    assert not sent.failed
    assert store.missing(pointers) == []
    assert store.upload(here, pointers).present == tuple(pointers)
    assert set(store.download(there, pointers).moved) == set(pointers)
    for pointer in pointers:
        assert there.path(pointer.oid).read_bytes() == here.path(pointer.oid).read_bytes()


def test_what_the_server_lacks(giftless, opened, here, there):
    store = opened("https://nowhere.example/x", {"lfs.url": giftless.url()})
    (known,) = keep(here, 1, 1000)
    store.upload(here, [known])
    absent, wrong = Pointer("1" * 64, 9), Pointer(known.oid, known.size + 1)
    assert store.missing([known, absent, wrong]) == [absent, wrong]
    for pointers in ([absent], [known, absent]):
        assert [failure.pointer for failure in store.download(there, pointers).failed] == [absent]


def test_a_cut_connection(giftless, opened, here, there):
    with cutting_proxy(giftless.port) as proxy:
        store = opened("https://nowhere.example/x", {"lfs.url": f"http://127.0.0.1:{proxy.port}/ada/cut"})
        (pointer,) = keep(here, 1, 4 * MIB)
        proxy.cut(1, 2 * MIB, upstream=True)
        assert store.upload(here, [pointer]).moved == (pointer,)
        proxy.cut(1, 2 * MIB)
        assert store.download(there, [pointer]).moved == (pointer,)
        assert proxy.cuts == 0


def test_what_we_sent_git_lfs_fetches(giftless, opened, client, git):
    local = ObjectStore(client / ".git/lfs")
    pointers = keep(local, 3, 200_000)
    assert (
        len(opened(f"{giftless.url()}.git", {"lfs.url": giftless.url()}).upload(local, pointers).moved) == 3
    )
    (client / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    for number, pointer in enumerate(pointers):
        (client / f"{number}.bin").write_text(POINTER.format(pointer.oid, pointer.size))
    git(client, "add", ".")
    git(client, "commit", "--quiet", "--message", "pointers")
    contents = [local.path(pointer.oid).read_bytes() for pointer in pointers]
    shutil.rmtree(client / ".git/lfs")
    lfs(client, "fetch", "origin", "main")
    assert [local.path(pointer.oid).read_bytes() for pointer in pointers] == contents


def test_what_git_lfs_sent_we_fetch(giftless, opened, client, there):
    local = ObjectStore(client / ".git/lfs")
    pointers = keep(local, 3, 200_000)
    lfs(client, "push", "--object-id", "origin", *(pointer.oid for pointer in pointers))
    store = opened(f"{giftless.url()}.git", {"lfs.url": giftless.url()})
    assert store.missing(pointers) == []
    assert set(store.download(there, pointers).moved) == set(pointers)
    for pointer in pointers:
        assert there.path(pointer.oid).read_bytes() == local.path(pointer.oid).read_bytes()
