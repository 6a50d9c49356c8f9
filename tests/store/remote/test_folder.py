"""Folders: what is particular to disks."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from gitml.entities.artifact import Pointer
from gitml.errors import RemoteError
from gitml.store.base import StoreUnreachableError, TransferError
from gitml.store.folder import FolderStore, remote_objects
from gitml.store.incoming import Incoming, NotWritableError
from gitml.store.local import object_key
from gitml.store.moving import Stopping, move_all


def test_objects_are_copies(tmp_path, local):
    pointer = local.put_bytes(b"content")
    FolderStore(tmp_path / "disk", "disk").upload(local, [pointer])
    target = tmp_path / "disk" / object_key(pointer.oid)
    assert target.stat().st_nlink == 1
    assert not target.samefile(local.path(pointer.oid))


def test_a_disk_that_is_not_mounted_is_no_empty_store(tmp_path, local):
    store = FolderStore(tmp_path / "mnt" / "runs", "disk", anchor=tmp_path / "mnt")
    with pytest.raises(StoreUnreachableError) as caught:
        store.upload(local, [local.put_bytes(b"x")])
    assert "mount" in caught.value.hint
    assert not (tmp_path / "mnt").exists()


def test_nothing_is_written_through_links(tmp_path, local):
    pointer = local.put_bytes(b"content")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = tmp_path / "disk"
    folder.mkdir()
    (folder / pointer.oid[:2]).symlink_to(elsewhere)
    store = FolderStore(folder, "disk")
    (failure,) = store.upload(local, [pointer]).failed
    assert isinstance(failure.error, TransferError)
    assert not list(elsewhere.rglob("*.gitml*"))
    assert not [path for path in elsewhere.rglob("*") if path.is_file()]


def test_pipes_and_folders_by_an_objects_name(tmp_path, local, other):
    pipe, folder = local.put_bytes(b"pipe"), local.put_bytes(b"folder")
    disk = tmp_path / "disk"
    (disk / object_key(pipe.oid)).parent.mkdir(parents=True)
    os.mkfifo(disk / object_key(pipe.oid))
    (disk / object_key(folder.oid)).mkdir(parents=True)
    store = FolderStore(disk, "disk")
    assert store.missing([pipe, folder]) == [pipe, folder]
    assert len(store.download(other, [pipe, folder]).failed) == 2
    assert list(store.objects()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_disk_that_may_not_be_written(tmp_path, local):
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o500)
    (failure,) = FolderStore(disk, "disk").upload(local, [local.put_bytes(b"x")]).failed
    assert "Permission denied" in str(failure.error)


def test_no_room_here(tmp_path, local, other):
    pointer = local.put_bytes(b"x" * 100)
    store = FolderStore(tmp_path / "disk", "disk")
    store.upload(local, [pointer])
    (other.root).mkdir()
    (other.root / "tmp").write_text("a file where the folder should be")
    (failure,) = store.download(other, [pointer]).failed
    assert isinstance(failure.error, NotWritableError)
    assert "make room" in failure.error.hint


def test_where_the_objects_of_a_repository_are(tmp_path, git):
    git(tmp_path, "init", "--quiet", "--bare", "bare.git")
    assert remote_objects(tmp_path / "bare") == tmp_path / "bare.git/lfs/objects"
    git(tmp_path, "init", "--quiet", "work")
    assert remote_objects(tmp_path / "work") == tmp_path / "work/.git/lfs/objects"
    with pytest.raises(RemoteError):
        remote_objects(tmp_path / "nothing")


def test_a_bundle_or_another_file_as_remote_is_told(tmp_path, git):
    git(tmp_path, "init", "--quiet", "work")
    git(
        tmp_path / "work",
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "x",
    )
    git(tmp_path / "work", "bundle", "create", "--quiet", "../runs.bundle", "--all")
    with pytest.raises(RemoteError, match="bundle of git's") as caught:
        remote_objects(tmp_path / "runs.bundle")
    assert "gitml bundle" in caught.value.hint
    (tmp_path / "model.bin").write_bytes(b"\x9c\xff")
    with pytest.raises(RemoteError, match="no git repository"):
        remote_objects(tmp_path / "model.bin")


def test_what_can_not_be_reached_stops_all_in_the_middle():
    pointers = [Pointer(f"{number:064x}", 1) for number in range(50)]
    begun, stopping, gate = [], Stopping(), threading.Event()

    def move(pointer):
        begun.append(pointer)
        if pointer is pointers[1]:
            gate.set()
            raise StoreUnreachableError("there", "gone")
        gate.wait()
        while True:  # as an object that takes for ever
            stopping(1)

    with pytest.raises(StoreUnreachableError):
        move_all(pointers, move, workers=4, stopping=stopping)
    assert len(begun) < 10


def test_two_who_receive_the_same_object_do_not_disturb_each_other(local, other):
    pointer = local.put_bytes(os.urandom(1000))
    data = local.path(pointer.oid).read_bytes()
    with Incoming(other, pointer) as first, Incoming(other, pointer) as second:
        first.write(data[:500])
        second.write(data)
        second.finish()
        first.write(data[500:])
        first.finish()
    assert other.path(pointer.oid).read_bytes() == data
    assert not list(Path(other.root / "tmp").iterdir())
