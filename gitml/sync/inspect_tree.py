"""The trees of records: what may stand where, read folder by folder.

Folders that runs have in common (their environment, say) are read once. All
folders of one level of many runs are read by one git process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain

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
_FOLDERS = frozenset(
    (run_tree.ARTIFACTS, run_tree.HISTORY, run_tree.LOGS, run_tree.ENVIRONMENT, run_tree.CODE, PURGED)
)
_WITH_POINTERS = (f"{run_tree.ARTIFACTS}/", f"{run_tree.HISTORY}/", f"{run_tree.LOGS}/")
_RULES_OF_GIT = frozenset((".gitattributes", ".gitmodules"))
_WHAT = {b"120000": "a link", b"160000": "a submodule", b"100755": "an executable file"}
_ENTRIES = {size: re.compile(rb"([0-7]+) ([^\0]*)\0(.{%d})" % size, re.DOTALL) for size in (20, 32)}
_COMMON = 100  # entries; larger folders are hardly alike
_WORTH_A_PATTERN = 20  # folders that have the same names; making it costs as much as reading so many
_MOST_LAYOUTS, _OF_ONE_LENGTH = 1000, 4
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
    if sum(map(len, chain.from_iterable(found))) + 2 * len(found) != len(data):
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
    """All of a record: files by path, the tree of its code, and what is wrong.

    `content` are those of the files that may be pointers, `purged` the tombstones.
    """

    files: dict[str, str]
    content: dict[str, str]
    purged: dict[str, str]
    code: str | None
    troubles: list[Trouble]


@dataclass(slots=True)
class _Sorted:
    """Which entries of a folder are what, by their position; `met` is how many folders had the same."""

    files: list[tuple[str, int]] = field(default_factory=list)
    folders: list[tuple[str, int]] = field(default_factory=list)
    code: int | None = None
    troubles: list[Trouble] = field(default_factory=list)
    met: int = 0

    def folder(self, oids: Sequence[str]) -> Folder:
        """Make the folder whose entries have these ids."""
        if len(self.files) == len(oids):
            files = [(inner, oid) for (inner, _), oid in zip(self.files, oids, strict=True)]
            return Folder(files, troubles=self.troubles)
        return Folder(
            [(inner, oids[at]) for inner, at in self.files],
            [(inner, oids[at]) for inner, at in self.folders],
            None if self.code is None else oids[self.code],
            self.troubles,
        )


_Layout = tuple[Callable[[bytes], "re.Match[bytes] | None"], _Sorted]


class RecordTrees:
    """Reads the trees of records; keeps what they share."""

    def __init__(self, objects: Objects, limits: Limits) -> None:
        """Nothing is read yet."""
        self._objects = objects
        self._limits = limits
        self._folders: dict[Key, Folder] = {}
        # Path and length of a folder's bytes → patterns of those that are often met.
        self._layouts: dict[tuple[str, int], list[_Layout]] = {}

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
                folder = self._folders[key] = Folder() if absent_on_purpose else self._read(key, found)
                here = len(folder.files) + len(folder.folders)
                counts[root] += here
                total += here
                # A few folders that hold each other many times over are more paths than there are atoms.
                if counts[root] > self._limits.paths or total > _MOST_PATHS:
                    folder.folders.clear()
                    if root not in told:
                        told.add(root)
                        folder.troubles = [
                            *folder.troubles,
                            Trouble(key[0], "size", "there are too many files in the run"),
                        ]
                if folder.folders:
                    following.update({key: root for key in folder.folders if key not in self._folders})
            level = following

    def _read(self, key: Key, found: tuple[str, bytes] | None) -> Folder:
        """Sort the entries of a folder, and hold them against the rules."""
        path, oid = key
        if found is None:
            return Folder(troubles=[Trouble(path, "missing", "git lacks it")])
        kind, data = found
        if kind != "tree":
            return Folder(troubles=[Trouble(path, "tree", f"a {kind} poses as a folder")])
        for match_all, sorted_ in self._layouts.get((path, len(data)), ()):
            match = match_all(data)
            if match is not None:
                return sorted_.folder(list(map(bytes.hex, match.groups())))
        try:
            entries = read_entries(data, oid)
        except MalformedTreeError as err:
            return Folder(troubles=[Trouble(path, "tree", err.message)])
        names_ = tuple([(mode, name) for mode, name, _ in entries])
        sorted_ = (_sort if len(entries) <= _COMMON else _sort.__wrapped__)(path, names_)
        sorted_.met += 1
        if sorted_.met == _WORTH_A_PATTERN:
            self._remember((path, len(data)), names_, len(oid) // 2, sorted_)
        return sorted_.folder([child for _, _, child in entries])

    def _remember(
        self, key: tuple[str, int], entries: Iterable[tuple[bytes, bytes]], oid_size: int, sorted_: _Sorted
    ) -> None:
        """Make a pattern that reads folders with these entries at one go."""
        if len(self._layouts) >= _MOST_LAYOUTS:
            self._layouts.clear()
        child = b"(.{%d})" % oid_size
        pattern = b"".join(re.escape(b"%s %s\0" % entry) + child for entry in entries)
        same_length = self._layouts.setdefault(key, [])
        same_length.insert(0, (re.compile(pattern, re.DOTALL).fullmatch, sorted_))
        del same_length[_OF_ONE_LENGTH:]

    def _flat(self, root: str) -> RecordTree:
        top = self._folders["", root]
        files = dict(top.files)
        content: dict[str, str] = {}
        purged: dict[str, str] = {}
        troubles = [*top.troubles]
        waiting = [*top.folders]
        while waiting:
            key = waiting.pop()
            folder = self._folders[key]
            files.update(folder.files)
            if f"{key[0]}/".startswith(_WITH_POINTERS):
                content.update(folder.files)
            elif f"{key[0]}/".startswith(f"{PURGED}/"):
                purged.update(folder.files)
            if folder.troubles or folder.folders:
                troubles += folder.troubles
                waiting += folder.folders
        return RecordTree(files, content, purged, top.code, troubles)


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
