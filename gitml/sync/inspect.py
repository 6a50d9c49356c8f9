"""Looking at commits before they join the runs: only reading, nothing executed.

Whoever lets commits in from outside asks here: a pull, the hook of a server, a
bundle. The rules are those of docs/format.md. A commit that breaks one of them
would not harm a reader, which checks again, but it would be there for ever.

A record of a kind that is not known here is refused: a kind is part of the format.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from gitml.entities.artifact import Pointer
from gitml.formats import run_tree
from gitml.formats.model_record import COMMENTS
from gitml.formats.pointer import MAX_BYTES, decode_pointer
from gitml.formats.purge import FOLDER as PURGED
from gitml.formats.run_tree import MODEL_FILE
from gitml.git.repo import GitRepo
from gitml.sync.findings import Finding, Limits, Trouble, UnsoundRecordsError
from gitml.sync.inspect_code import Code, CodeTrees, size_problem
from gitml.sync.inspect_objects import Objects
from gitml.sync.inspect_record import RawCommit, check_pointers, check_record, check_tombstones, parse_commit
from gitml.sync.inspect_tree import RecordTree, RecordTrees, shown

Commit = tuple[str, tuple[str, ...]]
OnPointer = Callable[[str, str, Pointer], None]

_CHUNK = 2000  # commits; each chunk starts git about eight times
_REMEMBERED = 300_000
_WITH_POINTERS = (f"{run_tree.ARTIFACTS}/", f"{run_tree.HISTORY}/")
_SHORTEST_POINTER = 120  # bytes, of either kind
_READ = {
    run_tree.RUN_FILE: (*run_tree.RECORD_FILES[:-1], run_tree.ATTRIBUTES_FILE),  # all but the note
    run_tree.EXPERIMENT_FILE: (run_tree.EXPERIMENT_FILE, run_tree.ATTRIBUTES_FILE),
    MODEL_FILE: (MODEL_FILE, run_tree.ATTRIBUTES_FILE),
}
_LIMITED = (*run_tree.RECORD_FILES, run_tree.EXPERIMENT_FILE, MODEL_FILE, run_tree.ATTRIBUTES_FILE)
_MANY = 1000


def inspect(
    git: GitRepo,
    commits: Iterable[Commit],
    *,
    limits: Limits | None = None,
    on_pointer: OnPointer | None = None,
) -> Iterator[Finding]:
    """Find what is not sound about commits that are about to join the runs.

    Args:
        git: The repository that has them.
        commits: The commits, each with its parents; their own parents are not looked at.
        limits: How large things may be.
        on_pointer: Told commit, path and pointer of each pointer that is met.

    Yields:
        What breaks a rule; nothing if all is well.

    Raises:
        GitStoppedError: An object is damaged.
    """
    inspection = _Inspection(git, limits or Limits(), on_pointer)
    waiting = iter(commits)
    while chunk := list(islice(waiting, _CHUNK)):
        yield from inspection.check([commit for commit, _ in chunk])


def inspect_or_refuse(
    git: GitRepo,
    commits: Sequence[Commit],
    source: str,
    progress: Callable[[int, int], None] | None = None,
    *,
    limits: Limits | None = None,
) -> None:
    """Make sure that commits may join the runs.

    Args:
        git: The repository that has them.
        commits: The commits, each with its parents.
        source: Where they came from, for the message.
        progress: Told how many of how many were looked at.
        limits: How large things may be.

    Raises:
        UnsoundRecordsError: At least one breaks a rule.
        GitStoppedError: An object is damaged.
    """
    inspection = _Inspection(git, limits or Limits(), None)
    findings: list[Finding] = []
    for start in range(0, len(commits), _CHUNK):
        chunk = commits[start : start + _CHUNK]
        findings += islice(inspection.check([commit for commit, _ in chunk]), _MANY - len(findings))
        if progress:
            progress(start + len(chunk), len(commits))
    if findings:
        raise UnsoundRecordsError(source, findings)


class _Inspection:
    """What one inspection has seen so far."""

    def __init__(self, git: GitRepo, limits: Limits, on_pointer: OnPointer | None) -> None:
        self._objects = Objects(git)
        self._limits = limits
        self._on_pointer = on_pointer
        self._trees = RecordTrees(self._objects, limits)
        self._code = CodeTrees(self._objects, limits)
        self._sizes: dict[str, tuple[str, int] | None] = {}
        self._bad: dict[str, tuple[str, str]] = {}  # few files are, and few are pointers
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
            if tree.code is not None
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
            self._sizes.clear()
        new = {oid: None for tree in trees for oid in tree.files.values() if oid not in self._sizes}
        for oid, found in zip(new, self._objects.sizes(new), strict=True):
            self._sizes[oid] = found
            problem = size_problem(found, self._limits)
            if problem is not None and not (found is None and self._objects.is_partial):
                self._bad[oid] = problem

    def _find_pointers(self, trees: Iterable[RecordTree]) -> None:
        """Read what may be a pointer: of a run's files the fewest have the length of one."""
        new = {
            oid: None
            for tree in trees
            for path, oid in tree.files.items()
            if self._may_be_pointer(oid) and path.startswith(_WITH_POINTERS)
        }
        for oid, found in zip(new, self._objects.read(new), strict=True):
            pointer = decode_pointer(found[1]) if found is not None else None
            if pointer is not None:
                self._pointers[oid] = pointer

    def _may_be_pointer(self, oid: str) -> bool:
        found = self._sizes[oid]
        return found is not None and _SHORTEST_POINTER <= found[1] < MAX_BYTES

    def _check_records(
        self, records: Mapping[str, RawCommit], trees: Mapping[str, RecordTree]
    ) -> Iterator[Finding]:
        wanted = {
            commit: [
                name
                for name in (
                    *_READ[raw.record_file or ""],
                    *self._new_comments(raw, trees[commit]),
                    *self._new_tombstones(trees[commit]),
                )
                if self._is_readable(trees[commit], name)
            ]
            for commit, raw in records.items()
        }
        contents = self._objects.read(
            trees[commit].files[name] for commit, names in wanted.items() for name in names
        )
        for commit, raw in records.items():
            read = {name: next(contents) for name in wanted[commit]}
            files = {name: found[1] for name, found in read.items() if found is not None}
            for trouble in self._check_record(commit, raw, trees[commit], files):
                yield Finding(commit, shown(trouble.path), trouble.rule, trouble.message)

    def _new_comments(self, raw: RawCommit, tree: RecordTree) -> Iterator[str]:
        """The comments of a model that were not met before: each of its records has all of them."""
        if raw.record_file == MODEL_FILE:
            for path, oid in tree.files.items():
                if path.startswith(f"{COMMENTS}/") and (path, oid) not in self._comments:
                    self._comments.add((path, oid))
                    yield path

    def _new_tombstones(self, tree: RecordTree) -> Iterator[str]:
        """The tombstones that were not met before: later records of a run keep them."""
        for path in _tombstones(tree):
            if (path, tree.files[path]) not in self._met_tombstones:
                self._met_tombstones.add((path, tree.files[path]))
                yield path

    def _is_readable(self, tree: RecordTree, name: str) -> bool:
        found = self._sizes[tree.files[name]] if name in tree.files else None
        return found is not None and found[0] == "blob" and found[1] <= self._limits.record_bytes

    def _check_record(
        self, commit: str, raw: RawCommit, tree: RecordTree, files: Mapping[str, bytes]
    ) -> Iterator[Trouble]:
        yield from tree.troubles
        yield from self._check_sizes(tree)
        pointers = {}
        if self._pointers:
            pointers = {
                path: self._pointers[oid]
                for path, oid in tree.files.items()
                if oid in self._pointers and path.startswith(_WITH_POINTERS)
            }
        if self._on_pointer:
            for path, pointer in pointers.items():
                self._on_pointer(commit, path, pointer)
        if self._objects.is_partial and raw.record_file not in files:
            return
        yield from check_record(raw, files, tree.code)
        yield from check_tombstones(files)
        yield from check_pointers(files.get(run_tree.ATTRIBUTES_FILE, b""), pointers, self._limits)

    def _check_sizes(self, tree: RecordTree) -> Iterator[Trouble]:
        if self._bad:
            for path, oid in tree.files.items():
                if oid in self._bad:
                    yield Trouble(path, *self._bad[oid])
        most = self._limits.record_bytes
        for path in (*_LIMITED, *_tombstones(tree)):
            found = self._sizes[tree.files[path]] if path in tree.files else None
            if found is not None and found[1] > most:
                yield Trouble(path, "size", f"it has {found[1]:,} bytes, at most {most:,} can be read")


def _tombstones(tree: RecordTree) -> list[str]:
    return [path for path in tree.files if path.startswith(f"{PURGED}/")]


def _code_commit(raw: RawCommit) -> str | None:
    """The commit that a run says it was made from, if it is written as an object id."""
    commit = dict(raw.trailers).get("Code-Commit", "")
    return commit if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", commit) else None
