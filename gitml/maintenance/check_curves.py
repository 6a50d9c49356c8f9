"""Histories of metrics: is each of their lines a point?

Nobody looks into them when runs join, because they are most of what runs are: whoever
reads one checks it, and so does `gitml fsck`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress

from gitml.errors import DamagedError
from gitml.formats import run_tree
from gitml.formats.history import has_form, iter_points
from gitml.formats.pointer import decode_pointer
from gitml.maintenance.check_records import HISTORY
from gitml.repo import Repo
from gitml.sync.findings import Finding
from gitml.sync.inspect import Commit
from gitml.sync.objects import run_ids
from gitml.sync.partial import completeness


def check_curves(repo: Repo, tips: Sequence[str], commits: Sequence[Commit]) -> list[Finding]:
    """Find histories that can't be read; those behind pointers too, if their objects are here.

    Args:
        repo: The repository.
        tips: Where the histories of runs end.
        commits: The records, parents before children.
    """
    paths = _histories(repo, tips) if tips else {}
    contents = repo.git.process.cat_objects(paths)
    troubles = {
        oid: trouble
        for (oid, path), found in zip(paths.items(), contents, strict=True)
        if found is not None and (trouble := _trouble(repo, path, found[1])) is not None
    }
    if not troubles:
        return []
    holders = list(_with(repo, troubles.keys(), commits))
    runs = run_ids(repo.git, list(dict.fromkeys(commit for commit, _ in holders)))
    return [
        Finding(commit, "", HISTORY, f"run {runs[commit][:8]}: {troubles[oid]}") for commit, oid in holders
    ]


def _histories(repo: Repo, tips: Sequence[str]) -> Mapping[str, str]:
    """List the files that are histories, by what git calls them; each content once."""
    arguments = ["rev-list", "--objects", "--stdin"]
    if completeness(repo).promisors:
        arguments.append("--exclude-promisor-objects")
    out = repo.git.process.run(arguments, input="".join(f"{tip}\n" for tip in tips).encode())
    pairs = (line.partition(" ") for line in out.decode("utf-8", "replace").splitlines())
    prefix = f"{run_tree.HISTORY}/"
    return {oid: path for oid, _, path in pairs if path.startswith(prefix) and path.endswith(".tsv")}


def _trouble(repo: Repo, path: str, data: bytes) -> str | None:
    pointer = decode_pointer(data)
    if pointer is not None:
        if not repo.objects.has(pointer.oid, pointer.size):
            return None  # told as a missing object
        with repo.objects.open(pointer) as stream:
            data = stream.read()
    if has_form(data):
        return None
    try:
        for _ in iter_points(data, source=path):
            pass
    except DamagedError as err:
        return err.message
    return None


def _with(repo: Repo, oids: Collection[str], commits: Sequence[Commit]) -> Iterator[tuple[str, str]]:
    """Find the records that have one of some files as a history."""
    for commit, _ in commits:
        with suppress(DamagedError):  # a partial clone lacks its tree
            held = {entry.oid for entry in repo.git.list_tree(commit, run_tree.HISTORY)}
            yield from ((commit, oid) for oid in oids if oid in held)
