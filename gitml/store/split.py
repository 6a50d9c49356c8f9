"""A remote whose objects are sent to one place and fetched from another."""

from __future__ import annotations

from collections.abc import Sequence

from gitml.entities.artifact import Pointer
from gitml.progress import Advance
from gitml.store.base import RemoteStore, Transferred
from gitml.store.local import ObjectStore


class SplitStore(RemoteStore):
    """Two stores as one; what is missing is what can't be fetched."""

    def __init__(self, download: RemoteStore, upload: RemoteStore) -> None:
        """Say which; both are closed with it."""
        self.name = upload.name
        self._download = download
        self._upload = upload

    def missing(self, pointers: Sequence[Pointer]) -> list[Pointer]:
        """Tell which objects can't be fetched."""
        return self._download.missing(pointers)

    def upload(
        self, local: ObjectStore, pointers: Sequence[Pointer], progress: Advance | None = None
    ) -> Transferred:
        """Send objects to where they are sent."""
        return self._upload.upload(local, pointers, progress)

    def download(
        self, local: ObjectStore, pointers: Sequence[Pointer], progress: Advance | None = None
    ) -> Transferred:
        """Fetch objects from where they are fetched."""
        return self._download.download(local, pointers, progress)

    def close(self) -> None:
        """Let go of both."""
        self._download.close()
        self._upload.close()
