"""One inspection: what it has seen so far, and the rules held against each commit."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from gitml.entities.artifact import Pointer
from gitml.formats import run_tree
from gitml.formats.model_record import COMMENTS
from gitml.formats.pointer import MAX_BYTES, decode_pointer
from gitml.formats.run_tree import MODEL_FILE
from gitml.git.repo import GitRepo
from gitml.index.records import Record, record_of, scan_run
from gitml.sync.findings import Finding, Limits, Trouble
from gitml.sync.inspect_code import Code, CodeTrees, size_problem
from gitml.sync.inspect_objects import Objects
from gitml.sync.inspect_record import RawCommit, check_pointers, check_record, check_tombstones, parse_commit
from gitml.sync.inspect_tree import RecordTree, RecordTrees, shown

OnRecord = Callable[[str, Record], None]
OnPointer = Callable[[str, str, Pointer], None]

_REMEMBERED = 300_000
_SHORTEST_POINTER = 120  # bytes, of either kind
_READ = {
    run_tree.RUN_FILE: (*run_tree.RECORD_FILES, run_tree.ATTRIBUTES_FILE),
    run_tree.EXPERIMENT_FILE: (run_tree.EXPERIMENT_FILE, run_tree.ATTRIBUTES_FILE),
    MODEL_FILE: (MODEL_FILE, run_tree.ATTRIBUTES_FILE),
}
_LIMITED = (*run_tree.RECORD_FILES, run_tree.EXPERIMENT_FILE, MODEL_FILE, run_tree.ATTRIBUTES_FILE)


class Inspection:
    """What one inspection has seen so far."""

    def __init__(
        self,
        git: GitRepo,
        limits: Limits,
        on_pointer: OnPointer | None = None,
        on_record: OnRecord | None = None,
    ) -> None:
        """Nothing was seen yet.

        Args:
            git: The repository that has the commits.
            limits: How large things may be.
            on_pointer: Told commit, path and pointer of each pointer that is met.
            on_record: Given the record of each commit that is one.
        """
        self._objects = Objects(git)
        self._limits = limits
        self._on_pointer = on_pointer
        self._on_record = on_record
        self._trees = RecordTrees(self._objects, limits)
        self._code = CodeTrees(self._objects, limits)
        self._sizes: dict[str, tuple[str, int] | None] = {}
        self._bad: dict[str, tuple[str, str]] = {}
        self._unreadable: set[str] = set()  # what no file of a record may be
        self._likely: set[str] = set()  # files as long as a pointer
        self._looked_into: set[str] = set()
        self._pointers: dict[str, Pointer] = {}
        self._comments: set[tuple[str, str]] = set()
        self._met_tombstones: set[tuple[str, str]] = set()
        new_hash = hashlib.sha256 if git.object_format == "sha256" else hashlib.sha1
        self._empty_tree = new_hash(b"tree 0\0").hexdigest()

    def check(self, commits: Sequence[str]) -> Iterator[Finding]:
        """Look at some commits together."""
        records: dict[str, RawCommit] = {}
        for commit, found in zip(commits, self._objects.read(commits), strict=True):
            raw = parse_commit(found[1]) if found is not None and found[0] == "commit" else None
            problem = self._commit_problem(raw)
            if problem is not None:
                yield Finding(commit, "", *problem)
            elif raw is not None and raw.parents < 2:
                records[commit] = raw
        trees = dict(zip(records, self._trees.read([raw.tree for raw in records.values()]), strict=True))
        self._measure(trees.values())
        self._find_pointers(trees.values())
        yield from self._check_records(records, trees)
        yield from self._code.check(
            Code(commit, tree.code, _code_commit(records[commit]))
            for commit, tree in trees.items()
            if tree.code is not None and not self._code.has_seen(tree.code)
        )

    def _commit_problem(self, raw: RawCommit | None) -> tuple[str, str] | None:
        if raw is None:
            return "message", "it is no commit that git would have made"
        if raw.parents > 1:
            return (
                None
                if raw.tree == self._empty_tree
                else ("join", "a commit that joins histories has no files")
            )
        if raw.is_foreign:
            return "foreign", "it is no record: its message has no Run-Id, Experiment-Id or Model-Id"
        return None if raw.record_file else ("message", "its message names more than one record")

    def _measure(self, trees: Iterable[RecordTree]) -> None:
        """Learn the size of each file that was not met before."""
        if len(self._sizes) > _REMEMBERED:
            for known in (self._sizes, self._likely, self._looked_into):
                known.clear()
        met = dict.fromkeys(chain.from_iterable(tree.files.values() for tree in trees))
        new = [oid for oid in met if oid not in self._sizes]
        found = self._objects.sizes(new)
        self._sizes.update(zip(new, found, strict=True))
        # Few of the files are pointers and hardly one is bad; what all of them are is quickly said.
        kinds = set(found)
        likely = {kind for kind in kinds if kind is not None and _SHORTEST_POINTER <= kind[1] < MAX_BYTES}
        self._likely.update([oid for oid, kind in zip(new, found, strict=True) if kind in likely])
        odd = {kind for kind in kinds if not self._is_readable(kind) or size_problem(kind, self._limits)}
        if odd:
            self._note_odd({oid: kind for oid, kind in zip(new, found, strict=True) if kind in odd})

    def _is_readable(self, kind: tuple[str, int] | None) -> bool:
        return kind is not None and kind[0] == "blob" and kind[1] <= self._limits.record_bytes

    def _note_odd(self, kinds: Mapping[str, tuple[str, int] | None]) -> None:
        for oid, kind in kinds.items():
            if not self._is_readable(kind):
                self._unreadable.add(oid)
            problem = size_problem(kind, self._limits)
            if problem is not None and not (kind is None and self._objects.is_partial):
                self._bad[oid] = problem

    def _find_pointers(self, trees: Iterable[RecordTree]) -> None:
        """Read what may be a pointer: of a run's files the fewest have the length of one."""
        content = chain.from_iterable(tree.content.values() for tree in trees)
        new = sorted(self._likely.intersection(content) - self._looked_into)
        self._looked_into.update(new)
        for oid, found in zip(new, self._objects.read(new), strict=True):
            pointer = decode_pointer(found[1]) if found is not None else None
            if pointer is not None:
                self._pointers[oid] = pointer

    def _check_records(
        self, records: Mapping[str, RawCommit], trees: Mapping[str, RecordTree]
    ) -> Iterator[Finding]:
        wanted: list[list[str]] = []
        oids: list[str] = []
        for commit, raw in records.items():
            files = trees[commit].files
            names: list[str] = [name for name in _READ[raw.record_file or ""] if name in files]
            if raw.record_file == MODEL_FILE:
                names += self._new_comments(trees[commit])
            if trees[commit].purged:
                names += self._new_tombstones(trees[commit])
            if self._unreadable:
                names = [name for name in names if files[name] not in self._unreadable]
            wanted.append(names)
            oids += [files[name] for name in names]
        contents = self._objects.read(oids)
        for (commit, raw), names in zip(records.items(), wanted, strict=True):
            read = {name: found[1] for name in names if (found := next(contents)) is not None}
            for trouble in self._check_record(commit, raw, trees[commit], read):
                yield Finding(commit, shown(trouble.path), trouble.rule, trouble.message)

    def _new_comments(self, tree: RecordTree) -> Iterator[str]:
        """The comments of a model that were not met before: each of its records has all of them."""
        for path, oid in tree.files.items():
            if path.startswith(f"{COMMENTS}/") and (path, oid) not in self._comments:
                self._comments.add((path, oid))
                yield path

    def _new_tombstones(self, tree: RecordTree) -> Iterator[str]:
        """The tombstones that were not met before: later records of a run keep them."""
        for path, oid in tree.purged.items():
            if (path, oid) not in self._met_tombstones:
                self._met_tombstones.add((path, oid))
                yield path

    def _check_record(
        self, commit: str, raw: RawCommit, tree: RecordTree, files: Mapping[str, bytes]
    ) -> Iterator[Trouble]:
        yield from tree.troubles
        if self._bad or self._unreadable:
            yield from self._check_sizes(tree)
        pointers = {}
        if not self._pointers.keys().isdisjoint(tree.content.values()):
            pointers = {
                path: self._pointers[oid] for path, oid in tree.content.items() if oid in self._pointers
            }
        if self._on_pointer:
            for path, pointer in pointers.items():
                self._on_pointer(commit, path, pointer)
        if self._objects.is_partial and raw.record_file not in files:
            return
        facts = scan_run(files)
        if self._on_record:
            self._on_record(commit, record_of(files, facts))
        yield from check_record(raw, files, tree.code, facts)
        if tree.purged:
            yield from check_tombstones(files)
        if pointers or run_tree.ATTRIBUTES_FILE in files:
            yield from check_pointers(files.get(run_tree.ATTRIBUTES_FILE, b""), pointers, self._limits)

    def _check_sizes(self, tree: RecordTree) -> Iterator[Trouble]:
        if self._bad:
            for path, oid in tree.files.items():
                if oid in self._bad:
                    yield Trouble(path, *self._bad[oid])
        most = self._limits.record_bytes
        for path in (*_LIMITED, *tree.purged):
            found = self._sizes[tree.files[path]] if path in tree.files else None
            if found is not None and found[1] > most:
                yield Trouble(path, "size", f"it has {found[1]:,} bytes, at most {most:,} can be read")


def _code_commit(raw: RawCommit) -> str | None:
    """The commit that a run says it was made from, if it is written as an object id."""
    commit = dict(raw.trailers).get("Code-Commit", "")
    return commit if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", commit) else None
