"""Many objects at once: one pack file instead of thousands of loose ones.

A run is about ten objects. Ten thousand imported runs as loose objects would be a
hundred thousand files, which every git command then has to look through until the
next `git gc`.
"""

from __future__ import annotations

import hashlib
import os
import struct
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from gitml.git.repo import GitRepo

_KINDS = {b"commit": 1, b"tree": 2, b"blob": 3, b"tag": 4}
_LEVEL = 1  # git packs them better later, at its leisure
_MODE = 0o444


class PackWriter:
    """A pack that is being written; git sees it when it is whole.

    Interrupted, it leaves a `tmp_pack_*` file, which `git gc` sweeps up as its own.
    """

    def __init__(self, objects: Path, object_format: str) -> None:
        """Begin a pack.

        Args:
            objects: The repository's `objects` folder.
            object_format: The hash that names objects.
        """
        self._folder = objects / "pack"
        self._new_hash = hashlib.sha256 if object_format == "sha256" else hashlib.sha1
        self._folder.mkdir(parents=True, exist_ok=True)
        self._temporary = self._folder / f"tmp_pack_{uuid.uuid4().hex}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file: IO[bytes] = os.fdopen(os.open(self._temporary, flags, _MODE), "w+b", 1024**2)
        self._file.write(struct.pack(">4sLL", b"PACK", 2, 0))
        self._offset = 12
        self._entries: dict[bytes, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def write(self, kind: bytes, data: bytes) -> str:
        """Add an object and return its id; the same one twice is stored once.

        Args:
            kind: `blob`, `tree`, `commit` or `tag`.
            data: Its content without the header.
        """
        digest = self._new_hash(b"%s %d\0" % (kind, len(data)))
        digest.update(data)
        oid = digest.digest()
        if oid not in self._entries:
            entry = _entry_header(_KINDS[kind], len(data)) + zlib.compress(data, _LEVEL)
            self._file.write(entry)
            self._entries[oid] = (self._offset, zlib.crc32(entry))
            self._offset += len(entry)
        return oid.hex()

    def finish(self) -> None:
        """Give the pack and its index their names; nothing happens if it is empty."""
        if not self._entries:
            self.abandon()
            return
        checksum = self._seal()
        pack = self._folder / f"pack-{checksum.hex()}.pack"
        index = self._write_index(checksum)
        os.replace(self._temporary, pack)
        os.replace(index, pack.with_suffix(".idx"))  # git looks for indices: it comes last

    def abandon(self) -> None:
        """Throw away what was written; harmless when repeated, and after `finish`."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _seal(self) -> bytes:
        """Write the count into the header and the checksum to the end, and make it durable."""
        file = self._file
        file.flush()
        file.seek(8)
        file.write(struct.pack(">L", len(self._entries)))
        file.flush()
        file.seek(0)
        digest = self._new_hash()
        while chunk := file.read(1024**2):
            digest.update(chunk)
        file.write(digest.digest())
        file.flush()
        os.fsync(file.fileno())
        file.close()
        return digest.digest()

    def _write_index(self, checksum: bytes) -> Path:
        from dulwich.pack import write_pack_index_v2

        temporary = self._folder / f"tmp_idx_{uuid.uuid4().hex}"
        entries = [(oid, offset, crc) for oid, (offset, crc) in sorted(self._entries.items())]
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        with os.fdopen(descriptor, "wb") as stream:
            write_pack_index_v2(stream, entries, checksum)
            stream.flush()
            os.fsync(stream.fileno())
        return temporary


def _entry_header(kind: int, size: int) -> bytes:
    """The type and size of an entry: 4 bits of the size, then 7 a byte."""
    byte = (kind << 4) | (size & 0x0F)
    size >>= 4
    header = bytearray()
    while size:
        header.append(byte | 0x80)
        byte = size & 0x7F
        size >>= 7
    header.append(byte)
    return bytes(header)


class PackingRepo(GitRepo):
    """A repository whose new objects go into one pack; see `packing`."""

    def __init__(self, git: GitRepo, pack: PackWriter) -> None:
        """Share the folders of a repository that is open."""
        super().__init__(git.git_dir, git.common_dir, git.work_tree, git.object_format)
        self._loose = pack  # type: ignore[assignment]  # it is written to in the same way


@contextmanager
def packing(git: GitRepo) -> Iterator[PackingRepo]:
    """Write many objects into one pack.

    What is written can be read from `git`, the repository itself, after the block has
    ended without an error; on an error nothing of it stays.
    """
    pack = PackWriter(git.common_dir / "objects", git.object_format)
    packer = PackingRepo(git, pack)
    try:
        yield packer
        pack.finish()
    finally:
        pack.abandon()
        packer.close()
