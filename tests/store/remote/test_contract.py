"""What every store must do, whatever it is and however it is reached."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest

from gitml.entities.artifact import Pointer
from gitml.errors import DamagedError
from gitml.store.base import StoreUnreachableError, TransferError
from gitml.store.incoming import PART_PREFIX, WrongContentError
from gitml.store.local import ChecksumMismatchError, ObjectMissingError, object_key
from tests.store.remote.conftest import KINDS

LARGE = 12 * 1024**2 + 7  # two parts for a bucket


def content(pointer, store):
    return store.path(pointer.oid).read_bytes()


def test_there_and_back(remote, local, other):
    store = remote.open()
    pointers = [local.put_bytes(os.urandom(size)) for size in (1, 1000, 100_000, LARGE)]
    pointers.append(local.put_bytes(b""))
    assert store.missing(pointers) == pointers
    sent = []
    result = store.upload(local, pointers, sent.append)
    assert (result.moved, result.present, result.failed) == (tuple(pointers), (), ())
    assert sum(sent) == sum(pointer.size for pointer in pointers)
    for pointer in pointers:
        assert remote.raw_get(object_key(pointer.oid)) == content(pointer, local)
    fresh = remote.open()
    assert fresh.missing(pointers) == []
    assert sorted(fresh.objects(), key=lambda p: p.oid) == sorted(pointers, key=lambda p: p.oid)
    got = []
    result = fresh.download(other, pointers, got.append)
    assert (result.moved, result.failed) == (tuple(pointers), ())
    assert sum(got) == sum(pointer.size for pointer in pointers)
    for pointer in pointers:
        assert content(pointer, other) == content(pointer, local)
    assert not list((other.root / "tmp").iterdir())
    assert fresh.download(other, pointers).present == tuple(pointers)


def test_what_is_there_is_not_sent_again(remote, local):
    pointers = [local.put_bytes(os.urandom(size)) for size in (1000, 2000, LARGE)]
    remote.open().upload(local, pointers[:2])
    if remote.wire:
        remote.wire.reset()
    sent = []
    result = remote.open().upload(local, pointers, sent.append)
    assert result.moved == (pointers[2],)
    assert result.present == (pointers[0], pointers[1])
    assert sum(sent) == sum(pointer.size for pointer in pointers)
    if remote.wire:
        assert LARGE <= remote.wire.up < 1.2 * LARGE
        remote.wire.reset()
    result = remote.open().upload(local, pointers)
    assert result.present == tuple(pointers)
    if remote.wire:
        assert remote.wire.up < 20_000


@pytest.mark.parametrize(
    "remote",
    [
        pytest.param(
            kind.values[0], marks=() if kind.values[0] in ("folder", "memory") else pytest.mark.heavy
        )
        for kind in KINDS
    ],
    indirect=True,
)
def test_many_small_objects(remote, local, other):
    store = remote.open()
    pointers = [local.put_bytes(b"%d" % number) for number in range(300)]
    assert store.missing(pointers) == pointers
    assert store.upload(local, pointers[::2]).moved == tuple(pointers[::2])
    assert store.missing(pointers) == pointers[1::2]
    result = store.upload(local, pointers)
    assert (result.present, result.moved) == (tuple(pointers[::2]), tuple(pointers[1::2]))
    assert {pointer.oid for pointer in store.objects()} == {pointer.oid for pointer in pointers}
    assert store.download(other, pointers).moved == tuple(pointers)


def test_a_damaged_object_is_not_sent(remote, local):
    store = remote.open()
    for size in (1000, LARGE):
        pointer = local.put_bytes(os.urandom(size))
        data = bytearray(content(pointer, local))
        data[-1] ^= 1
        local.path(pointer.oid).write_bytes(data)
        (failure,) = store.upload(local, [pointer]).failed
        assert isinstance(failure.error, ChecksumMismatchError)
        assert remote.raw_get(object_key(pointer.oid)) is None
    absent = Pointer(hashlib.sha256(b"never").hexdigest(), 5)
    good = local.put_bytes(b"good")
    result = store.upload(local, [absent, good])
    assert result.moved == (good,)
    assert isinstance(result.failed[0].error, ObjectMissingError)
    assert list(store.objects()) == [good]


def test_wrong_content_is_refused(remote, local, other):
    good, bad = local.put_bytes(b"good" * 1000), local.put_bytes(os.urandom(LARGE))
    remote.open().upload(local, [good])
    remote.spoil(bad, bytes(LARGE))
    result = remote.open().download(other, [good, bad])
    assert result.moved == (good,)
    assert isinstance(result.failed[0].error, WrongContentError)
    assert result.failed[0].error.exit_code == 6
    assert not other.has(bad.oid)
    assert not list((other.root / "tmp").iterdir())


@pytest.mark.parametrize("size", [10, 5000])
def test_another_size_is_refused_and_replaced(remote, local, other, size):
    pointer = local.put_bytes(os.urandom(1000))
    remote.spoil(pointer, b"x" * size)
    store = remote.open()
    assert store.missing([pointer]) == [pointer]
    (failure,) = store.download(other, [pointer]).failed
    assert isinstance(failure.error, (TransferError, WrongContentError))
    assert not other.has(pointer.oid)
    assert store.upload(local, [pointer]).moved == (pointer,)
    assert store.download(other, [pointer]).moved == (pointer,)
    assert content(pointer, other) == content(pointer, local)


def test_what_is_not_there_can_not_be_had(remote, local, other):
    pointer, absent = local.put_bytes(b"here"), Pointer(hashlib.sha256(b"x").hexdigest(), 1)
    store = remote.open()
    store.upload(local, [pointer])
    result = store.download(other, [absent, pointer])
    assert result.moved == (pointer,)
    assert "is not there" in str(result.failed[0].error)
    assert "gitml push" in result.failed[0].error.hint


def test_what_has_no_objects_name_is_passed_over(remote, local):
    pointer = local.put_bytes(b"an object")
    oid = pointer.oid
    store = remote.open()
    store.upload(local, [pointer])
    key = object_key(oid)
    for name in (
        "README", "zz/zz/" + oid, "ab/cd/short", f"{key}.tmp", key.upper(),
        "ab/cd/" + "ef" + oid[2:], f"{oid[:2]}/{oid[2:4]}/.gitml-1", f"{oid[:2]}/{oid}", f"x/{key}",
    ):  # fmt: skip
        remote.raw_put(name, b"foreign")
    assert list(remote.open().objects()) == [pointer]


def test_objects_are_deleted_by_name_alone(remote, local):
    pointers = [local.put_bytes(b"%d" % number) for number in range(3)]
    store = remote.open()
    store.upload(local, pointers)
    assert store.delete(pointers[0].oid)
    assert not store.delete(pointers[0].oid)
    assert store.missing(pointers) == [pointers[0]]
    for oid in ("", "../" * 20, "A" * 64, "*"):
        with pytest.raises(DamagedError):
            store.delete(oid)
        with pytest.raises(DamagedError):
            store.missing([Pointer(oid, 1)])


def test_a_download_goes_on_where_it_stopped(remote, local, other):
    pointer = local.put_bytes(os.urandom(LARGE))
    remote.open().upload(local, [pointer])
    (other.root / "tmp").mkdir(parents=True)
    part = other.root / "tmp" / f"{PART_PREFIX}{pointer.oid}"
    part.write_bytes(content(pointer, local)[: LARGE - 1000])
    if remote.wire:
        remote.wire.reset()
    got = []
    assert remote.open().download(other, [pointer], got.append).moved == (pointer,)
    assert sum(got) == LARGE
    assert content(pointer, other) == content(pointer, local)
    if remote.wire:
        assert remote.wire.down < 100_000
    # All of it came, and then the program died.
    other.path(pointer.oid).rename(part)
    assert remote.open().download(other, [pointer]).moved == (pointer,)
    # What was left is wrong: it is not to blame on the store.
    other.path(pointer.oid).unlink()
    part.write_bytes(bytes(5000))
    assert remote.open().download(other, [pointer]).moved == (pointer,)
    assert content(pointer, other) == content(pointer, local)
    assert not part.exists()


@pytest.mark.heavy
@pytest.mark.parametrize("remote", ["s3", "azure", "google", "sftp"], indirect=True)
def test_a_download_that_breaks_off_goes_on(remote, local, other):
    pointer = local.put_bytes(os.urandom(4 * LARGE))
    remote.open().upload(local, [pointer])
    store = remote.open()
    store.missing([pointer])
    remote.wire.break_after(3 * LARGE)
    try:
        failures = store.download(other, [pointer]).failed
        assert failures
        error = failures[0].error
    except StoreUnreachableError as err:
        error = err
    assert error.exit_code == 5
    assert error.hint
    kept = (other.root / "tmp" / f"{PART_PREFIX}{pointer.oid}").stat().st_size
    assert kept > 0  # how much depends on which of the parts that come at once are whole by then
    store.close()  # else parts that it still tries to get come after all
    remote.wire.mend()
    remote.wire.reset()
    assert remote.open().download(other, [pointer]).moved == (pointer,)
    assert remote.wire.down < 4 * LARGE - kept + 1024**2
    assert content(pointer, other) == content(pointer, local)


def test_a_place_that_is_not_there(remote, local, other):
    pointer = local.put_bytes(b"x")
    many = [local.put_bytes(b"%d" % number) for number in range(30)]
    store = remote.open(remote.nowhere)
    for attempt in (
        lambda: store.missing([]),
        lambda: store.missing([pointer]),
        lambda: store.missing(many),
        lambda: store.upload(local, [pointer]),
        lambda: list(store.objects()),
    ):
        with pytest.raises(StoreUnreachableError) as caught:
            attempt()
        assert "there is no" in str(caught.value)
        assert caught.value.hint
    if remote.kind != "memory":
        assert not list(other.root.glob("objects/*"))


MEMORY = """\
import json, resource, sys
from pathlib import Path
from gitml.entities.artifact import Pointer
from gitml.store.cloud import open_store
from gitml.store.local import ObjectStore

url, settings, here, there, small, large = json.loads(sys.argv[1])
small, large = Pointer(*small), Pointer(*large)
store = open_store(url, settings)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
assert store.upload(ObjectStore(Path(here)), [small]).moved
assert store.download(ObjectStore(Path(there)), [small]).moved
before = peak()
assert store.upload(ObjectStore(Path(here)), [large]).moved
middle = peak()
assert store.download(ObjectStore(Path(there)), [large]).moved
store.close()
print(json.dumps([middle - before, peak() - middle]))
"""


@pytest.mark.parametrize(
    "kind", [pytest.param(p.values[0], marks=pytest.mark.heavy) for p in KINDS if p.values[0] != "memory"]
)
def test_memory_stays_constant(kind, make_remote, local, other):
    remote = make_remote(kind)
    small, large = local.put_bytes(os.urandom(6 * 1024**2)), local.put_bytes(os.urandom(80 * 10**6))
    arguments = [
        remote.url, remote.settings, str(local.root), str(other.root),
        [small.oid, small.size], [large.oid, large.size],
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, json.dumps(arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    sending, receiving = json.loads(done.stdout)
    assert sending < 60e6
    assert receiving < 60e6
    assert content(large, other) == content(large, local)
