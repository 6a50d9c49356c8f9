"""The trees of records: what may stand where, read folder by folder.

Folders that runs have in common (their environment, say) are read once. All
folders of one level of many runs are read by one git process.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from gitml.errors import DamagedError, InvalidNameError
from gitml.formats import names, run_tree
from gitml.formats.purge import FOLDER as PURGED
from gitml.formats.purge import is_tombstone
from gitml.sync.findings import Limits, Trouble
from gitml.sync.inspect_objects import Objects

Key = tuple[str, str]  # path and object id
_FILES = frozenset(
    (*run_tree.RECORD_FILES, run_tree.EXPERIMENT_FILE, run_tree.MODEL_FILE, run_tree.ATTRIBUTES_FILE)
)
_FOLDERS = frozenset((run_tree.ARTIFACTS, run_tree.HISTORY, run_tree.ENVIRONMENT, run_tree.CODE, PURGED))
_RULES_OF_GIT = frozenset((".gitattributes", ".gitmodules"))
_WHAT = {b"120000": "a link", b"160000": "a submodule", b"100755": "an executable file"}
_ENTRIES = {size: re.compile(rb"([0-7]+) ([^\0]*)\0(.{%d})" % size, re.DOTALL) for size in (20, 32)}
_COMMON = 100  # entries; larger folders are hardly alike
_MOST_PATHS = 2_000_000  # of all runs that are inspected together


class MalformedTreeError(DamagedError):
    """The bytes of a tree are not a tree."""

    def __init__(self, oid: str) -> None:
        super().__init__(f"tree '{oid[:12]}' is malformed", hint="git fsck")
        self.oid = oid


def read_entries(data: bytes, oid: str) -> list[tuple[bytes, bytes, str]]:
    """Read a raw tree: mode, name and object id of each entry.

    Raises:
        MalformedTreeError: It is none.
    """
    oid_size = len(oid) // 2
    found = _ENTRIES[oid_size].findall(data)
    if sum(len(mode) + len(name) for mode, name, _ in found) + len(found) * (2 + oid_size) != len(data):
        raise MalformedTreeError(oid)
    return [(mode, name, child.hex()) for mode, name, child in found]


@dataclass(slots=True)
class Folder:
    """A folder of a record: what is in it, and what is wrong with it."""

    files: list[Key] = field(default_factory=list)
    folders: list[Key] = field(default_factory=list)
    code: str | None = None
    troubles: list[Trouble] = field(default_factory=list)


@dataclass(slots=True)
class RecordTree:
    """All of a record: files by path, the tree of its code, and what is wrong."""

    files: dict[str, str]
    code: str | None
    troubles: list[Trouble]


class RecordTrees:
    """Reads the trees of records; keeps what they share."""

    def __init__(self, objects: Objects, limits: Limits) -> None:
        """Nothing is read yet."""
        self._objects = objects
        self._limits = limits
        self._folders: dict[Key, Folder] = {}

    def read(self, roots: Sequence[str]) -> list[RecordTree]:
        """Read trees of records, in the order given."""
        paths = sum(len(folder.files) for folder in self._folders.values())
        if paths > _MOST_PATHS // 10:
            self._folders.clear()
        self._load(dict.fromkeys(roots))
        return [self._flat(root) for root in roots]

    def _load(self, roots: dict[str, None]) -> None:
        """Read all folders below the roots that were not read yet, level by level."""
        counts = dict.fromkeys(roots, 0)
        total = 0
        told: set[str] = set()
        level: dict[Key, str] = {("", root): root for root in roots if ("", root) not in self._folders}
        while level:
            following: dict[Key, str] = {}
            answers = self._objects.read(oid for _, oid in level)
            for (key, root), found in zip(level.items(), answers, strict=True):
                absent_on_purpose = found is None and self._objects.is_partial
                folder = self._folders[key] = Folder() if absent_on_purpose else read_folder(key, found)
                here = len(folder.files) + len(folder.folders)
                counts[root] += here
                total += here
                # A few folders that hold each other many times over are more paths than there are atoms.
                if counts[root] > self._limits.paths or total > _MOST_PATHS:
                    folder.folders.clear()
                    if root not in told:
                        told.add(root)
                        folder.troubles.append(Trouble(key[0], "size", "there are too many files in the run"))
                following.update({key: root for key in folder.folders if key not in self._folders})
            level = following

    def _flat(self, root: str) -> RecordTree:
        files: dict[str, str] = {}
        troubles: list[Trouble] = []
        waiting = [("", root)]
        while waiting:
            folder = self._folders[waiting.pop()]
            files.update(folder.files)
            troubles += folder.troubles
            waiting += folder.folders
        return RecordTree(files, self._folders["", root].code, troubles)


def read_folder(key: Key, found: tuple[str, bytes] | None) -> Folder:
    """Sort the entries of a folder, and hold them against the rules."""
    path, oid = key
    if found is None:
        return Folder(troubles=[Trouble(path, "missing", "git lacks it")])
    if found[0] != "tree":
        return Folder(troubles=[Trouble(path, "tree", f"a {found[0]} poses as a folder")])
    try:
        entries = read_entries(found[1], oid)
    except MalformedTreeError as err:
        return Folder(troubles=[Trouble(path, "tree", err.message)])
    sort = _sort if len(entries) <= _COMMON else _sort.__wrapped__
    sorted_ = sort(path, tuple([(mode, name) for mode, name, _ in entries]))
    return Folder(
        [(inner, entries[at][2]) for inner, at in sorted_.files],
        [(inner, entries[at][2]) for inner, at in sorted_.folders],
        None if sorted_.code is None else entries[sorted_.code][2],
        list(sorted_.troubles),
    )


@dataclass(slots=True)
class _Sorted:
    """Which entries of a folder are what, by their position."""

    files: list[tuple[str, int]] = field(default_factory=list)
    folders: list[tuple[str, int]] = field(default_factory=list)
    code: int | None = None
    troubles: list[Trouble] = field(default_factory=list)


@lru_cache(maxsize=4096)
def _sort(path: str, entries: tuple[tuple[bytes, bytes], ...]) -> _Sorted:
    """Sort modes and names; the folders of most runs have the same."""
    found = _Sorted()
    prefix = f"{path}/" if path else ""
    if len({name for _, name in entries}) < len(entries):
        found.troubles.append(Trouble(path, "tree", "a name is there twice"))
    for at, (mode, name) in enumerate(entries):
        inner = prefix + name.decode("utf-8", "surrogateescape")
        is_folder = mode == b"40000"
        problem = _problem(inner, is_folder) if b"/" not in name else ("name", "a name can't hold a '/'")
        if problem is not None:
            found.troubles.append(Trouble(inner, *problem))
        elif is_folder and inner == run_tree.CODE:
            found.code = at
        elif is_folder:
            found.folders.append((inner, at))
        elif mode == b"100644":
            found.files.append((inner, at))
        else:
            what = _WHAT.get(mode, f"of mode {mode.decode('ascii', 'replace')}")
            found.troubles.append(Trouble(inner, "mode", f"it is {what}; runs hold plain files and folders"))
    return found


@lru_cache(maxsize=65536)
def _problem(path: str, is_folder: bool) -> tuple[str, str] | None:
    """Say what is wrong with a path, as rule and words; None if nothing is."""
    if path in (_FILES if is_folder else _FOLDERS):
        return "tree", f"it must be a {'file' if is_folder else 'folder'}"
    area, _, rest = path.partition("/")
    parts = path.split("/")
    if path != run_tree.ATTRIBUTES_FILE and not _RULES_OF_GIT.isdisjoint(part.lower() for part in parts):
        return "name", "git would read rules from it"
    try:
        names.check_artifact_path(path)
        if "" in parts:  # a name that ends in '/'
            raise InvalidNameError("path", path, "a part is empty")
        if area == run_tree.ARTIFACTS and rest:
            _check_artifact(rest)
        if area == run_tree.HISTORY and rest and not is_folder:
            _check_history(rest)
        if area == PURGED and rest and (is_folder or not is_tombstone(path)):
            raise InvalidNameError("path", path, "a tombstone is named by an object: <SHA-256>.yaml")
    except InvalidNameError as err:
        return "name", err.rule
    return None


def _check_artifact(rest: str) -> None:
    name = names.check_artifact_path(names.artifact_name(rest))
    if names.artifact_tree_path(name) != rest:
        raise InvalidNameError("path", rest, f"the artifact {name!r} does not stand here")


def _check_history(rest: str) -> None:
    if not rest.endswith(".tsv"):
        raise InvalidNameError("path", rest, "a history's name ends in .tsv")
    name = names.check_name("metric", names.metric_name(rest))
    if names.metric_path(name) != rest:
        raise InvalidNameError("path", rest, f"the history of {name!r} does not stand here")


def shown(path: str) -> str:
    """Write a path so that a terminal can't be fooled by it."""
    return re.sub(r"[^\x20-\x7e\u00a0-\ud7ff\ue000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", path)
