"""What one kind of store can do with keys; all that is common to them is in `store`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from gitml.entities.artifact import Pointer
from gitml.progress import Advance
from gitml.store.incoming import Block
from gitml.store.local import ObjectStore

Found = tuple[str, int]


class Place(Protocol):
    """A bucket or folder somewhere else, and the `ab/cd/<oid>` below it.

    Everything that goes wrong is raised as a `GitmlError`: as a
    `StoreUnreachableError` if it would go wrong for the next object too.

    Attributes:
        name: What messages call it.
        workers: How many requests at once are good for it.
        lists_by_name: Whether one request lists a thousand objects, however deep.
    """

    name: str
    workers: int
    lists_by_name: bool

    def size(self, oid: str) -> int | None:
        """Ask how long an object is; None if it is not there."""
        ...

    def listing(self, folder: str = "") -> Iterator[Sequence[Found]]:
        """List keys and sizes below a folder (`""`, `ab` or `ab/cd`), page by page.

        Where `lists_by_name` is false only what is directly in it: subfolders have size -1.
        """
        ...

    def send(
        self, local: ObjectStore, pointer: Pointer, progress: Advance, *, at_once: int, replace: bool
    ) -> bool:
        """Send one object.

        Args:
            local: Where it is.
            pointer: The object.
            progress: Called with the number of bytes done since the last call.
            at_once: How many parts may be on their way at once.
            replace: Whether something wrong is there by its name.

        Returns:
            False if somebody else has put it there meanwhile.
        """
        ...

    def read(self, pointer: Pointer, offset: int, *, at_once: int) -> Iterator[Block]:
        """Read an object from an offset on, up to the size that it should have."""
        ...

    def files(self) -> Iterator[Found]:
        """List what is there whatever its name: the files below with paths and sizes; '' if the place is a file."""
        ...

    def content(self, path: str) -> Iterator[Block]:
        """Read one of the files that `files` listed."""
        ...

    def delete(self, oid: str) -> bool:
        """Remove an object; says whether it was there."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
