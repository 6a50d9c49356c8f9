"""Loose objects, written as git does: a temporary file that is renamed when it is whole.

dulwich writes them through a `.lock` file, which a killed process leaves behind
and which then blocks that object for good; two writers of the same content fail
on it too. git's own way has neither problem, and `git gc` sweeps up
`tmp_obj_*` files that a crash left.
"""

from __future__ import annotations

import hashlib
import os
import uuid
import zlib
from pathlib import Path

from gitml.errors import DamagedError

_LEVEL = 1  # a run's files are small: git packs them better later, at its leisure
_MODE = 0o444
_ATTEMPTS = 20
_KINDS = {b"commit": 1, b"tree": 2, b"blob": 3, b"tag": 4}  # as packs number them


class LooseObjects:
    """The loose objects of one repository."""

    def __init__(self, objects: Path, object_format: str) -> None:
        """Name the `objects` folder and the hash that names objects."""
        self._root = os.fspath(objects)
        self._new_hash = hashlib.sha256 if object_format == "sha256" else hashlib.sha1

    def write(self, kind: bytes, data: bytes) -> str:
        """Store an object and return its id; one that is here is only marked as fresh.

        Args:
            kind: `blob`, `tree`, `commit` or `tag`.
            data: Its content without the header.
        """
        header = b"%s %d\0" % (kind, len(data))
        digest = self._new_hash(header)
        digest.update(data)
        oid = digest.hexdigest()
        folder = f"{self._root}/{oid[:2]}"
        path = f"{folder}/{oid[2:]}"
        try:
            os.utime(path)  # fresh: a `git gc` at this moment must not prune it
        except FileNotFoundError:
            _write_new(folder, path, header + data)
        except PermissionError:
            pass  # it belongs to another user of a shared repository
        return oid

    def has(self, oid: str) -> bool:
        """Whether the object is here, and loose."""
        return oid.isalnum() and os.path.exists(f"{self._root}/{oid[:2]}/{oid[2:]}")

    def read(self, oid: str) -> tuple[int, bytes] | None:
        """Read an object: its kind, as packs number them, and content; None if it is not loose.

        Raises:
            DamagedError: Its file is not what git writes.
        """
        try:
            with open(f"{self._root}/{oid[:2]}/{oid[2:]}", "rb") as file:
                content = zlib.decompress(file.read())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except zlib.error as err:
            raise DamagedError(f"git's object '{oid}' is damaged: {err}", hint="git fsck tells more") from err
        header, _, data = content.partition(b"\0")
        kind, _, size = header.partition(b" ")
        if kind not in _KINDS or size != b"%d" % len(data):
            raise DamagedError(f"git's object '{oid}' is damaged", hint="git fsck tells more")
        return _KINDS[kind], data


def _write_new(folder: str, path: str, content: bytes) -> None:
    temporary = f"{folder}/tmp_obj_{uuid.uuid4().hex}"  # noqa: S108 - git's own name for it
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    fd = _open_in(folder, temporary, flags)
    try:
        try:
            view = memoryview(zlib.compress(content, _LEVEL))
            while view:
                view = view[os.write(fd, view) :]
        finally:
            os.close(fd)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _open_in(folder: str, path: str, flags: int) -> int:
    """Open a new file in a folder that a `git gc` removes whenever it is empty."""
    for _ in range(_ATTEMPTS):
        try:
            return os.open(path, flags, _MODE)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
    return os.open(path, flags, _MODE)
