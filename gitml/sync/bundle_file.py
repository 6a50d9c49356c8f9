"""A bundle as a file: an uncompressed tar of a manifest, git's bundle and artifacts.

    manifest.json       what is in it, with sizes and hashes
    manifest.sha256     the hash of that, as `sha256sum --check` reads it
    runs.bundle         made by `git bundle`
    objects/<oid>       one for each artifact, in the manifest's order

The same content gives the same bytes. Reading takes plain files of the expected
names only, one by one, and never gives a name from the file to the file system.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, cast

from gitml.entities.artifact import Pointer
from gitml.errors import NotFoundError, RefusedError, UsageError
from gitml.progress import Advance
from gitml.store.local import ChecksumMismatchError
from gitml.sync.bundle_manifest import BundleDamagedError, Manifest, decode_manifest, encode_manifest

if TYPE_CHECKING:
    from typing_extensions import Self

Open = Callable[[Pointer], IO[bytes]]

_MANIFEST, _SEAL, _GIT, _OBJECTS = "manifest.json", "manifest.sha256", "runs.bundle", "objects/"
_BLOCK = 512
_CHUNK = 4 * 1024**2
_MOST_MANIFEST = 1 << 28
_END = bytes(_BLOCK)


class FileExistsHereError(RefusedError):
    """A file that would be written is there already."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"'{path}' exists", hint="choose another name, or --force to replace it")
        self.path = path


class BundleNotFoundError(NotFoundError):
    """There is no file of that name."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"there is no file '{path}'",
            hint="see whether the name is right, and the disk that it is on is mounted",
        )
        self.path = path


# Writing


def write_bundle(
    target: Path,
    temporary: Path,
    manifest: Manifest,
    git_part: Path | None,
    open_object: Open,
    progress: Advance,
) -> None:
    """Write a bundle under a temporary name, and give it its own when it is whole.

    Args:
        target: The file.
        temporary: The other name, in the same folder.
        manifest: What goes in.
        git_part: git's own bundle.
        open_object: Opens an artifact.
        progress: Called with the number of bytes done since the last call.

    Raises:
        ChecksumMismatchError: A stored artifact is damaged.
    """
    try:
        with (
            temporary.open("xb") as stream,
            tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar,
        ):
            data = encode_manifest(manifest)
            for name, content in ((_MANIFEST, data), (_SEAL, _seal(data))):
                tar.addfile(_header(name, len(content)), io.BytesIO(content))
            if git_part is not None and manifest.git is not None:
                with git_part.open("rb") as source:
                    _add(tar, _GIT, manifest.git, source, progress)
            for pointer in manifest.objects:
                with open_object(pointer) as source:
                    _add(tar, _OBJECTS + pointer.oid, pointer, source, progress)
        _sync(temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _seal(manifest: bytes) -> bytes:
    return f"{hashlib.sha256(manifest).hexdigest()}  {_MANIFEST}\n".encode()


def _add(tar: tarfile.TarFile, name: str, pointer: Pointer, source: IO[bytes], progress: Advance) -> None:
    reader = _Hashing(source, progress)
    tar.addfile(_header(name, pointer.size), cast("IO[bytes]", reader))
    if reader.digest.hexdigest() != pointer.oid:
        raise ChecksumMismatchError(pointer.oid, reader.digest.hexdigest())


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)  # no time, no owner: the same content gives the same bytes
    header.size = size
    return header


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, source: IO[bytes], progress: Advance) -> None:
        self._source = source
        self._progress = progress
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        chunk = self._source.read(size)
        self.digest.update(chunk)
        self._progress(len(chunk))
        return chunk


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


# Reading


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a bundle; `pointer` is what the manifest says it must be."""

    name: str
    pointer: Pointer
    start: int

    @property
    def is_git(self) -> bool:
        """Whether it is git's own bundle."""
        return self.name == _GIT


class BundleFile:
    """An opened bundle; a context manager.

    Attributes:
        path: Where it is.
        manifest: What it says that it holds.
    """

    def __init__(self, path: Path) -> None:
        """Open it and read what it says.

        Raises:
            BundleDamagedError: It is no bundle.
            BundleTooNewError: This gitml is too old for it.
            BundleNotFoundError: There is no such file.
            UsageError: It is a folder.
            OSError: It can't be read.
        """
        self.path = path
        if not path.exists():
            raise BundleNotFoundError(path)
        if path.is_dir():
            raise UsageError(f"'{path}' is a folder", hint="name the file that gitml bundle create wrote")
        self._stream = path.open("rb")
        try:
            self._size = os.fstat(self._stream.fileno()).st_size
            name, size = self._next() or ("", 0)
            if name != _MANIFEST or size > _MOST_MANIFEST:
                raise self._damaged("it is no bundle of gitml's")
            data = self._stream.read(size)
            self._stream.seek(self._after(self._stream.tell()))
            seal = _seal(data)
            if self._next() != (_SEAL, len(seal)) or self._stream.read(len(seal)) != seal:
                raise self._damaged("its manifest was changed")
            self._first = self._after(self._stream.tell())
            self.manifest = decode_manifest(data, path)
        except BaseException:
            self._stream.close()
            raise

    def members(self) -> Iterator[Member]:
        """Go through the files in it, which must be exactly those of the manifest.

        Raises:
            BundleDamagedError: One is missing, cut off, or not of the manifest.
        """
        manifest = self.manifest
        git = [(_GIT, manifest.git)] if manifest.git is not None else []
        at = self._first
        for name, pointer in (*git, *((_OBJECTS + pointer.oid, pointer) for pointer in manifest.objects)):
            self._stream.seek(at)
            if self._next() != (name, pointer.size):
                raise self._damaged(f"'{name}' is not where it should be")
            start = self._stream.tell()
            at = self._after(start + pointer.size)
            yield Member(name, pointer, start)
        self._stream.seek(at)
        while rest := self._stream.read(_CHUNK):
            if rest.count(0) != len(rest):
                raise self._damaged("something was added to it")
        if self._size < at + 2 * _BLOCK:
            raise self._damaged("its end is missing")

    def read(self, member: Member, offset: int = 0) -> Iterator[bytes]:
        """Read a file in it, from an offset on.

        Raises:
            BundleDamagedError: It is cut off.
        """
        self._stream.seek(member.start + offset)
        left = member.pointer.size - offset
        while left:
            chunk = self._stream.read(min(left, _CHUNK))
            if not chunk:
                raise self._damaged("its end is missing")
            left -= len(chunk)
            yield chunk

    def check(self, member: Member, progress: Advance, target: IO[bytes] | None = None) -> None:
        """Make sure that a file in it is what the manifest says.

        Args:
            member: The file.
            progress: Called with the number of bytes done since the last call.
            target: Where to copy it.

        Raises:
            BundleDamagedError: It is something else.
        """
        digest = hashlib.sha256()
        for chunk in self.read(member):
            digest.update(chunk)
            if target is not None:
                target.write(chunk)
            progress(len(chunk))
        if digest.hexdigest() != member.pointer.oid:
            raise self._damaged(f"'{member.name}' is not what was put in")

    def _next(self) -> tuple[str, int] | None:
        """Read the header of the next file: name and size; None if there is none."""
        block = self._stream.read(_BLOCK)
        if len(block) < _BLOCK or block == _END:
            return None
        try:
            header = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError):
            return None
        if header.type != tarfile.REGTYPE or header.size < 0:
            raise self._damaged("it holds something else than files")
        return header.name, header.size

    def _after(self, end: int) -> int:
        if end > self._size:
            raise self._damaged("its end is missing")
        return end + -end % _BLOCK

    def _damaged(self, reason: str) -> BundleDamagedError:
        return BundleDamagedError(self.path, reason)

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
