"""What is common to all stores that are reached by a protocol."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gitml.entities.artifact import Pointer
from gitml.progress import Advance
from gitml.store.base import Transferred
from gitml.store.cloud.lookup import sizes
from gitml.store.cloud.place import Place
from gitml.store.incoming import receive
from gitml.store.local import ObjectStore, object_key
from gitml.store.moving import Stopping, move_all

_KEY = re.compile("([0-9a-f]{2})/([0-9a-f]{2})/(\\1\\2[0-9a-f]{60})")
_FOLDER = re.compile("[0-9a-f]{2}(/[0-9a-f]{2})?")
_PARTS = 8  # on their way at once, of all objects together: this is what memory is needed for
_PARTS_OF_ONE = 4


class CloudStore:
    """Objects in a place by the layout `ab/cd/<oid>`."""

    def __init__(self, place: Place) -> None:
        """Take over a place, closing included."""
        self._place = place
        self.name = place.name

    def missing(self, pointers: Sequence[Pointer]) -> list[Pointer]:
        """Tell which objects the place lacks, or has in another size; of none, whether it is there at all."""
        found = sizes(self._place, pointers)
        lacking = [pointer for pointer in pointers if found.get(pointer.oid) != pointer.size]
        if not found:
            # Asked for one object, a bucket that is not there looks like one that is empty.
            next(self._place.listing(), None)
        return lacking

    def upload(
        self, local: ObjectStore, pointers: Sequence[Pointer], progress: Advance | None = None
    ) -> Transferred:
        """Send objects that the place lacks; a damaged one is not sent."""
        stopping = Stopping(progress)
        found = sizes(self._place, pointers)
        present = [pointer for pointer in pointers if found.get(pointer.oid) == pointer.size]
        for pointer in present:
            stopping(pointer.size)
        absent = [pointer for pointer in pointers if found.get(pointer.oid) != pointer.size]
        at_once = self._parts_at_once(absent)

        def send(pointer: Pointer) -> bool:
            return self._place.send(local, pointer, stopping, at_once=at_once, replace=pointer.oid in found)

        moved = move_all(absent, send, workers=self._place.workers, stopping=stopping)
        return Transferred(present=tuple(present)) + moved

    def download(
        self, local: ObjectStore, pointers: Sequence[Pointer], progress: Advance | None = None
    ) -> Transferred:
        """Fetch objects that `local` lacks, going on where an earlier attempt broke off."""
        stopping = Stopping(progress)
        at_once = self._parts_at_once(pointers)

        def fetch(pointer: Pointer) -> bool:
            return receive(
                local, pointer, lambda offset: self._place.read(pointer, offset, at_once=at_once), stopping
            )

        return move_all(pointers, fetch, workers=self._place.workers, stopping=stopping)

    def objects(self) -> Iterator[Pointer]:
        """List what is there; what has no object's name or place is passed over."""
        folders = [""]
        while folders:
            for page in self._place.listing(folders.pop()):
                for key, size in page:
                    named = _KEY.fullmatch(key)
                    if named and size >= 0:
                        yield Pointer(named[3], size)
                    elif size < 0 and _FOLDER.fullmatch(key):
                        folders.append(key)

    def delete(self, oid: str) -> bool:
        """Remove an object; says whether it was there."""
        object_key(oid)  # refuses what is no object id
        return self._place.delete(oid)

    def close(self) -> None:
        """Let go of connections."""
        self._place.close()

    def _parts_at_once(self, pointers: Sequence[Pointer]) -> int:
        objects = min(len(pointers), self._place.workers) or 1
        return min(_PARTS_OF_ONE, _PARTS // objects) or 1
