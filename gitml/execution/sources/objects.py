"""A tree of one repository becomes part of another one's objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, cast

from gitml.errors import DamagedError, RefusedError
from gitml.git.bulk import measure_bulk
from gitml.git.repo import GitRepo
from gitml.git.unpack import unpack
from gitml.repo import Repo
from gitml.sync.partial import completeness

_PIECE = 1 << 20


class OtherHashError(RefusedError):
    """Code of a repository with one kind of object ids can't be kept in one of another kind."""

    def __init__(self, theirs: str, ours: str) -> None:
        super().__init__(
            f"the code is in a repository with {theirs} object ids, runs are recorded in one with {ours}",
            hint=f"record in a repository made by: git init --object-format={theirs}",
        )


def bring_tree(source: GitRepo, repo: Repo, tree: str) -> int:
    """Copy a tree and all below it into a repository; no commit, ref or file of the user's changes.

    Args:
        source: The repository that has it.
        repo: The repository that needs it.
        tree: The tree's object id.

    Returns:
        How many objects were not there before.

    Raises:
        OtherHashError: The two have different kinds of ids.
        UnsoundPackError: An object is malformed.
    """
    target = repo.git
    if source.common_dir == target.common_dir:
        return 0
    if source.object_format != target.object_format:
        raise OtherHashError(source.object_format, target.object_format)
    listed = source.process.run(["rev-list", "--objects", "--no-object-names", tree]).decode().split()
    is_partial = bool(completeness(repo).promisors)
    if is_partial:  # git would ask the remote for each of them
        missing = [oid for oid in listed if not target.has_object(oid)]
    else:
        found = measure_bulk(target.process, listed)
        missing = [oid for oid, known in zip(listed, found, strict=True) if known is None]
    if missing:
        unpack(target.process, _packed(source, missing), links=not is_partial)
        target.close()  # what it knows of packs is from before
    return len(missing)


def _packed(source: GitRepo, oids: Sequence[str]) -> Iterator[bytes]:
    """Make a pack of these objects, piece by piece."""
    import threading

    running = source.process.start(["pack-objects", "--stdout", "-q"])
    stdin, stdout, stderr = (
        cast("IO[bytes]", one) for one in (running.stdin, running.stdout, running.stderr)
    )
    told: list[bytes] = []
    reader = threading.Thread(target=lambda: told.append(stderr.read()), daemon=True)
    reader.start()
    try:
        with stdin:  # git reads all of it before it writes
            stdin.write("".join(f"{oid}\n" for oid in oids).encode())
        yield from iter(lambda: stdout.read(_PIECE), b"")
    finally:
        stdout.close()
        running.wait()
        reader.join()
        stderr.close()
    if running.returncode != 0:
        reason = b"".join(told).decode("utf-8", "replace").strip().splitlines()
        raise DamagedError(
            f"the code can't be read: {reason[-1] if reason else 'git gave no reason'}",
            hint="git fsck names what is damaged",
        )
