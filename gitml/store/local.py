"""Objects as files, in Git LFS's layout: `lfs/objects/ab/cd/<oid>`.

An object gets its name only when it is whole, and its name is its SHA-256, so
readers never see half of one and the same content is stored once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING

from gitml.entities.artifact import Pointer
from gitml.errors import DamagedError, NotFoundError, UsageError
from gitml.progress import Advance
from gitml.store.threads import open_pool

if TYPE_CHECKING:
    from gitml.store.hash_cache import HashCache

_CHUNK = 4 * 1024**2
_PIPELINE_FROM = 2 * _CHUNK
_CACHED_FROM = 1024**2
_FICLONE = 0x40049409  # ioctl of Linux that shares blocks between files


class ObjectMissingError(NotFoundError):
    """The store does not have an object."""

    def __init__(self, oid: str, size: int | None = None) -> None:
        super().__init__(
            f"the store has no object '{oid[:12]}'" + ("" if size is None else f" ({size:,} bytes)"),
            hint="gitml pull --artifacts brings it from a remote that has it; else push it from where the run was recorded",
        )
        self.oid = oid


class ChecksumMismatchError(DamagedError):
    """Stored bytes are not those that their name promises."""

    def __init__(self, oid: str, got: str) -> None:
        super().__init__(f"object '{oid[:12]}' is damaged: its content hashes to '{got[:12]}'")
        self.expected = oid
        self.got = got


def object_key(oid: str) -> str:
    """Give an object's place in the layout that all stores have.

    Example:
        >>> object_key("ab12" + 60 * "0")[:10]
        'ab/12/ab12'

    Raises:
        DamagedError: It is no object id; nothing else ever becomes a path.
    """
    if len(oid) != 64 or not set(oid) <= set("0123456789abcdef"):
        raise DamagedError(f"'{oid[:80]}' is not a SHA-256 object id")
    return f"{oid[:2]}/{oid[2:4]}/{oid}"


class ObjectStore:
    """Content-addressed files below one folder."""

    def __init__(self, root: Path, cache: Path | None = None) -> None:
        """Name the folder that holds `objects/` and `tmp/`, and the hash cache's file."""
        self.root = root
        self._cache = cache

    @cached_property
    def _hashes(self) -> HashCache | None:
        from gitml.store.hash_cache import HashCache  # SQLite: most runs keep no file large enough

        return HashCache(self._cache) if self._cache is not None else None

    def path(self, oid: str) -> Path:
        """Where an object is, or would be."""
        return self.root / "objects" / object_key(oid)

    def has(self, oid: str, size: int | None = None) -> bool:
        """Whether the object is here (and, if `size` is given, as long as it should be)."""
        try:
            found = self.path(oid).stat()
        except FileNotFoundError:
            return False
        return size is None or found.st_size == size

    def open(self, pointer: Pointer) -> IO[bytes]:
        """Open an object for reading.

        Raises:
            ObjectMissingError: It is not here.
        """
        if not self.has(pointer.oid, pointer.size):
            raise ObjectMissingError(pointer.oid, pointer.size)
        return self.path(pointer.oid).open("rb")

    def put_file(self, source: Path, *, lfs: bool = True, progress: Advance | None = None) -> Pointer:
        """Copy a file into the store, hashing it on the way.

        Memory stays constant; a file that did not change since it was last
        stored is neither read nor copied.

        Args:
            source: The file; a symbolic link is followed.
            lfs: Which kind of pointer to return.
            progress: Called with the number of bytes done since the last call.
        """
        with source.open("rb") as stream:
            status = os.fstat(stream.fileno())
            hashes = self._hashes if status.st_size >= _CACHED_FROM else None
            known = hashes.find(source, status) if hashes else None
            if known is not None and self._is_kept(known, status.st_size):
                if progress:
                    progress(status.st_size)
                return Pointer(known, status.st_size, lfs)
            pointer = self._take(stream, status.st_size, lfs, progress)
            if hashes and pointer.size == status.st_size:
                hashes.remember(source, status, pointer.oid)
        return pointer

    def take_file(self, source: Path, *, lfs: bool = True, progress: Advance | None = None) -> Pointer:
        """Make an object of a file that its writer has no more use for; it may be hashed only, not copied.

        Args:
            source: The file, on the store's file system; nobody writes to it from now on.
            lfs: Which kind of pointer to return.
            progress: Called with the number of bytes done since the last call.
        """
        with source.open("rb") as stream, self._new_file() as (made, temporary):
            before = os.fstat(stream.fileno())
            oid, size = hash_stream(stream, progress)
            if not self._is_kept(oid, size):
                os.chmod(source, os.fstat(made.fileno()).st_mode & 0o777)  # as one that is copied
                temporary.unlink()
                try:
                    os.link(source, temporary)
                except OSError:  # not a file system with links
                    return self.put_file(source, lfs=lfs)
                if not _is_same(before, os.stat(temporary)):
                    raise UsageError(f"'{source.name}' changed while it was stored", hint="log it again")
                self._publish(temporary, oid)
        return Pointer(oid, size, lfs)

    def put_bytes(self, data: bytes, *, lfs: bool = True) -> Pointer:
        """Store bytes that are in memory."""
        oid = hashlib.sha256(data).hexdigest()
        if not self._is_kept(oid, len(data)):
            with self._new_file() as (stream, temporary):
                _write_all(stream, memoryview(data))
                self._publish(temporary, oid)
        return Pointer(oid, len(data), lfs)

    def _is_kept(self, oid: str, size: int) -> bool:
        """Whether the object is here; marks it as fresh, so that a `gitml gc` at this moment leaves it."""
        if not self.has(oid, size):
            return False
        with contextlib.suppress(PermissionError):  # it belongs to another user of a shared store
            os.utime(self.path(oid))
        return True

    def _take(self, source: IO[bytes], size: int, lfs: bool, progress: Advance | None) -> Pointer:
        with self._new_file() as (stream, temporary):
            if _reflink(source, stream):
                oid, length = hash_stream(stream, progress)
            else:
                oid, length = _copy(source, stream, size, progress)
            if not self._is_kept(oid, length):
                self._publish(temporary, oid)
        return Pointer(oid, length, lfs)

    @contextlib.contextmanager
    def _new_file(self) -> Iterator[tuple[IO[bytes], Path]]:
        folder = self.root / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f"gitml-{uuid.uuid4().hex}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        stream = os.fdopen(os.open(temporary, flags, 0o666), "w+b", buffering=0)
        try:
            with stream:
                yield stream, temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _publish(self, temporary: Path, oid: str) -> None:
        target = self.path(oid)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(temporary, target)

    def export(
        self, pointer: Pointer, target: Path, progress: Advance | None = None, *, durable: bool = False
    ) -> None:
        """Copy an object out to a new file, checking its content.

        The file appears only when it is whole and right. It shares blocks with
        the object where the file system can, never the file itself.

        Args:
            pointer: The object.
            target: The file.
            progress: Called with the number of bytes done since the last call.
            durable: Wait until the disk has it.

        Raises:
            ObjectMissingError: It is not here.
            ChecksumMismatchError: Its bytes are not what its name says.
        """
        temporary = target.with_name(f".gitml-{uuid.uuid4().hex}")
        try:
            with self.open(pointer) as source, temporary.open("x+b", buffering=0) as stream:
                if _reflink(source, stream):
                    oid, _ = hash_stream(stream, progress)
                else:
                    oid, _ = _copy(source, stream, pointer.size, progress)
                if oid != pointer.oid:
                    raise ChecksumMismatchError(pointer.oid, oid)
                if durable:
                    os.fsync(stream.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)

    def known_hash(self, path: Path, status: os.stat_result) -> str | None:
        """The hash of a file, if it was hashed before and did not change since."""
        return self._hashes.find(path, status) if self._hashes else None

    def remember_hash(self, path: Path, status: os.stat_result, oid: str) -> None:
        """Keep the hash of a file for `known_hash`; its status is from before it was read."""
        if self._hashes:
            self._hashes.remember(path, status, oid)

    def close(self) -> None:
        """Let go of the hash cache."""
        hashes = self.__dict__.pop("_hashes", None)
        if hashes is not None:
            hashes.close()


def _is_same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_ino, one.st_size, one.st_mtime_ns) == (other.st_ino, other.st_size, other.st_mtime_ns)


def hash_stream(stream: IO[bytes], progress: Advance | None = None) -> tuple[str, int]:
    """Hash a stream from its start; return its SHA-256 in hex and its length."""
    digest, length = hashlib.sha256(), 0
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    stream.seek(0)
    while count := stream.readinto(buffer):  # type: ignore[attr-defined]
        digest.update(view[:count])
        length += count
        if progress:
            progress(count)
    return digest.hexdigest(), length


def _copy(source: IO[bytes], target: IO[bytes], size: int, progress: Advance | None) -> tuple[str, int]:
    """Copy and hash the same bytes; large files do both at once on two cores."""
    digest, length = hashlib.sha256(), 0
    if size < _PIPELINE_FROM:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            _write_all(target, memoryview(chunk))
            length += len(chunk)
            if progress:
                progress(len(chunk))
        return digest.hexdigest(), length
    buffers = [bytearray(_CHUNK), bytearray(_CHUNK)]
    with open_pool(1, "gitml-hash") as hasher:
        pending = None
        while count := source.readinto(buffers[0]):  # type: ignore[attr-defined]
            view = memoryview(buffers[0])[:count]
            if pending is not None:
                pending.result()
            pending = hasher.submit(digest.update, view)
            _write_all(target, view)
            length += count
            buffers.reverse()
            if progress:
                progress(count)
        if pending is not None:
            pending.result()
    return digest.hexdigest(), length


def _write_all(target: IO[bytes], view: memoryview) -> None:
    while view:
        written = target.write(view)
        view = view[written:]


def _reflink(source: IO[bytes], target: IO[bytes]) -> bool:
    """Share the blocks where the file system can (Btrfs, XFS); False where not."""
    try:
        import fcntl

        fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
    except (ImportError, OSError):
        return False
    return True
