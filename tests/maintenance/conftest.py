"""The shared repository and clones of the tests of sync, and what to look at objects with."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from gitml.entities.artifact import Pointer
from gitml.formats.pointer import encode_pointer
from gitml.store.local import object_key
from tests.sync.conftest import clone, server  # noqa: F401 - fixtures

LONG_AGO = time.time() - 60 * 86_400


def content(number: int) -> bytes:
    """A large file's content; another number, another content."""
    return bytes([number]) * 120_000 + os.fsencode(str(number))


def oid_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def stored(common: Path, data: bytes) -> Path:
    """Where an object is, or would be."""
    return common / "lfs/objects" / object_key(oid_of(data))


def put(common: Path, data: bytes, *, old: bool = True) -> Path:
    """Put an object into a store, as git-lfs does."""
    path = stored(common, data)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if old:
        age(path)
    return path


def age(*paths: Path) -> None:
    for path in paths:
        os.utime(path, (LONG_AGO, LONG_AGO))


def pointer_to(data: bytes) -> bytes:
    return encode_pointer(Pointer(oid_of(data), len(data)))


@pytest.fixture
def ada(clone):  # noqa: F811
    return clone("ada")


@pytest.fixture
def bob(clone):  # noqa: F811
    return clone("bob")
