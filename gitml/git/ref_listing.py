"""The refs below one prefix, listed again and again at little cost.

For a registry with twenty thousand tags `git for-each-ref` takes 0.1 s, and ten times as
long while they are loose. So folders whose time of change is what it was are not looked
into again, and of the others only files are read that are new or changed.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gitml.git.repo import GitRepo

_OID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# What changed that shortly before it was looked at may change again without its time showing it.
_RACY_NS = 2_000_000_000
_Mark = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class RefChanges:
    """What changed since the refs were last read.

    Attributes:
        new: Refs that were made, or point at something else now: full name to object.
        gone: Refs that were removed, or pointed at something else before.
    """

    new: Mapping[str, str]
    gone: frozenset[str]


@dataclass(slots=True)
class _Folder:
    """A folder of loose refs as it was; `mark` is None if it has to be looked at again."""

    mark: _Mark | None
    files: dict[str, tuple[_Mark, str]] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)


class RefListing:
    """Follows the refs below a prefix, for one reader."""

    def __init__(self, git: GitRepo, prefix: str) -> None:
        """Nothing is read yet.

        Args:
            git: The repository.
            prefix: Where the refs are, `refs/…/`.
        """
        self._git = git
        self._prefix = prefix
        self._folders: dict[str, _Folder] = {}
        self._loose: dict[str, str] = {}
        self._packed_mark: _Mark | None = None
        self._packed: dict[str, str] = {}
        self._listed: dict[str, str] = {}

    def read(self) -> RefChanges:
        """Say what changed since the last call; at first that is everything."""
        if (self._git.common_dir / "reftable").is_dir():
            listed = self._by_git()
            touched = {ref for ref, _ in listed.items() ^ self._listed.items()}
        else:
            # Loose ones first: a ref that is packed meanwhile is then seen twice, never not at all.
            touched = self._read_loose()
            touched |= self._read_packed()
            listed = {}
            for ref in touched:
                oid = self._loose.get(ref) or self._packed.get(ref)
                if oid is not None:
                    listed[ref] = oid
        new: dict[str, str] = {}
        gone: set[str] = set()
        for ref in touched:
            before, now = self._listed.get(ref), listed.get(ref)
            if before == now:
                continue
            if before is not None:
                gone.add(ref)
                del self._listed[ref]
            if now is not None:
                self._listed[ref] = new[ref] = now
        return RefChanges(new, frozenset(gone))

    def _by_git(self) -> dict[str, str]:
        out = self._git.process.run(["for-each-ref", "--format=%(objectname) %(refname)", "--", self._prefix])
        pairs = (line.partition(" ")[::2] for line in out.decode("utf-8", "replace").splitlines())
        return {ref: oid for oid, ref in pairs}

    def _read_loose(self) -> set[str]:
        touched: set[str] = set()
        before, self._folders = self._folders, {}
        waiting = [self._prefix.rstrip("/")]
        while waiting:
            name = waiting.pop()
            path = self._git.common_dir / name
            found = before.get(name)
            try:
                mark = _mark(os.stat(path))
                if found is None or found.mark != mark:
                    old = found.files if found else {}
                    found = _look_into(path, name, mark, old)
                    touched |= {ref for ref, _ in found.files.items() ^ old.items()}
            except (FileNotFoundError, NotADirectoryError):
                continue
            before.pop(name, None)
            self._folders[name] = found
            waiting += found.folders
        for folder in before.values():  # what is left of them is gone
            touched |= folder.files.keys()
        for ref in touched:
            folder_now = self._folders.get(ref.rpartition("/")[0])
            one = folder_now.files.get(ref) if folder_now else None
            if one is None:
                self._loose.pop(ref, None)
            else:
                self._loose[ref] = one[1]
        return touched

    def _read_packed(self) -> set[str]:
        path = self._git.common_dir / "packed-refs"
        try:
            mark: _Mark | None = _mark(os.stat(path))
            if mark == self._packed_mark:
                return set()
            content = path.read_bytes()
        except FileNotFoundError:
            mark, content = None, b""
        # git replaces the file by a rename, so that even a change within one tick is another inode.
        self._packed_mark = mark
        before = self._packed
        prefix = re.escape(self._prefix.encode())
        lines = re.findall(rb"(?m)^([0-9a-f]{40}(?:[0-9a-f]{24})?) (%b[^\n]*)$" % prefix, content)
        self._packed = {ref.decode("utf-8", "surrogateescape"): oid.decode() for oid, ref in lines}
        return {ref for ref, _ in before.items() ^ self._packed.items()}


def _mark(status: os.stat_result) -> _Mark:
    return status.st_mtime_ns, status.st_ino, status.st_size


def _look_into(path: Path, name: str, mark: _Mark, known: Mapping[str, tuple[_Mark, str]]) -> _Folder:
    racy = time.time_ns() - mark[0] < _RACY_NS
    folder = _Folder(None if racy else mark)
    with os.scandir(path) as entries:
        for entry in entries:
            ref = f"{name}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                folder.folders.append(ref)
            elif not entry.name.endswith(".lock"):
                one = _loose(entry, known.get(ref))
                if one is not None:
                    folder.files[ref] = one
    return folder


def _loose(entry: os.DirEntry[str], known: tuple[_Mark, str] | None) -> tuple[_Mark, str] | None:
    """Read a loose ref; None if it went meanwhile, or holds no object id, as links to other refs do."""
    try:
        # A ref is written by a rename, so one that is moved is another inode.
        mark = _mark(entry.stat(follow_symlinks=False))
        if known is not None and known[0] == mark:
            return known
        with open(entry.path, "rb") as file:
            content = file.read(200).strip()
    except FileNotFoundError:
        return None
    return (mark, content.decode()) if _OID.fullmatch(content) else None
