"""Histories of metrics: is each of their lines a point?

Nobody looks into them when runs join, because they are most of what runs are: whoever
reads one checks it, and so does `gitml fsck`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gitml.errors import DamagedError
from gitml.formats import run_tree
from gitml.formats.history import has_form, iter_points
from gitml.formats.pointer import decode_pointer
from gitml.maintenance.problems import Area, Problem, Severity
from gitml.repo import Repo
from gitml.sync.objects import run_ids
from gitml.sync.partial import completeness

_HINT = "what else the run has is readable; log the metric again to have it right"


def check_curves(repo: Repo, tips: Sequence[str]) -> Iterator[Problem]:
    """Find histories that can't be read; those behind pointers too, if their objects are here.

    Args:
        repo: The repository.
        tips: Where the histories of runs end.
    """
    paths = _histories(repo, tips) if tips else {}
    contents = repo.git.process.cat_objects(paths)
    for (oid, path), found in zip(paths.items(), contents, strict=True):
        trouble = _trouble(repo, path, found[1]) if found is not None else None
        if trouble is not None:
            commit = _first_with(repo, tips, oid)
            run_id = run_ids(repo.git, [commit])[commit] if commit else ""
            yield Problem(
                Area.RECORDS, Severity.DAMAGED, f"run {run_id[:8]}: {trouble}", _HINT, commit
            )  # fmt: skip


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


def _first_with(repo: Repo, tips: Sequence[str], oid: str) -> str | None:
    """Find the oldest record that has a file."""
    out = repo.git.process.run(
        ["log", "--format=%H", "--reverse", f"--find-object={oid}", *tips, "--", run_tree.HISTORY]
    )
    return next(iter(out.decode().split()), None)
