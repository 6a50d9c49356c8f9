"""A Git LFS server that does what it is told, two local stores, objects."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gitml.entities.artifact import Pointer
from gitml.store.lfs import LfsStore, open_lfs_store
from gitml.store.local import ObjectStore
from tests.store.lfs.proxy import cutting_proxy
from tests.store.lfs.server import LfsServer, lfs_server

# Little patience, so that what fails does so at once.
QUICK = {"lfs.transfer.maxretries": "2", "lfs.transfer.maxretrydelay": "0"}


@pytest.fixture
def server():
    with lfs_server() as running:
        yield running


@pytest.fixture
def proxy(server: LfsServer):
    with cutting_proxy(server.server_port) as running:
        yield running


@pytest.fixture
def here(tmp_path: Path):
    """The local store that objects are sent from."""
    store = ObjectStore(tmp_path / "here")
    yield store
    store.close()


@pytest.fixture
def there(tmp_path: Path):
    """An empty local store."""
    store = ObjectStore(tmp_path / "there")
    yield store
    store.close()


@pytest.fixture
def opened():
    """Open stores that are closed again: `opened(url, values, credentials)`."""
    stores: list[LfsStore] = []

    def open_(url: str, values: dict[str, str] | None = None, credentials=None, **more) -> LfsStore:
        stores.append(open_lfs_store({**QUICK, **(values or {})}, "origin", url, credentials, **more))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[..., LfsStore], server: LfsServer) -> LfsStore:
    return opened(server.url)


def keep(local: ObjectStore, count: int, size: int) -> list[Pointer]:
    return [local.put_bytes(os.urandom(size)) for _ in range(count)]


def offer(server: LfsServer, data: bytes) -> Pointer:
    """Let the server have an object."""
    oid = hashlib.sha256(data).hexdigest()
    server.objects[oid] = data
    return Pointer(oid, len(data))


def everything(store: ObjectStore) -> list[Path]:
    """All files below a store."""
    return sorted(
        path for path in store.root.parent.rglob("*") if path.is_file() and store.root in path.parents
    )
