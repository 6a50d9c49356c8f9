"""Record files out of git, a few in process or many through two git processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gitml.errors import DamagedError
from gitml.formats.run_tree import EXPERIMENT_FILE, RECORD_FILES
from gitml.git.repo import GitRepo
from gitml.index.walk import IN_PROCESS, Commit

Files = Mapping[str, bytes]
_NAMES = {name.encode(): name for name in (*RECORD_FILES, EXPERIMENT_FILE)}
_CHUNK = 4000  # commits; one git process for their trees, one for their files


def read_record(git: GitRepo, commit: str) -> dict[str, bytes]:
    """Read the files of one record in process.

    Raises:
        DamagedError: git lacks an object.
    """
    return {
        entry.path: git.read_blob(entry.oid)
        for entry in git.list_tree(commit, recursive=False)
        if entry.path.encode() in _NAMES and not entry.is_tree
    }


def read_records(git: GitRepo, commits: Sequence[Commit]) -> Iterator[tuple[str, tuple[str, ...], Files]]:
    """Pair commits with their record files; a commit that joins histories has none.

    Raises:
        DamagedError: git lacks an object.
    """
    if len(commits) <= IN_PROCESS:
        for commit, parents in commits:
            yield commit, parents, read_record(git, commit) if len(parents) < 2 else {}
        return
    # Asking for trees and then for blobs by id spares git looking up each path: half its time.
    trees = git.cat_paths(f"{commit}^{{tree}}" for commit, parents in commits if len(parents) < 2)
    oid_size = 32 if git.object_format == "sha256" else 20
    for start in range(0, len(commits), _CHUNK):
        chunk = commits[start : start + _CHUNK]
        wanted = [
            _entries(next(trees), oid_size, commit) if len(parents) < 2 else () for commit, parents in chunk
        ]
        blobs = git.cat_paths([oid for entries in wanted for _, oid in entries])
        for (commit, parents), entries in zip(chunk, wanted, strict=True):
            yield commit, parents, {name: _present(next(blobs), commit) for name, _ in entries}


def _entries(tree: bytes | None, oid_size: int, commit: str) -> Sequence[tuple[str, str]]:
    """Find the record files in a raw tree: mode, space, name, NUL, object id, and again."""
    data = _present(tree, commit)
    found: list[tuple[str, str]] = []
    at, end = 0, len(data)
    while at < end:
        name_end = data.index(b"\0", at)
        name = _NAMES.get(data[data.index(b" ", at) + 1 : name_end])
        if name is not None and data[at : at + 2] != b"40":
            found.append((name, data[name_end + 1 : name_end + 1 + oid_size].hex()))
        at = name_end + 1 + oid_size
    return found


def _present(data: bytes | None, commit: str) -> bytes:
    if data is None:
        raise DamagedError(
            f"git lacks an object of the record '{commit}'",
            hint="git fsck names what is missing; a partial clone lacks old objects",
        )
    return data
