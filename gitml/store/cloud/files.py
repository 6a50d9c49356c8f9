"""Stores that are file systems, through fsspec: WebDAV, SMB, HDFS and the like, and memory."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from gitml.entities.artifact import Pointer
from gitml.progress import Advance
from gitml.store.base import StoreUnreachableError
from gitml.store.cloud.failures import Help, explain, not_there
from gitml.store.cloud.place import Found
from gitml.store.incoming import Block
from gitml.store.local import ObjectStore, object_key
from gitml.store.outgoing import blocks

BLOCK = 1024**2


class FilePlace:
    """A folder of a file system of fsspec's.

    Such file systems show files while they are written, so an object is written by
    another name beside its own and renamed when it is whole.
    """

    lists_by_name = False

    def __init__(
        self,
        files: Any,
        root: str,
        name: str,
        advice: Help,
        *,
        workers: int = 4,
        errors: tuple[type[BaseException], ...] = (OSError,),
    ) -> None:
        """Take over a file system.

        Args:
            files: fsspec's.
            root: The folder that has `ab/`, as the file system spells it.
            name: What messages call it.
            advice: For hints.
            workers: How many requests at once are good for it.
            errors: What it raises when something goes wrong there.
        """
        self._files = files
        self._root = root.rstrip("/")
        self.name = name
        self.workers = workers
        self._advice = advice
        self._errors = errors
        self._made: set[str] = set()
        self._making = threading.Lock()

    def _path(self, oid: str) -> str:
        return f"{self._root}/{object_key(oid)}"

    @contextlib.contextmanager
    def _explaining(self, oid: str | None = None, *, reading: bool = False) -> Iterator[None]:
        try:
            yield
        except self._errors as err:
            if reading and oid is not None and isinstance(err, FileNotFoundError):
                raise not_there(self.name, oid) from err
            raise explain(self.name, self._advice, err, oid) from err

    def size(self, oid: str) -> int | None:
        """Ask how long an object is; None if it is not there."""
        with self._explaining(oid):
            try:
                found = self._files.info(self._path(oid))
            except FileNotFoundError:
                return None
        return int(found["size"]) if found["type"] == "file" else None

    def listing(self, folder: str = "") -> Iterator[Sequence[Found]]:
        """List what is directly in a folder; subfolders have size -1."""
        path = f"{self._root}/{folder}".rstrip("/")
        with self._explaining():
            try:
                entries = self._files.ls(path or "/", detail=True)
            except FileNotFoundError:
                if not folder:
                    self._require_parent()
                return
            before = f"{folder}/" if folder else ""
            yield [
                (before + str(entry["name"]).rstrip("/").rpartition("/")[2], size)
                for entry in entries
                if (size := _size(entry)) is not None
            ]

    def send(
        self, local: ObjectStore, pointer: Pointer, progress: Advance, *, at_once: int, replace: bool
    ) -> bool:
        """Write an object by another name, then rename it."""
        del at_once, replace  # files are written from front to back, and a rename replaces
        path = self._path(pointer.oid)
        folder = path.rpartition("/")[0]
        temporary = f"{folder}/.gitml-{uuid.uuid4().hex}"
        with self._explaining(pointer.oid):
            self._make(folder)
            try:
                self._write(temporary, blocks(local, pointer, BLOCK, progress))
                self._files.mv(temporary, path)
            except BaseException:
                with contextlib.suppress(*self._errors):
                    self._files.rm_file(temporary)
                raise
        return True

    def _write(self, path: str, content: Iterator[bytes]) -> None:
        with self._files.open(path, "wb") as stream:
            for block in content:
                stream.write(block)

    def _make(self, folder: str) -> None:
        with self._making:
            if folder in self._made:
                return
            if not self._made and not self._files.exists(self._root or "/"):
                self._require_parent()
            try:
                self._files.makedirs(folder, exist_ok=True)
            except OSError:
                if not self._files.isdir(folder):  # else another writer was faster
                    raise
            self._made.add(folder)

    def _require_parent(self) -> None:
        parent = self._root.rpartition("/")[0] or "/"
        if not self._files.exists(parent):
            raise StoreUnreachableError(
                self.name, f"there is no folder '{parent}'", hint="make it there, or correct the URL"
            )

    def read(self, pointer: Pointer, offset: int, *, at_once: int) -> Iterator[Block]:
        """Read an object from an offset on, in order."""
        del at_once
        path = self._path(pointer.oid)
        with self._explaining(pointer.oid, reading=True), self._files.open(path, "rb") as stream:
            yield from self._blocks(stream, offset, pointer.size)

    def _blocks(self, stream: Any, offset: int, end: int) -> Iterator[Block]:
        stream.seek(offset)
        while offset < end and (block := stream.read(min(BLOCK, end - offset))):
            offset += len(block)
            yield block

    def files(self) -> Iterator[Found]:
        """List what is there whatever its name; '' if the place is a file."""
        with self._explaining():
            try:
                found = self._files.info(self._root or "/")
            except FileNotFoundError:
                return
        if found["type"] == "file":
            yield "", int(found["size"])
            return
        folders = [""]
        while folders:
            for page in self.listing(folders.pop()):
                folders += [name for name, size in page if size < 0]
                yield from (entry for entry in page if entry[1] >= 0)

    def content(self, path: str) -> Iterator[Block]:
        """Read one of the files that `files` listed."""
        with (
            self._explaining(),
            self._files.open(f"{self._root}/{path}" if path else self._root, "rb") as stream,
        ):
            while block := stream.read(BLOCK):
                yield block

    def delete(self, oid: str) -> bool:
        """Remove an object; says whether it was there."""
        with self._explaining(oid):
            try:
                self._files.rm_file(self._path(oid))
            except FileNotFoundError:
                return False
        return True

    def close(self) -> None:
        """Let go of connections, where the file system has any that can be let go."""


def _size(entry: Any) -> int | None:
    """A file's size, -1 for a folder, None for links and what else there is."""
    if entry["type"] == "directory":
        return -1
    return int(entry["size"] or 0) if entry["type"] == "file" else None
