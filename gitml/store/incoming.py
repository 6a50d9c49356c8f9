"""An object on its way in: kept in part, checked as a whole.

What has arrived stays in `tmp/gitml-part-<oid>` when a download breaks off, and the
next one continues behind it. The bytes get their name only after size and SHA-256
were found right, so neither a broken nor a hostile server can put anything else
under it, or write anywhere else.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from gitml.entities.artifact import Pointer
from gitml.errors import DamagedError, RefusedError
from gitml.progress import Advance
from gitml.store.local import ObjectStore

if TYPE_CHECKING:
    from typing_extensions import Self

Block = bytes | bytearray | memoryview

PART_PREFIX = "gitml-part-"
_CHUNK = 4 * 1024**2
_NO_ROOM = "make room in the repository's lfs folder and run the command again; it goes on from here"
_NO_RIGHT = "make the repository's lfs folder writable, or work in a clone that is yours"


class WrongContentError(DamagedError):
    """What arrived is not what the pointer promised; nothing of it was kept."""

    def __init__(self, pointer: Pointer, found: str) -> None:
        super().__init__(
            f"object '{pointer.oid[:12]}' ({pointer.size:,} bytes) arrived wrong: {found}",
            hint="nothing of it was kept; the store it came from is damaged or not to be trusted",
        )
        self.pointer = pointer
        self.found = found


class NotWritableError(RefusedError):
    """This side has no room for what arrives, or may not keep it."""

    def __init__(self, pointer: Pointer, error: OSError) -> None:
        super().__init__(
            f"object '{pointer.oid[:12]}' ({pointer.size:,} bytes) can't be kept here: {error.strerror or error}",
            hint=_NO_RIGHT if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM) else _NO_ROOM,
        )
        self.pointer = pointer
        self.reason = error


@contextlib.contextmanager
def _writing(pointer: Pointer) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise NotWritableError(pointer, err) from err


class Incoming:
    """One object being received; a context manager.

    Use: read `offset`, ask the other side for the bytes from there on (or call
    `restart` if it can only send all), `write` them, then `finish`. Leaving without
    `finish` keeps what came for the next attempt.

    Attributes:
        pointer: What it must turn out to be.
        offset: How many bytes are here already.
    """

    def __init__(self, local: ObjectStore, pointer: Pointer) -> None:
        """Open the part; of two processes with the same object the second one begins its own.

        Args:
            local: The store that the object goes into.
            pointer: The object.
        """
        self._local = local
        self.pointer = pointer
        self._target = local.path(pointer.oid)  # refuses what is no object id
        folder = local.root / "tmp"
        self._path = folder / f"{PART_PREFIX}{pointer.oid}"
        self._digest = hashlib.sha256()
        self.offset = 0
        with _writing(pointer):
            folder.mkdir(parents=True, exist_ok=True)
            self._fd = self._open()
            self._read_what_is_here()

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        fd = os.open(self._path, flags, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._is_still(fd):
                return fd
        except BlockingIOError:  # another process receives the same object
            pass
        os.close(fd)
        self._path = self._path.with_name(f"{self._path.name}-{os.getpid()}-{id(self):x}")
        fd = os.open(self._path, flags | os.O_EXCL, 0o666)
        fcntl.flock(fd, fcntl.LOCK_EX)
        return fd

    def _is_still(self, fd: int) -> bool:
        """Whether the part is what we opened: another process may have given it its name just now."""
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self._path, follow_symlinks=False))
        except FileNotFoundError:
            return False

    def _read_what_is_here(self) -> None:
        if os.fstat(self._fd).st_size > self.pointer.size:
            os.ftruncate(self._fd, 0)
        while chunk := os.read(self._fd, _CHUNK):
            self._digest.update(chunk)
            self.offset += len(chunk)

    def restart(self) -> None:
        """Forget what is here: the other side sends everything again."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self._digest = hashlib.sha256()
        self.offset = 0

    def write(self, chunk: Block) -> None:
        """Take the next bytes.

        Raises:
            WrongContentError: There are more than the pointer promised.
        """
        view = memoryview(chunk)
        if self.offset + len(view) > self.pointer.size:
            self.discard()
            raise WrongContentError(self.pointer, "it is longer")
        self._digest.update(view)
        self.offset += len(view)
        with _writing(self.pointer):
            while view:
                view = view[os.write(self._fd, view) :]

    def finish(self) -> None:
        """Check the whole and give it its name.

        Raises:
            WrongContentError: Size or content are not what the pointer promised.
        """
        if self.offset != self.pointer.size:
            # Too short is what a broken connection looks like: keep it, the next attempt goes on.
            raise WrongContentError(self.pointer, f"only {self.offset:,} bytes came")
        found = self._digest.hexdigest()
        if found != self.pointer.oid:
            self.discard()
            raise WrongContentError(self.pointer, f"its content hashes to '{found[:12]}'")
        with _writing(self.pointer):
            os.fsync(self._fd)
            self._target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self._path, self._target)

    def discard(self) -> None:
        """Remove what is here, so that nobody continues it."""
        self.restart()
        self._unlink()

    def _unlink(self) -> None:
        if self._is_still(self._fd):  # else another process has begun its own by this name
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the part; an empty one goes."""
        if self._fd < 0:
            return
        if self.offset == 0:
            self._unlink()
        os.close(self._fd)
        self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def receive(
    local: ObjectStore,
    pointer: Pointer,
    read: Callable[[int], Iterable[Block]],
    progress: Advance | None = None,
) -> bool:
    """Receive one object, going on where an earlier attempt broke off.

    Args:
        local: The store that it goes into.
        pointer: The object.
        read: Gives its bytes from an offset on. What it raises passes through;
            what came before is kept for the next attempt.
        progress: Called with the number of bytes done since the last call.

    Returns:
        Whether it had to be fetched: False if it was here.

    Raises:
        WrongContentError: What came is not what the pointer promised.
        NotWritableError: There is no room, or no right to write.
    """
    tell = progress or (lambda _: None)
    if local.has(pointer.oid, pointer.size):
        tell(pointer.size)
        return False
    with Incoming(local, pointer) as incoming:
        kept = incoming.offset
        tell(kept)
        try:
            _receive_rest(incoming, read, tell)
        except WrongContentError:
            if not kept or incoming.offset:  # there was nothing old to blame, or it is only short
                raise
        else:
            return True
    # What an earlier attempt left may be what was wrong; of these bytes progress was told already.
    with Incoming(local, pointer) as incoming:
        _receive_rest(incoming, read, lambda _: None)
    return True


def _receive_rest(incoming: Incoming, read: Callable[[int], Iterable[Block]], tell: Advance) -> None:
    if incoming.offset < incoming.pointer.size:
        for block in read(incoming.offset):
            incoming.write(block)
            tell(len(block))
    incoming.finish()
