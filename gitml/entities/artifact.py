"""Files that a run keeps, and the pointers that stand in for large ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pointer:
    """The text in git that stands in for an object.

    `oid` is the SHA-256 of the content, 64 lower-case hex digits; `size` its
    length in bytes. `lfs` tells a Git LFS pointer from gitml's own kind, which
    stands for content that travels through another store.
    """

    oid: str
    size: int
    lfs: bool = True


@dataclass(frozen=True, slots=True)
class Purge:
    """What a run says of an object whose bytes were dropped for good."""

    oid: str
    time_ms: int
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a run.

    `path` is relative to the run's `artifacts/`, with '/' between parts.
    `size` is that of the content, also where a pointer stands in for it.
    `blob` is the git object id (None while the run is live). `purged` says why
    the content can't be had any more, if it was dropped for good.
    """

    path: str
    size: int
    pointer: Pointer | None = None
    blob: str | None = None
    purged: Purge | None = None
