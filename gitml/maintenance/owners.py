"""Objects that are not gitml's to remove: the store is shared with Git LFS.

Two questions, each on the safe side. Of an object that no run needs: does git hold any
pointer to it, reachable or not? Then it stays, as whatever made that pointer may want
it: a branch, a stash, the staging area, a commit that only the reflog knows. Of one
that runs have: do the user's own files have it too?
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from gitml.formats.pointer import MAX_BYTES, decode_pointer
from gitml.git.repo import GitRepo
from gitml.repo import Repo
from gitml.sync.inspect_objects import GitStoppedError, Objects
from gitml.sync.partial import completeness
from gitml.sync.seen import list_refs

_SHORTEST = 100  # bytes of a pointer
_GITML = ("refs/heads/gitml/", "refs/gitml/", "refs/tags/gitml/")
_BATCH = 500  # refs whose reflogs one git process reads


def why_not_ours(repo: Repo) -> str | None:
    """Say why nobody can tell here which objects nothing needs; None if it can be told."""
    if repo.settings.lfs_storage is not None:
        return "lfs.storage is set: other repositories may keep their objects there too"
    if completeness(repo).promisors:
        return "a partial clone lacks files that may point at them"
    return None


def pointed_at(git: GitRepo) -> set[str]:
    """Find the objects that any file in git's object store points at, reachable or not.

    Raises:
        GitStoppedError: An object can't be read, so the answer would not be whole.
    """
    out = git.process.run(
        [
            "cat-file", "--batch-all-objects", "--unordered",
            "--batch-check=%(objectname) %(objecttype) %(objectsize)",
        ]
    )  # fmt: skip
    return set(_pointers_among(git, _small_blobs(out)))


def _small_blobs(out: bytes) -> Iterator[str]:
    for line in out.decode().splitlines():
        oid, _, rest = line.partition(" ")
        kind, _, size = rest.partition(" ")
        if not size:
            raise GitStoppedError(oid)
        if kind == "blob" and _SHORTEST <= int(size) < MAX_BYTES:
            yield oid


def _pointers_among(git: GitRepo, blobs: Iterable[str]) -> Iterator[str]:
    for found in Objects(git).read(blobs):
        pointer = decode_pointer(found[1]) if found is not None else None
        if pointer is not None:
            yield pointer.oid


def used_by_files(repo: Repo) -> set[str]:
    """Find the objects that the user's own files point at: branches, tags, stash, staging area, reflog."""
    git = repo.git
    tips = [*_own_refs(repo).values(), *_heads(git), *_logged(repo)]
    known = [oid for oid in dict.fromkeys(tips) if git.has_object(oid)]
    out = git.process.run(
        ["rev-list", "--objects", "--no-object-names", "--missing=allow-any", "--indexed-objects", "--stdin"],
        input="".join(f"{oid}\n" for oid in known).encode(),
    )
    oids = out.decode().split()
    sizes = zip(oids, Objects(git).sizes(oids), strict=True)
    small = [
        oid
        for oid, found in sizes
        if found is not None and found[0] == "blob" and _SHORTEST <= found[1] < MAX_BYTES
    ]
    return set(_pointers_among(git, small))


def _own_refs(repo: Repo) -> dict[str, str]:
    return {
        ref: oid
        for ref, oid in list_refs(repo).items()
        if not ref.startswith(_GITML) and not (ref.startswith("refs/remotes/") and "/gitml/" in ref)
    }


def _heads(git: GitRepo) -> Iterator[str]:
    """What is checked out here and in every linked work tree."""
    worktrees = git.common_dir / "worktrees"
    names = sorted(folder.name for folder in worktrees.iterdir()) if worktrees.is_dir() else []
    for name in ("HEAD", "main-worktree/HEAD", *(f"worktrees/{name}/HEAD" for name in names)):
        found = git.resolve_commit(name)
        if found is not None:
            yield found


def _logged(repo: Repo) -> Iterator[str]:
    """Where the user's refs stood, as far as the reflog remembers; stashes are kept so."""
    logs = repo.git.common_dir / "logs"
    logged = [ref for ref in ("HEAD", *_own_refs(repo)) if Path(logs, ref).is_file()]
    for start in range(0, len(logged), _BATCH):
        out = repo.git.process.run(
            ["rev-list", "--walk-reflogs", *logged[start : start + _BATCH]], check=False
        )
        yield from out.decode().split()
