"""S3, Google Cloud Storage and Azure Blob, through obstore.

obstore is the Rust client that fsspec's own layer for it (`obstore.fsspec`) rests
on; its makers advise to use it directly where possible, and only so can a put be
conditional.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotSupportedError, PreconditionError

from gitml.entities.artifact import Pointer
from gitml.progress import Advance
from gitml.store.cloud.failures import Help, explain, not_there
from gitml.store.cloud.place import Found
from gitml.store.incoming import Block
from gitml.store.local import ObjectStore, object_key
from gitml.store.outgoing import blocks

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Bucket

PART = 8 * 1024**2  # S3 takes no less than 5 MiB, and larger ones cost fewer requests
_MOST_PARTS = 9000  # S3 takes 10,000
_PAGE = 1000
_NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound")


class BucketPlace:
    """A bucket, and a prefix in it."""

    workers = 8
    lists_by_name = True

    def __init__(self, bucket: Bucket, prefix: str, name: str, advice: Help) -> None:
        """Take over a bucket.

        Args:
            bucket: obstore's.
            prefix: What comes before `ab/cd/<oid>`, without slashes at its ends.
            name: What messages call it.
            advice: For hints.
        """
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self.name = name
        self._advice = advice
        self._creates = True  # until it says that it knows no conditions
        self._readers = ThreadPoolExecutor(2 * self.workers, "gitml-parts")

    def _key(self, oid: str) -> str:
        return self._prefix + object_key(oid)

    @contextmanager
    def _explaining(self, oid: str | None = None, *, reading: bool = False) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as err:
            is_absent = isinstance(err, FileNotFoundError) and not _NO_BUCKET.search(str(err))
            if reading and oid is not None and is_absent:
                raise not_there(self.name, oid) from err
            raise explain(self.name, self._advice, err, oid) from err

    def size(self, oid: str) -> int | None:
        """Ask how long an object is; None if it is not there."""
        with self._explaining(oid):
            try:
                return int(obstore.head(self._bucket, self._key(oid))["size"])
            except FileNotFoundError:
                return None

    def listing(self, folder: str = "") -> Iterator[Sequence[Found]]:
        """List keys and sizes below a folder, a thousand at a time."""
        prefix = (self._prefix + folder).rstrip("/") or None
        skipped = len(self._prefix)
        with self._explaining():
            for page in obstore.list(self._bucket, prefix, chunk_size=_PAGE):
                yield [
                    (meta["path"][skipped:], meta["size"])
                    for meta in page
                    if meta["path"].startswith(self._prefix)
                ]

    def send(
        self, local: ObjectStore, pointer: Pointer, progress: Advance, *, at_once: int, replace: bool
    ) -> bool:
        """Send one object, a large one in parts."""
        key = self._key(pointer.oid)
        if pointer.size <= PART:
            data = b"".join(blocks(local, pointer, PART))
            sent = self._put(key, data, pointer, replace=replace)
            progress(pointer.size)
            return sent
        part = max(PART, -(-pointer.size // _MOST_PARTS))
        with self._explaining(pointer.oid):
            # One that is not right to its last byte ends the iteration with an error: then obstore aborts.
            obstore.put(
                self._bucket,
                key,
                blocks(local, pointer, part, progress),
                chunk_size=part,
                max_concurrency=at_once,
            )
        return True

    def _put(self, key: str, data: bytes, pointer: Pointer, *, replace: bool) -> bool:
        with self._explaining(pointer.oid):
            if self._creates and not replace:
                try:
                    obstore.put(self._bucket, key, data, mode="create", use_multipart=False)
                except (AlreadyExistsError, PreconditionError):
                    if self.size(pointer.oid) == pointer.size:
                        return False
                except NotSupportedError:
                    self._creates = False
                except BaseError as err:
                    if "501 Not Implemented" not in str(err) and "NotImplemented" not in str(err):
                        raise
                    self._creates = False
                else:
                    return True
            obstore.put(self._bucket, key, data, use_multipart=False)
        return True

    def read(self, pointer: Pointer, offset: int, *, at_once: int) -> Iterator[Block]:
        """Read an object part by part, some ahead."""
        starts = iter(range(offset, pointer.size, PART))
        waiting: deque[Future[Any]] = deque()
        try:
            for start in itertools.islice(starts, at_once):
                waiting.append(self._readers.submit(self._read_part, pointer, start))
            while waiting:
                part = waiting.popleft().result()
                for start in itertools.islice(starts, 1):
                    waiting.append(self._readers.submit(self._read_part, pointer, start))
                yield memoryview(part)
        finally:
            for future in waiting:
                future.cancel()

    def _read_part(self, pointer: Pointer, start: int) -> Any:
        length = min(PART, pointer.size - start)
        with self._explaining(pointer.oid, reading=True):
            return obstore.get_range(self._bucket, self._key(pointer.oid), start=start, length=length)

    def files(self) -> Iterator[Found]:
        """List what is there whatever its name; '' if the place is one object."""
        key = self._prefix.rstrip("/")
        if key:
            with self._explaining():
                try:
                    yield "", int(obstore.head(self._bucket, key)["size"])
                except FileNotFoundError as err:
                    if _NO_BUCKET.search(str(err)):
                        raise
                else:
                    return
        for page in self.listing():
            yield from page

    def content(self, path: str) -> Iterator[Block]:
        """Read one of the objects that `files` listed."""
        with self._explaining():
            found = obstore.get(self._bucket, (self._prefix + path).rstrip("/"))
            yield from found.stream(min_chunk_size=PART)

    def delete(self, oid: str) -> bool:
        """Remove an object; says whether it was there."""
        if self.size(oid) is None:
            return False
        with self._explaining(oid):
            try:
                obstore.delete(self._bucket, self._key(oid))
            except FileNotFoundError:
                return False
        return True

    def close(self) -> None:
        """Let go of the threads; obstore's connections end with the bucket."""
        self._readers.shutdown(cancel_futures=True)
