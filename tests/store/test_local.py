"""The object store: content has one name, one copy, and is checked on the way out."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import threading
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.entities.artifact import Pointer
from gitml.errors import DamagedError
from gitml.store.local import ChecksumMismatchError, ObjectMissingError, ObjectStore


@pytest.fixture
def store(tmp_path):
    opened = ObjectStore(tmp_path / "lfs", tmp_path / "hashes.sqlite")
    yield opened
    opened.close()


def at_rest(path):
    """Make a file look as if nobody wrote to it for a while."""
    old = time.time() - 60
    os.utime(path, (old, old))


@pytest.mark.parametrize("size", [0, 1, 4 * 1024**2, 8 * 1024**2, 9 * 1024**2 + 7])
def test_what_goes_in_comes_out(store, tmp_path, size):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    seen = []
    pointer = store.put_file(source, progress=seen.append)
    assert pointer == Pointer(hashlib.sha256(source.read_bytes()).hexdigest(), size)
    assert sum(seen) == size
    assert (
        store.path(pointer.oid) == store.root / "objects" / pointer.oid[:2] / pointer.oid[2:4] / pointer.oid
    )
    store.export(pointer, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == source.read_bytes()
    assert not list((store.root / "tmp").iterdir())


@given(st.binary(max_size=2000))
def test_bytes_are_stored_once_under_their_hash(tmp_path_factory, data):
    store = ObjectStore(tmp_path_factory.mktemp("lfs"))
    assert (
        store.put_bytes(data) == store.put_bytes(data) == Pointer(hashlib.sha256(data).hexdigest(), len(data))
    )
    assert len([name for _, _, names in os.walk(store.root / "objects") for name in names]) == 1


def test_a_file_that_is_taken_becomes_the_object(store, tmp_path):
    copied = tmp_path / "copied"
    copied.write_bytes(b"of another" * 1000)
    usual = store.path(store.put_file(copied).oid).stat().st_mode
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3 * 1024**2))
    source.chmod(0o600)  # as frameworks leave it that write to a temporary file first
    seen = []
    pointer = store.take_file(source, progress=seen.append)
    assert pointer.oid == hashlib.sha256(source.read_bytes()).hexdigest()
    assert sum(seen) == pointer.size == 3 * 1024**2
    assert store.path(pointer.oid).samefile(source)
    assert store.path(pointer.oid).stat().st_mode == usual
    source.unlink()
    assert store.path(pointer.oid).stat().st_size == pointer.size
    again = tmp_path / "again"
    again.write_bytes(copied.read_bytes())
    kept = store.path(store.take_file(again).oid)
    assert not kept.samefile(again)  # it was there
    assert not list((tmp_path / "lfs/tmp").iterdir())


def test_a_file_that_cannot_be_linked_is_copied(store, tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    source = tmp_path / "source"
    source.write_bytes(b"weights" * 1000)
    pointer = store.take_file(source)
    assert store.path(pointer.oid).read_bytes() == source.read_bytes()
    assert not store.path(pointer.oid).samefile(source)


def test_an_unchanged_file_is_neither_read_nor_copied_again(store, tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(2 * 1024**2))
    at_rest(source)
    first = store.put_file(source)
    monkeypatch.setattr("gitml.store.local._copy", lambda *_: pytest.fail("the file was read again"))
    assert store.put_file(source) == first


def test_a_changed_file_is_hashed_again_even_with_the_same_size_and_time(store, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"a" * 2 * 1024**2)
    at_rest(source)
    first = store.put_file(source)
    source.write_bytes(b"b" * 2 * 1024**2)
    at_rest(source)
    second = store.put_file(source)
    assert second.oid == hashlib.sha256(source.read_bytes()).hexdigest() != first.oid


def test_a_known_hash_whose_object_is_gone_is_stored_again(store, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(2 * 1024**2))
    at_rest(source)
    pointer = store.put_file(source)
    store.path(pointer.oid).unlink()
    assert store.put_file(source) == pointer
    assert store.has(pointer.oid)


def test_a_damaged_hash_cache_costs_only_time(store, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(2 * 1024**2))
    at_rest(source)
    (tmp_path / "hashes.sqlite").write_bytes(b"no database at all" * 1000)
    assert store.put_file(source).oid == hashlib.sha256(source.read_bytes()).hexdigest()


def test_damaged_and_missing_objects_are_told_apart(store, tmp_path):
    pointer = store.put_bytes(b"content")
    store.path(pointer.oid).write_bytes(b"conTent")
    with pytest.raises(ChecksumMismatchError):
        store.export(pointer, tmp_path / "out")
    assert not (tmp_path / "out").exists(), "nothing wrong ever has the name"
    store.path(pointer.oid).unlink()
    with pytest.raises(ObjectMissingError):
        store.export(pointer, tmp_path / "out")
    with pytest.raises(ObjectMissingError):
        store.open(pointer)


@pytest.mark.parametrize("oid", ["", "../" * 20 + "etc/passwd", "A" * 64, "a" * 63])
def test_no_path_is_made_of_what_is_no_hash(store, oid):
    with pytest.raises(DamagedError):
        store.path(oid)


def test_many_threads_store_the_same_content_at_once(store, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(5 * 1024**2))
    found, threads = [], []
    for _ in range(8):
        threads.append(threading.Thread(target=lambda: found.append(store.put_file(source))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_memory_stays_constant(store, tmp_path):
    source = tmp_path / "source"
    with source.open("wb") as stream:
        stream.truncate(200 * 1024**2)
    tracemalloc.start()
    store.put_file(source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * 1024**2


def test_a_writer_that_dies_leaves_no_half_object(store, tmp_path):
    source = tmp_path / "source"
    with source.open("wb") as stream:
        stream.truncate(300 * 1024**2)
    code = (
        "import sys\nfrom pathlib import Path\nfrom gitml.store.local import ObjectStore\n"
        "print('go', flush=True)\n"
        "ObjectStore(Path(sys.argv[1])).put_file(Path(sys.argv[2]))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, store.root, source], stdout=subprocess.PIPE, text=True
    )
    child.stdout.readline()
    while not list(store.root.glob("tmp/*")):
        time.sleep(0.001)
    child.kill()
    child.communicate()
    whole = hashlib.sha256()
    with source.open("rb") as stream:
        while chunk := stream.read(1024**2):
            whole.update(chunk)
    for path in store.root.glob("objects/*/*/*"):
        assert path.name == whole.hexdigest()
        assert path.stat().st_size == source.stat().st_size


def test_bytes_that_the_disk_takes_in_parts_are_whole_or_refused(store):
    """One `write` takes at most 2 GiB, and on a full disk what there is room for."""
    data = os.urandom(300_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            store.put_bytes(data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path for path in store.root.rglob("*") if path.is_file()] == []
    pointer = store.put_bytes(data)
    with store.open(pointer) as stream:
        assert stream.read() == data
