"""Objects: is each that a run points at here, and is it what its name says?"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gitml.entities.artifact import Pointer
from gitml.errors import GitmlError
from gitml.maintenance.problems import Area, Problem, Severity
from gitml.maintenance.references import References
from gitml.progress import Advance
from gitml.repo import Repo
from gitml.store.local import hash_stream
from gitml.sync.objects import likely_remotes, missing_there


@dataclass
class ObjectsChecked:
    """What was found.

    Attributes:
        damaged: Objects whose bytes are wrong.
        missing: Objects that are not here.
        untidy: Purged objects that still are.
        bytes_read: Bytes that were hashed.
    """

    damaged: list[Pointer] = field(default_factory=list)
    missing: list[Pointer] = field(default_factory=list)
    untidy: list[Pointer] = field(default_factory=list)
    bytes_read: int = 0


def check_objects(
    repo: Repo, found: References, *, hash_content: bool = True, progress: Advance | None = None
) -> ObjectsChecked:
    """Look at each object once.

    Args:
        repo: The repository.
        found: What points at objects.
        hash_content: Read them, and not only look at their sizes.
        progress: Called with the number of bytes done since the last call.
    """
    checked = ObjectsChecked()
    for pointer in _sizes_differ(found):
        checked.damaged.append(pointer)
    for oid, pointer in found.in_use.items():
        path = repo.objects.path(oid)
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            checked.missing.append(pointer)
            continue
        if size != pointer.size or not path.is_file():
            checked.damaged.append(pointer)
        elif hash_content:
            with path.open("rb", buffering=0) as stream:
                content, length = hash_stream(stream, progress)
            checked.bytes_read += length
            if content != oid:
                checked.damaged.append(pointer)
    checked.untidy += [pointer for oid, pointer in found.given_up.items() if repo.objects.has(oid)]
    return checked


def _sizes_differ(found: References) -> Iterator[Pointer]:
    """Pointers to one object can't both be right if they give different sizes."""
    seen: dict[str, int] = {}
    for one in found.records:
        if seen.setdefault(one.pointer.oid, one.pointer.size) != one.pointer.size:
            yield one.pointer


def put_aside(repo: Repo, pointer: Pointer) -> Path:
    """Move a damaged object out of the store: whoever looks for it finds it missing, not wrong."""
    folder = repo.root / "damaged"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / pointer.oid
    os.replace(repo.objects.path(pointer.oid), target)
    return target


def who_has(
    repo: Repo, remotes: Sequence[str], pointers: Sequence[Pointer]
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Ask remotes which of them have objects; one that can't be asked may have them all.

    Returns:
        Object id to remotes, and what went wrong with those that could not be asked.
    """
    having: dict[str, list[str]] = {}
    troubles: list[str] = []
    for remote in remotes:
        try:
            lacking = {pointer.oid for pointer in missing_there(repo, remote, pointers)}
        except GitmlError as err:
            troubles.append(f"'{remote}' could not be asked: {err}")
            lacking = set()
        for pointer in pointers:
            if pointer.oid not in lacking:
                having.setdefault(pointer.oid, []).append(remote)
    return {oid: tuple(names) for oid, names in having.items()}, troubles


def object_problems(
    repo: Repo, found: References, checked: ObjectsChecked, having: dict[str, tuple[str, ...]] | None
) -> list[Problem]:
    """Say what is wrong with objects.

    Args:
        repo: The repository.
        found: What points at them.
        checked: What was found.
        having: Which remotes have them, if they were asked.
    """
    users: dict[str, str] = {}
    for one in (*found.records, *found.live):
        users[one.pointer.oid] = f"{one.path} of run {one.run_id[:8]}"
    may_have = tuple(likely_remotes(repo))
    problems = []
    for pointer in checked.damaged:
        where = may_have if having is None else having.get(pointer.oid, ())
        problems.append(
            Problem(
                Area.OBJECTS, Severity.DAMAGED, f"object {pointer.oid[:12]} is not what its name says ({users[pointer.oid]})",
                "gitml fsck --repair puts it aside and fetches it again" if where else "no remote is known to have it",
                pointer.oid, where=where,
            )
        )  # fmt: skip
    for pointer in checked.missing:
        where = may_have if having is None else having.get(pointer.oid, ())
        hint = "it is lost, unless another clone has it" if not where else ""
        severity = Severity.MISSING if where else Severity.DAMAGED
        problems.append(
            Problem(
                Area.OBJECTS,
                severity,
                f"object {pointer.oid[:12]} is not here ({users[pointer.oid]})",
                hint,
                pointer.oid,
                where=where,
            )
        )
    problems += [
        Problem(
            Area.OBJECTS,
            Severity.UNTIDY,
            f"object {p.oid[:12]} was purged and is still here",
            "gitml gc",
            p.oid,
        )
        for p in checked.untidy
    ]
    return problems
