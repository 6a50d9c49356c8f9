"""Record files out of git, a few in process or many through two git processes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from gitml.errors import DamagedError
from gitml.formats.run_tree import EXPERIMENT_FILE, MODEL_FILE, RECORD_FILES, RUN_FILE
from gitml.git.repo import GitRepo
from gitml.index.facts import Facts
from gitml.index.objects import read_objects
from gitml.index.rows import pack
from gitml.index.walk import IN_PROCESS, Commit

Files = Mapping[str, bytes]
_READ = (*RECORD_FILES, EXPERIMENT_FILE, MODEL_FILE)
_NAMES = {name.encode(): name for name in _READ}
_FOLDER = b"40000"
# An entry of a raw tree begins where the one before ends, so nothing in between is skipped.
_ENTRY = {
    name: re.compile(rb"([0-7]+) ([^\0]+)\0(.{%d})" % size, re.DOTALL)
    for name, size in (("sha1", 20), ("sha256", 32))
}
_CHUNK = 10_000  # commits; one git process for their trees, one for their files


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


class Record(NamedTuple):
    """What a commit says: facts and the document they come with, or files that only the decoder can read."""

    facts: Facts | None
    document: bytes
    files: Files


NO_RECORD = Record(None, b"", {})


def scan_run(files: Files) -> Facts | None:
    """Scan the files of a run; None of one that only the decoder can read, and of what is no run."""
    if RUN_FILE not in files:
        return None
    from gitml.index.scan import scan  # its patterns take 7 ms, and mostly nothing is new

    try:
        return scan(files)
    except DamagedError:
        return None  # the decoder will say so where it is written down


def record_of(files: Files, facts: Facts | None) -> Record:
    """Make a record of its files and what `scan_run` made of them; files of other names are left out."""
    if facts is not None:
        return Record(facts, pack(files), {})
    return Record(None, b"", {name: data for name, data in files.items() if name in _READ})


def as_record(files: Files) -> Record:
    """Scan a record's files."""
    return record_of(files, scan_run(files))


def read_records(git: GitRepo, commits: Sequence[Commit]) -> Iterator[Record]:
    """Read the records of commits, in their order; a commit that joins histories has an empty one.

    Raises:
        DamagedError: git lacks an object.
    """
    return map(as_record, read_files(git, commits))


def read_files(git: GitRepo, commits: Sequence[Commit]) -> Iterator[Files]:
    """Read the files of the records of commits, in their order; none of a commit that joins histories.

    Raises:
        DamagedError: git lacks an object.
    """
    if len(commits) <= IN_PROCESS:
        for commit in commits:
            yield read_record(git, commit[0]) if len(commit[2]) < 2 else {}
        return
    trees = read_objects(git, [tree for _, tree, parents in commits if len(parents) < 2])
    entry = _ENTRY[git.object_format]
    for start in range(0, len(commits), _CHUNK):
        chunk = commits[start : start + _CHUNK]
        oids: list[str] = []
        names = [
            _entries(next(trees), entry, commit, oids) if len(parents) < 2 else ()
            for commit, _, parents in chunk
        ]
        blobs = read_objects(git, oids)
        for commit, wanted in zip(chunk, names, strict=True):
            # In this order zip takes no blob more than there are names.
            files = dict(zip(wanted, blobs))  # noqa: B905
            if None in files.values():
                raise _missing(commit[0])
            yield cast("Files", files)


def _entries(tree: bytes | None, entry: re.Pattern[bytes], commit: str, oids: list[str]) -> Sequence[str]:
    """Find the record files in a raw tree: their names, and in `oids` their objects."""
    if tree is None:
        raise _missing(commit)
    names: list[str] = []
    for mode, spelled, oid in entry.findall(tree):
        name = _NAMES.get(spelled)
        if name is not None and mode != _FOLDER:
            names.append(name)
            oids.append(oid.hex())
    return names


def _missing(commit: str) -> DamagedError:
    return DamagedError(
        f"git lacks an object of the record '{commit}'",
        hint="git fsck names what is missing; a partial clone lacks old objects",
    )
