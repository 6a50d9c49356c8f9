"""A tree of git becomes files in a fresh folder, by reading only.

Nothing is checked out: no hook, filter, file-system monitor or submodule has a say, and
there is no `.git` in the folder. Files have the bytes that git stores, whatever
`.gitattributes` says of line ends, `$Id$` or encodings; only Git LFS pointers become
their content, where that is here. Links come last, and only those that stay within.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitml.entities.artifact import Pointer
from gitml.errors import DamagedError
from gitml.execution.sources.links import leads_out
from gitml.execution.sources.writing import HostileTreeError, NewFiles
from gitml.formats.names import is_git_folder
from gitml.formats.pointer import decode_pointer
from gitml.git.bulk import read_bulk
from gitml.git.repo import GitRepo, TreeEntryAt
from gitml.progress import Advance
from gitml.store.local import ChecksumMismatchError, ObjectStore

GITLINK, _LINK = 0o160000, 0o120000
_CHUNK = 1 << 20
_NAMED = 5  # how many paths a note names


@dataclass(frozen=True, slots=True)
class Layout:
    """What was laid out.

    Attributes:
        files: How many files and links.
        submodules: Path to commit of submodules; their folders are empty.
        notes: Sentences for the user about what was left out.
    """

    files: int
    submodules: Mapping[str, str]
    notes: tuple[str, ...] = ()


def lay_out(
    git: GitRepo,
    tree: str,
    folder: Path,
    *,
    stores: Sequence[ObjectStore] = (),
    advance: Advance = lambda _: None,
) -> Layout:
    """Write the files of a tree into a folder.

    Args:
        git: The repository that has it.
        tree: The id of the tree, or of a commit of it.
        folder: An empty folder.
        stores: Where the content of Git LFS pointers may be.
        advance: Called with the number of files done since the last call.

    Raises:
        HostileTreeError: A path would leave the folder, or two are one on this disk.
        DamagedError: git lacks a part of the tree.
        ChecksumMismatchError: The content of a pointer is damaged.
    """
    entries = list_files(git, tree)
    submodules = {entry.path: entry.oid for entry in entries if entry.mode == GITLINK}
    blobs = [entry for entry in entries if entry.mode != GITLINK]
    lfs = _Lfs(stores if _uses_lfs(git, blobs) else None)
    links: dict[str, str] = {}
    with NewFiles(folder) as files:
        for path in submodules:
            files.folder(path)
        for entry, found in zip(blobs, read_bulk(git.process, [blob.oid for blob in blobs]), strict=True):
            if found is None:
                raise DamagedError(
                    f"git lacks the file '{entry.path}' of the code", hint="git fsck names what is missing"
                )
            if entry.mode == _LINK:
                links[entry.path] = os.fsdecode(found[1])
            else:
                content = lfs.content(entry.path, found[1])
                files.file(entry.path, content, executable=bool(entry.mode & stat.S_IXUSR))
            advance(1)
        out = [path for path, said in links.items() if "\0" in said or leads_out(path, links, submodules)]
        for path in links.keys() - set(out):
            files.link(path, links[path])
    notes = [_note(out, "leads out of the code and was left out", "lead out of the code and were left out")]
    notes += [
        _note(
            lfs.missing,
            "is a Git LFS pointer whose content is not here",
            "are Git LFS pointers whose content is not here",
        )
    ]
    return Layout(len(blobs) - len(out), submodules, tuple(note for note in notes if note))


def list_files(git: GitRepo, tree: str) -> list[TreeEntryAt]:
    """List what is in a tree and all below it, folders left out.

    Raises:
        HostileTreeError: A path could leave the folder, or is git's own.
        DamagedError: git lacks a part of it.
    """
    status, out, err = git.process.run_status(["ls-tree", "-r", "-z", "--full-tree", tree])
    if status != 0:
        reason = (err.strip().splitlines() or ["git gave no reason"])[-1].removeprefix("fatal: ")
        raise DamagedError(f"the code can't be read: {reason}", hint="git fsck names what is missing")
    entries = []
    for line in out.split(b"\0")[:-1]:
        facts, _, path = line.partition(b"\t")
        mode, _, oid = facts.decode("ascii").split(" ")
        entries.append(TreeEntryAt(_checked(os.fsdecode(path)), int(mode, 8), oid))
    return entries


def _checked(path: str) -> str:
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise HostileTreeError(path, "leads out of its folder")
        if is_git_folder(part):
            raise HostileTreeError(path, "is in a folder that git keeps for itself")
    return path


class _Lfs:
    """Content of Git LFS pointers."""

    def __init__(self, stores: Sequence[ObjectStore] | None) -> None:
        """Say where it may be; None: what looks like a pointer is none."""
        self._stores = stores
        self.missing: list[str] = []

    def content(self, path: str, data: bytes) -> Iterable[bytes]:
        """Give what the file shall hold: the content that it points at, or else what git has."""
        pointer = decode_pointer(data) if self._stores is not None else None
        if pointer is None or not pointer.lfs:
            return (data,)
        store = next((one for one in self._stores or () if one.has(pointer.oid, pointer.size)), None)
        if store is None:
            self.missing.append(path)
            return (data,)
        return _read(store, pointer)


def _uses_lfs(git: GitRepo, blobs: Sequence[TreeEntryAt]) -> bool:
    """Whether the code has files of Git LFS at all: one that tells of pointers may hold examples of them."""
    found = [blob.oid for blob in blobs if blob.path.rpartition("/")[2] == ".gitattributes"]
    return any(one is not None and b"filter=lfs" in one[1] for one in read_bulk(git.process, found))


def _read(store: ObjectStore, pointer: Pointer) -> Iterator[bytes]:
    digest = hashlib.sha256()
    with store.open(pointer) as stream:
        while block := stream.read(_CHUNK):
            digest.update(block)
            yield block
    if digest.hexdigest() != pointer.oid:
        raise ChecksumMismatchError(pointer.oid, digest.hexdigest())


def _note(paths: Sequence[str], one: str, several: str) -> str | None:
    if not paths:
        return None
    named = ", ".join(f"'{path}'" for path in paths[:_NAMED])
    more = f" and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else ""
    return f"{named}{more} {one if len(paths) == 1 else several}"
