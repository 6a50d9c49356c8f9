"""An object on its way out: checked before its last byte is given away.

So a place that takes an object only when it is whole never takes a damaged one,
and nothing is read twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from gitml.entities.artifact import Pointer
from gitml.errors import DamagedError
from gitml.progress import Advance
from gitml.store.local import ChecksumMismatchError, ObjectStore


class UnreadableError(DamagedError):
    """An object is here and can't be read."""

    def __init__(self, pointer: Pointer, error: OSError) -> None:
        super().__init__(
            f"object '{pointer.oid[:12]}' can't be read here: {error.strerror or error}",
            hint="check the disk and the rights in the repository's lfs folder",
        )
        self.pointer = pointer
        self.reason = error


def blocks(
    local: ObjectStore, pointer: Pointer, size: int, progress: Advance | None = None
) -> Iterator[bytes]:
    """Read an object block by block; the last one comes only if all of it is right.

    Args:
        local: Where the object is.
        pointer: The object.
        size: Bytes in each block but the last.
        progress: Called with the number of bytes in each block when the next one is asked for.

    Raises:
        ObjectMissingError: It is not here.
        ChecksumMismatchError: Its bytes are not what its name says.
        UnreadableError: The disk says no.
    """
    digest, left = hashlib.sha256(), pointer.size
    try:
        with local.open(pointer) as stream:
            while block := stream.read(min(size, left)):
                digest.update(block)
                left -= len(block)
                if left == 0:
                    _check(pointer, digest.hexdigest())
                yield block
                if progress is not None:
                    progress(len(block))
    except OSError as err:
        raise UnreadableError(pointer, err) from err
    if left or not pointer.size:  # somebody cut it short meanwhile, or nothing was checked yet
        _check(pointer, digest.hexdigest())


def _check(pointer: Pointer, found: str) -> None:
    if found != pointer.oid:
        raise ChecksumMismatchError(pointer.oid, found)
