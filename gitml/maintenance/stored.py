"""The objects that are in the local store."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from gitml.entities.artifact import Pointer
from gitml.repo import Repo
from gitml.store.base import ManagedStore, RemoteStore
from gitml.store.folder import FolderStore


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in the local store, and when it was last written or used."""

    oid: str
    size: int
    changed_s: float


def stored_objects(repo: Repo) -> Iterator[Pointer]:
    """List the objects that are here, Git LFS's own among them."""
    return FolderStore(repo.objects.root / "objects", "the local store").objects()


def status_of(repo: Repo, oid: str) -> Stored | None:
    """Look at one object; None if it is not here."""
    try:
        found = repo.objects.path(oid).lstat()
    except FileNotFoundError:
        return None
    return Stored(oid, found.st_size, found.st_mtime) if stat.S_ISREG(found.st_mode) else None


def remove_object(repo: Repo, oid: str, *, unless_since_s: float | None = None) -> bool:
    """Remove an object from the local store.

    Args:
        repo: The repository.
        oid: The object.
        unless_since_s: Leave it if it was written or used after this time.

    Returns:
        Whether it was removed.
    """
    found = status_of(repo, oid)
    if found is None or (unless_since_s is not None and found.changed_s > unless_since_s):
        return False
    os.unlink(repo.objects.path(oid))
    return True


def managed(store: RemoteStore) -> ManagedStore | None:
    """Give a store as one that can remove objects; None if it can't, as a Git LFS server."""
    return store if hasattr(store, "delete") else None  # type: ignore[return-value]
