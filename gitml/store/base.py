"""What a place that artifacts travel through must be able to do.

A remote store is another `ab/cd/<oid>` that is reached by some protocol. It works
on many objects at once, because each protocol has its own way to be quick with
many. Partial success is a result, not an exception: what could not be moved is in
`Transferred.failed`, and the caller decides what that means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gitml.entities.artifact import Pointer
from gitml.errors import GitmlError, RemoteError
from gitml.progress import Advance
from gitml.store.local import ObjectStore


@dataclass(frozen=True, slots=True)
class Failure:
    """An object that could not be moved, and why."""

    pointer: Pointer
    error: GitmlError


@dataclass(frozen=True, slots=True)
class Transferred:
    """What became of objects that were to be moved.

    Attributes:
        moved: Moved now.
        present: Were on the other side already.
        failed: Could not be moved.
    """

    moved: tuple[Pointer, ...] = ()
    present: tuple[Pointer, ...] = ()
    failed: tuple[Failure, ...] = ()

    @property
    def moved_bytes(self) -> int:
        """How much was moved."""
        return sum(pointer.size for pointer in self.moved)

    def __add__(self, other: Transferred) -> Transferred:
        return Transferred(self.moved + other.moved, self.present + other.present, self.failed + other.failed)


class RemoteStore(Protocol):
    """Objects by content, somewhere else.

    `name` is what messages call it: a URL without what it gives away of its user.

    All methods raise `RemoteError` (or a child) if the place as a whole can't be
    reached or used; trouble with single objects is in the result.
    """

    name: str

    def missing(self, pointers: Sequence[Pointer]) -> list[Pointer]:
        """Tell which objects the place lacks, or has in another size."""
        ...

    def upload(
        self, local: ObjectStore, pointers: Sequence[Pointer], progress: Advance | None = None
    ) -> Transferred:
        """Send objects that the place lacks; what is there is never sent again.

        Args:
            local: Where they are. One that neither side has is a failure (`ObjectMissingError`).
            pointers: Which ones, each once.
            progress: Called, from several threads, with the number of bytes done
                since the last call; also for what need not be sent.
        """
        ...

    def download(
        self, local: ObjectStore, pointers: Sequence[Pointer], progress: Advance | None = None
    ) -> Transferred:
        """Fetch objects that `local` lacks.

        Every byte goes through `incoming.Incoming`, which checks size and SHA-256
        before the object gets its name, and lets a broken download continue.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class ManagedStore(RemoteStore, Protocol):
    """A store in which gitml may also look around and clean up."""

    def objects(self) -> Iterator[Pointer]:
        """List what is there, with sizes."""
        ...

    def delete(self, oid: str) -> bool:
        """Remove an object; says whether it was there."""
        ...


class StoreUnreachableError(RemoteError):
    """A store can't be reached or refuses to serve us."""

    def __init__(self, name: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"artifacts can't travel through '{name}': {reason}", hint=hint)
        self.name = name
        self.reason = reason


class TransferError(RemoteError):
    """One object could not be moved."""

    def __init__(self, name: str, oid: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"object '{oid[:12]}' could not be moved through '{name}': {reason}", hint=hint)
        self.name = name
        self.oid = oid
        self.reason = reason
