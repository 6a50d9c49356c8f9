"""Source trees that runs pin: what git itself permits, and nothing too large.

They can be large and hardly differ from run to run, so each tree is read once, and
only where it differs from the tree of the commit that the run was made from, if
that commit is on a branch here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitml.formats.names import is_git_folder
from gitml.sync.findings import Finding, Limits
from gitml.sync.inspect_objects import Objects
from gitml.sync.inspect_tree import MalformedTreeError, read_entries, shown

_TREE, _LINK, _SUBMODULE = b"40000", b"120000", b"160000"
_MODES = frozenset((_TREE, _LINK, _SUBMODULE, b"100644", b"100755", b"100664"))


@dataclass(frozen=True, slots=True)
class Code:
    """A source tree to look at.

    Attributes:
        record: The record that has it.
        tree: Its object id.
        commit: What the record says it was made from.
    """

    record: str
    tree: str
    commit: str | None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a tree was met first, and the tree that stands there in the commit."""

    record: str
    path: str
    base: str | None


class CodeTrees:
    """Looks at source trees; remembers those that it has seen."""

    def __init__(self, objects: Objects, limits: Limits) -> None:
        """Nothing was seen yet."""
        self._objects = objects
        self._limits = limits
        self._seen: set[str] = set()
        self._bases: dict[str, str | None] = {}

    def has_seen(self, tree: str) -> bool:
        """Whether a tree was looked at."""
        return tree in self._seen

    def check(self, trees: Iterable[Code]) -> Iterator[Finding]:
        """Look at trees that were not seen yet."""
        new = {code.tree: code for code in trees if code.tree not in self._seen}
        if not new:
            return
        self._find_bases([code.commit for code in new.values() if code.commit])
        level = {
            tree: _Place(code.record, "code", self._bases.get(code.commit or ""))
            for tree, code in new.items()
        }
        self._seen.update(new)
        while level := {tree: place for tree, place in level.items() if tree != place.base}:
            blobs: dict[str, _Place] = {}
            following: dict[str, _Place] = {}
            yield from self._check_level(level, following, blobs)
            yield from self._check_sizes(blobs)
            level = following

    def _find_bases(self, commits: Sequence[str]) -> None:
        """Look up the trees of those commits that are on a branch here."""
        asked = list(dict.fromkeys(commit for commit in commits if commit not in self._bases))
        self._bases.update(dict.fromkeys(asked))
        reachable = self._objects.on_branches(asked)
        for name, found in zip(reachable, self._objects.read(reachable), strict=True):
            if found is not None:
                self._bases[name] = found[1][len(b"tree ") : found[1].index(b"\n")].decode()

    def _check_sizes(self, blobs: Mapping[str, _Place]) -> Iterator[Finding]:
        for place, found in zip(blobs.values(), self._objects.sizes(blobs), strict=True):
            problem = size_problem(found, self._limits)
            if problem is not None and not (found is None and self._objects.is_partial):
                yield Finding(place.record, place.path, *problem)

    def _check_level(
        self, level: Mapping[str, _Place], following: dict[str, _Place], blobs: dict[str, _Place]
    ) -> Iterator[Finding]:
        bases = list(dict.fromkeys(place.base for place in level.values() if place.base))
        answers = self._objects.read([*bases, *level])
        known = {base: _entries(next(answers), base) for base in bases}
        for (oid, place), found in zip(level.items(), answers, strict=True):
            if found is None and self._objects.is_partial:
                continue
            if found is None or found[0] != "tree":
                what = "git lacks it" if found is None else f"a {found[0]} poses as a folder"
                yield Finding(place.record, place.path, "tree", what)
                continue
            try:
                before = known[place.base] if place.base else {}
                yield from self._check_tree(oid, found[1], place, before, following, blobs)
            except MalformedTreeError as err:
                yield Finding(place.record, place.path, "tree", err.message)

    def _check_tree(
        self,
        oid: str,
        data: bytes,
        place: _Place,
        before: Mapping[bytes, tuple[bytes, str]],
        following: dict[str, _Place],
        blobs: dict[str, _Place],
    ) -> Iterator[Finding]:
        names: set[bytes] = set()
        for mode, name, child in read_entries(data, oid):
            twice = name in names
            names.add(name)
            old_mode, old = before.get(name, (b"", ""))
            if (old_mode, old) == (mode, child) and not twice:
                continue
            path = shown(f"{place.path}/{name.decode('utf-8', 'replace')}")
            problem = "it is there twice" if twice else _problem(mode, name)
            if problem is not None:
                yield Finding(place.record, path, "code", problem)
            elif child not in self._seen and mode != _SUBMODULE:
                self._seen.add(child)
                base = old if mode == old_mode == _TREE else None
                (following if mode == _TREE else blobs)[child] = _Place(place.record, path, base)


def _entries(found: tuple[str, bytes] | None, oid: str) -> dict[bytes, tuple[bytes, str]]:
    if found is None or found[0] != "tree":
        return {}
    return {name: (mode, child) for mode, name, child in read_entries(found[1], oid)}


def _problem(mode: bytes, name: bytes) -> str | None:
    """Say what git's own check would; see `git fsck --strict`."""
    if mode not in _MODES:
        return f"git knows no mode {mode.decode('ascii', 'replace')}"
    if name in (b"", b".", b"..") or b"/" in name:
        return "git allows no such name"
    text = name.decode("utf-8", "replace")
    if is_git_folder(text):
        return "git keeps '.git' for itself"
    if mode in (_LINK, _TREE) and text.lower() == ".gitmodules":
        return "it must be a file"
    return None


def size_problem(found: tuple[str, int] | None, limits: Limits) -> tuple[str, str] | None:
    """Say what is wrong with a file, as rule and words; None if nothing is."""
    if found is None:
        return "missing", "git lacks it"
    kind, size = found
    if kind != "blob":
        return "tree", f"a {kind} poses as a file"
    if size > limits.blob_bytes:
        return "size", f"it has {size:,} bytes, at most {limits.blob_bytes:,} may be in git"
    return None
