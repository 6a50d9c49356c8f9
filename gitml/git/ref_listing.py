"""The refs below one prefix, listed again and again at little cost.

For a registry with twenty thousand tags `git for-each-ref` takes 0.1 s, and ten times as
long while they are loose. So folders whose time of change is what it was are not looked
into again, and of the others only files are read that are new or changed.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gitml.git.repo import GitRepo

_OID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# What changed that shortly before it was looked at may change again without its time showing it.
_RACY_NS = 2_000_000_000
_Mark = tuple[int, int, int]


@dataclass(slots=True)
class _Folder:
    """A folder of loose refs as it was; `mark` is None if it has to be looked at again."""

    mark: _Mark | None
    files: dict[str, tuple[_Mark, str]] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)


class RefListing:
    """Lists the refs below a prefix; safe to share between threads."""

    def __init__(self, git: GitRepo, prefix: str) -> None:
        """Nothing is read yet.

        Args:
            git: The repository.
            prefix: Where the refs are, `refs/…/`.
        """
        self._git = git
        self._prefix = prefix
        self._lock = threading.Lock()
        self._folders: dict[str, _Folder] = {}
        self._packed_mark: _Mark | None = None
        self._packed: dict[str, str] = {}
        self._listed: dict[str, str] = {}
        self._fresh = False

    def read(self) -> dict[str, str]:
        """List the refs: full name to what it points at. The same object if nothing changed."""
        with self._lock:
            if (self._git.common_dir / "reftable").is_dir():
                listed = self._by_git()
                if listed != self._listed:
                    self._listed = listed
                return self._listed
            # Loose ones first: a ref that is packed meanwhile is then seen twice, never not at all.
            changed = self._read_loose()
            changed |= self._read_packed()
            if changed or not self._fresh:
                loose = {
                    ref: oid for folder in self._folders.values() for ref, (_, oid) in folder.files.items()
                }
                self._listed = {**self._packed, **loose}
                self._fresh = True
            return self._listed

    def _by_git(self) -> dict[str, str]:
        out = self._git.process.run(["for-each-ref", "--format=%(objectname) %(refname)", "--", self._prefix])
        pairs = (line.partition(" ")[::2] for line in out.decode("utf-8", "replace").splitlines())
        return {ref: oid for oid, ref in pairs}

    def _read_loose(self) -> bool:
        changed = False
        before, self._folders = self._folders, {}
        waiting = [self._prefix.rstrip("/")]
        while waiting:
            name = waiting.pop()
            path = self._git.common_dir / name
            found = before.pop(name, None)
            try:
                mark = _mark(os.stat(path))
                if found is None or found.mark != mark:
                    folder = _look_into(path, name, mark, found)
                    changed |= found is None or folder.files != found.files
                    found = folder
            except (FileNotFoundError, NotADirectoryError):
                changed |= found is not None
                continue
            self._folders[name] = found
            waiting += found.folders
        return changed or bool(before)

    def _read_packed(self) -> bool:
        path = self._git.common_dir / "packed-refs"
        try:
            mark: _Mark | None = _mark(os.stat(path))
            if mark == self._packed_mark:
                return False
            content = path.read_bytes()
        except FileNotFoundError:
            mark, content = None, b""
        packed = dict(_packed_below(content, self._prefix.encode()))
        # git replaces the file by a rename, so that even a change within one tick is another inode.
        self._packed_mark = mark
        changed = packed != self._packed
        self._packed = packed
        return changed


def _mark(status: os.stat_result) -> _Mark:
    return status.st_mtime_ns, status.st_ino, status.st_size


def _look_into(path: Path, name: str, mark: _Mark, before: _Folder | None) -> _Folder:
    known = before.files if before else {}
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


def _packed_below(content: bytes, prefix: bytes) -> Iterator[tuple[str, str]]:
    at = content.find(b" " + prefix)
    while at >= 0:
        start = content.rfind(b"\n", 0, at) + 1
        end = content.find(b"\n", at)
        end = len(content) if end < 0 else end
        oid = content[start:at]
        if _OID.fullmatch(oid):
            yield content[at + 1 : end].decode("utf-8", "surrogateescape"), oid.decode()
        at = content.find(b" " + prefix, end)
