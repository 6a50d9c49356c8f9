"""Which objects the runs of a repository point at, from everything that gitml keeps.

Records of all branches, remotes, inboxes and registry tags count, and live runs too:
an object that any of them needs is in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gitml.entities.artifact import Pointer
from gitml.errors import DamagedError
from gitml.formats.pointer import MAX_BYTES, decode_pointer
from gitml.journal import read_file
from gitml.repo import Repo
from gitml.sync.objects import held_by, purged_by, run_ids
from gitml.sync.seen import record_refs


@dataclass(frozen=True, slots=True)
class Reference:
    """A place that points at an object.

    Attributes:
        run_id: The run; "" where a record says nothing of one.
        path: In the run's tree.
        pointer: The object.
        commit: The record; None of a live run.
    """

    run_id: str
    path: str
    pointer: Pointer
    commit: str | None


@dataclass(frozen=True)
class References:
    """All that points at objects.

    Attributes:
        records: What records point at, parents before children.
        live: What live runs point at.
        purged: Run id and object id of what runs purged.
        commits: How many commits were looked at.
    """

    records: tuple[Reference, ...]
    live: tuple[Reference, ...]
    purged: frozenset[tuple[str, str]]
    commits: int

    @cached_property
    def in_use(self) -> dict[str, Pointer]:
        """Objects that something needs, by id; not those that all their runs purged."""
        return {
            one.pointer.oid: one.pointer for one in (*self.records, *self.live) if not self.is_purged(one)
        }

    @cached_property
    def given_up(self) -> dict[str, Pointer]:
        """Objects that all their runs purged, by id."""
        held = {one.pointer.oid: one.pointer for one in self.records}
        return {oid: pointer for oid, pointer in held.items() if oid not in self.in_use}

    def is_purged(self, reference: Reference) -> bool:
        """Whether a run dropped what it points at for good."""
        return reference.commit is not None and (reference.run_id, reference.pointer.oid) in self.purged


def record_tips(repo: Repo) -> list[str]:
    """List the commits that histories of runs end in.

    Raises:
        DamagedError: A ref points at something that git does not have.
    """
    refs = record_refs(repo)
    for ref, oid in refs.items():
        if not repo.git.has_object(oid):
            raise DamagedError(
                f"'{ref}' points at '{oid[:12]}', which git does not have", hint="gitml fsck says more"
            )
    return list(dict.fromkeys(refs.values()))


def find_references(repo: Repo) -> References:
    """Look through all records and live runs.

    Raises:
        DamagedError: A ref points at something that git does not have.
    """
    tips = record_tips(repo)
    commits = [c for c, parents in repo.git.rev_list(tips) if len(parents) < 2] if tips else []
    held = held_by(repo.git, commits)
    holding = list(dict.fromkeys(one.commit for one in held))
    runs = run_ids(repo.git, holding)
    records = tuple(Reference(runs[one.commit], one.path, one.pointer, one.commit) for one in held)
    gone = purged_by(repo.git, holding)
    purged = frozenset((runs[commit], oid) for commit, oids in gone.items() for oid in oids)
    return References(records, tuple(live_references(repo)), purged, len(commits))


def live_references(repo: Repo) -> list[Reference]:
    """List what live runs point at."""
    found = []
    for run_id in repo.journal.ids():
        for path, entry in repo.journal.files(run_id):
            pointer = _pointer_in(Path(entry.path))
            if pointer is not None:
                found.append(Reference(run_id, path, pointer, None))
    return found


def _pointer_in(path: Path) -> Pointer | None:
    try:
        return decode_pointer(read_file(str(path))) if path.stat().st_size < MAX_BYTES else None
    except FileNotFoundError:  # the run ended while we looked: then its record was there before
        return None
