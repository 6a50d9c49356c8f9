"""`gitml gc`: what can go, and what is only put in order.

Nothing that a run needs goes, unless a remote was named that has it, and was asked. Each
object goes by one `unlink`, so that a process which is killed in between leaves a sound
repository, and the next one goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from gitml.entities.artifact import Pointer
from gitml.maintenance import leftovers as leftover_files
from gitml.maintenance import owners, packing
from gitml.maintenance.leftovers import Leftover
from gitml.maintenance.references import References, find_references, live_references
from gitml.maintenance.stored import Stored, remove_object, status_of, stored_objects
from gitml.repo import Repo
from gitml.sync.objects import missing_there
from gitml.tracking.commit import rescue_orphans

DEFAULT_AGE_S = 14 * 86_400.0


@dataclass(frozen=True, slots=True)
class GcOptions:
    """What to remove.

    Attributes:
        dry_run: Only tell.
        older_than_s: Leave objects that were written or used since so long.
        pushed_to: Also drop objects of runs that this remote has.
        caches: Also drop what can be made anew.
        repack: Repack however few loose objects there are.
    """

    dry_run: bool = False
    older_than_s: float = DEFAULT_AGE_S
    pushed_to: str | None = None
    caches: bool = False
    repack: bool = False


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed (of a dry run: would be), and what was not.

    Attributes:
        rescued: Runs whose processes died, committed with all they logged.
        unreferenced: Objects that nothing pointed at.
        purged: Objects that their runs purged, here or elsewhere.
        offloaded: Objects of runs that are at the remote too.
        kept_young: Objects that nothing points at, not old enough to go.
        not_there: Objects of runs that the remote lacks; they stay.
        leftovers: Temporary files of processes that were killed.
        studies: Optuna's studies of sweeps that are finished.
        stray_refs: Refs of processes that were killed.
        caches: Caches.
        packed: Loose objects that went into a pack.
        refs_packed: Whether refs were put into one file.
        notes: What could not be judged, and why.
    """

    rescued: tuple[str, ...] = ()
    unreferenced: tuple[Stored, ...] = ()
    purged: tuple[Stored, ...] = ()
    offloaded: tuple[Stored, ...] = ()
    kept_young: int = 0
    not_there: int = 0
    leftovers: tuple[Leftover, ...] = ()
    studies: tuple[Leftover, ...] = ()
    stray_refs: tuple[str, ...] = ()
    caches: tuple[Leftover, ...] = ()
    packed: int = 0
    refs_packed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def freed(self) -> int:
        """How many bytes went."""
        objects = (*self.unreferenced, *self.purged, *self.offloaded)
        files = (*self.leftovers, *self.studies, *self.caches)
        return sum(one.size for one in objects) + sum(one.size for one in files)


def collect(repo: Repo, options: GcOptions = GcOptions()) -> Collected:
    """Put a repository in order.

    Args:
        repo: The repository.
        options: What to remove.

    Raises:
        DamagedError: git lacks something, so nobody can tell what is needed; nothing was removed.
        RemoteError: The remote that was named can't be asked; nothing was removed.
    """
    return _Collection(repo, options).run()


class _Collection:
    """One pass."""

    def __init__(self, repo: Repo, options: GcOptions) -> None:
        self._repo = repo
        self._options = options
        self._cutoff_s = time.time() - options.older_than_s
        self._notes: list[str] = []

    def run(self) -> Collected:
        """First find out everything, then remove."""
        repo, options = self._repo, self._options
        rescued = [i for i in repo.journal.ids() if repo.journal.is_orphaned(i)]
        if not options.dry_run:
            rescued = rescue_orphans(repo)
        found = find_references(repo)
        unreferenced, young = self._unreferenced(found)
        purged = self._purged(found)
        offloaded, not_there = self._at_the_remote(found)
        of_bundles, stray_refs = leftover_files.of_bundles(repo)
        old_files = leftover_files.leftovers(repo, parts_age_s=options.older_than_s) + of_bundles
        studies = leftover_files.of_sweeps(repo)
        caches = leftover_files.caches(repo) if options.caches else []
        if not options.dry_run:
            unreferenced = self._drop(unreferenced)
            purged = self._drop(purged, whatever_age=True)
            offloaded = self._drop(offloaded)
            self._drop_files(old_files + studies, caches)
            for ref, oid in stray_refs.items():
                repo.git.move_ref(ref, oid, None)
        packed, refs_packed = self._pack()
        return Collected(
            tuple(rescued), tuple(unreferenced), tuple(purged), tuple(offloaded), young, not_there,
            tuple(old_files), tuple(studies), tuple(stray_refs), tuple(caches), packed, refs_packed,
            tuple(self._notes),
        )  # fmt: skip

    def _unreferenced(self, found: References) -> tuple[list[Stored], int]:
        """Find old objects that no run and no file in git points at."""
        repo = self._repo
        held = found.in_use.keys() | found.given_up.keys()
        free = [pointer.oid for pointer in stored_objects(repo) if pointer.oid not in held]
        reason = owners.why_not_ours(repo) if free else None
        if reason is not None:
            self._notes.append(f"{len(free):,} objects that no run needs are kept: {reason}")
            return [], 0
        pointed = owners.pointed_at(repo.git) if free else set()
        candidates = list(self._statuses(oid for oid in free if oid not in pointed))
        old = [one for one in candidates if one.changed_s <= self._cutoff_s]
        return old, len(candidates) - len(old)

    def _purged(self, found: References) -> list[Stored]:
        here = list(self._statuses(found.given_up))
        used = owners.used_by_files(self._repo) if here else set()
        kept = sum(one.oid in used for one in here)
        if kept:
            self._notes.append(f"{kept:,} purged objects are kept: files of your own have the same content")
        return [one for one in here if one.oid not in used]

    def _at_the_remote(self, found: References) -> tuple[list[Stored], int]:
        """Find objects of runs that the remote surely has: it is asked for each."""
        remote = self._options.pushed_to
        if remote is None:
            return [], 0
        live = {one.pointer.oid for one in found.live}
        here = {
            one.oid: one
            for one in self._statuses(oid for oid in found.in_use if oid not in live)
            if one.size == found.in_use[one.oid].size and one.changed_s <= self._cutoff_s
        }
        lacking = {pointer.oid for pointer in missing_there(self._repo, remote, self._pointers(found, here))}
        used = owners.used_by_files(self._repo) if here else set()
        kept = sum(oid in used for oid in here)
        if kept:
            self._notes.append(f"{kept:,} objects are kept: files of your own have the same content")
        going = [one for oid, one in here.items() if oid not in lacking and oid not in used]
        return going, len(lacking)

    @staticmethod
    def _pointers(found: References, here: Iterable[str]) -> list[Pointer]:
        """All pointers to objects: one of each kind, where both kinds point at the same content."""
        wanted = set(here)
        return list(dict.fromkeys(one.pointer for one in found.records if one.pointer.oid in wanted))

    def _statuses(self, oids: Iterable[str]) -> Iterable[Stored]:
        statuses = (status_of(self._repo, oid) for oid in oids)
        return (status for status in statuses if status is not None)

    def _drop(self, going: list[Stored], *, whatever_age: bool = False) -> list[Stored]:
        """Remove objects, but not what a run has begun to use since we looked."""
        if not going:
            return []
        live = {one.pointer.oid for one in live_references(self._repo)}
        limit = None if whatever_age else self._cutoff_s
        return [
            one
            for one in going
            if one.oid not in live and remove_object(self._repo, one.oid, unless_since_s=limit)
        ]

    def _drop_files(self, old_files: list[Leftover], caches: list[Leftover]) -> None:
        if caches:
            self._repo.close()  # nothing may be open that goes
        for leftover in (*old_files, *caches):
            leftover_files.remove(leftover)

    def _pack(self) -> tuple[int, bool]:
        repo = self._repo
        before = packing.counts(repo).loose
        wanted = self._options.repack or before > packing.MANY_LOOSE
        many_refs = packing.has_many_loose_refs(repo)
        if self._options.dry_run:
            return before if wanted else 0, many_refs
        if wanted:
            packing.repack(repo)
        if many_refs:
            packing.pack_refs(repo)
        return before - packing.counts(repo).loose if wanted else 0, many_refs
