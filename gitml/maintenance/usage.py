"""`gitml du`: where the bytes are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from gitml.entities.artifact import Pointer
from gitml.formats import names, run_tree
from gitml.index import Query
from gitml.maintenance import packing
from gitml.maintenance.leftovers import disk_use
from gitml.maintenance.packing import Counts
from gitml.maintenance.references import Reference, References, find_references
from gitml.maintenance.stored import stored_objects
from gitml.repo import Repo
from gitml.sync.delivered import FOLDER
from gitml.sync.objects import missing_there
from gitml.tracking.history import refresh

_ARTIFACTS = run_tree.ARTIFACTS + "/"


@dataclass(frozen=True, slots=True)
class Amount:
    """Objects, each counted once; `here` is the part that is in the local store."""

    objects: int = 0
    size: int = 0
    here: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """What belongs to one experiment, run or artifact.

    Attributes:
        name: What it is called.
        id: Of a run or experiment; of an artifact its object id.
        amount: Its objects.
        runs: How many runs have a part in it.
    """

    name: str
    id: str
    amount: Amount
    runs: int = 1


class _Run(NamedTuple):
    name: str
    experiment_id: str
    experiment: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Where the bytes of a repository are.

    Attributes:
        runs: All objects that runs point at.
        other: Objects in the store that no run points at: Git LFS's own, or garbage.
        purged: Objects that were dropped for good.
        git: What git itself holds, code included.
        index: The index's bytes.
        caches: Other caches.
        live: Folders of live runs.
        damaged: Objects that `fsck` put aside.
        experiments: Largest first.
        by_run: Largest first.
        artifacts: Largest first.
        remote: The remote that was asked.
        there: How much of `runs` it has.
    """

    runs: Amount
    other: Amount
    purged: Amount
    git: Counts
    index: int
    caches: int
    live: int
    damaged: int
    experiments: tuple[Share, ...]
    by_run: tuple[Share, ...]
    artifacts: tuple[Share, ...]
    remote: str | None = None
    there: Amount | None = None


def measure(repo: Repo, remote: str | None = None) -> Usage:
    """Add up what a repository holds.

    Args:
        repo: The repository.
        remote: A remote to ask how much of it is there; without one no network is used.
    """
    refresh(repo)
    facts = repo.index.columns(Query(view="all"))  # a tenth of the time that whole runs take
    runs = {
        run_id: _Run(*named)
        for run_id, *named in zip(
            *(facts[key] for key in ("run_id", "name", "experiment_id", "experiment")), strict=True
        )
    }
    found = find_references(repo)
    stored = {pointer.oid: pointer.size for pointer in stored_objects(repo)}
    needed = [one for one in (*found.records, *found.live) if not found.is_purged(one)]
    by_run, by_experiment = _Shares(stored), _Shares(stored)
    for one in needed:
        run = runs.get(one.run_id)
        by_run.add(one.run_id, run.name if run else one.run_id[:8], one)
        if run is not None:
            by_experiment.add(run.experiment_id, run.experiment, one)
    pointers = {one.pointer.oid: one.pointer for one in needed}
    others = stored.keys() - pointers.keys() - found.given_up.keys()
    root = repo.root
    linked: set[int] = set()  # live runs share files with the caches
    index = sum(disk_use(root / name) for name in ("index.sqlite", "index.sqlite-journal"))
    return Usage(
        runs=_amount(pointers.values(), stored),
        other=_amount([Pointer(oid, stored[oid]) for oid in others], stored),
        purged=_amount(found.given_up.values(), stored),
        git=packing.counts(repo),
        index=index,
        caches=sum(
            disk_use(root / name, linked)
            for name in ("hashes.sqlite", "hashes.sqlite-journal", "cache", FOLDER)
        ),
        live=disk_use(repo.journal.live, linked),
        damaged=disk_use(root / "damaged"),
        experiments=by_experiment.largest(),
        by_run=by_run.largest(),
        artifacts=_artifacts(needed, stored),
        remote=remote,
        there=None if remote is None else _there(repo, remote, found),
    )


def _amount(pointers: Iterable[Pointer], stored: dict[str, int]) -> Amount:
    objects = size = here = 0
    for pointer in pointers:
        objects += 1
        size += pointer.size
        here += pointer.size if stored.get(pointer.oid) == pointer.size else 0
    return Amount(objects, size, here)


def _there(repo: Repo, remote: str, found: References) -> Amount:
    pointers = list(found.in_use.values())
    lacking = {pointer.oid for pointer in missing_there(repo, remote, pointers)}
    sizes = [pointer.size for pointer in pointers if pointer.oid not in lacking]
    return Amount(len(sizes), sum(sizes), 0)


class _Shares:
    """Adds up by one thing; the same content twice in it counts once."""

    def __init__(self, stored: dict[str, int]) -> None:
        self._stored = stored
        self._names: dict[str, str] = {}
        self._pointers: dict[str, dict[str, Pointer]] = {}
        self._runs: dict[str, set[str]] = {}

    def add(self, key: str, name: str, one: Reference) -> None:
        self._names[key] = name
        self._pointers.setdefault(key, {})[one.pointer.oid] = one.pointer
        self._runs.setdefault(key, set()).add(one.run_id)

    def largest(self) -> tuple[Share, ...]:
        shares = [
            Share(name, key, _amount(self._pointers[key].values(), self._stored), len(self._runs[key]))
            for key, name in self._names.items()
        ]
        return tuple(sorted(shares, key=lambda share: (-share.amount.size, share.name, share.id)))


def _artifacts(needed: Iterable[Reference], stored: dict[str, int]) -> tuple[Share, ...]:
    shares = _Shares(stored)
    for one in needed:
        is_artifact = one.path.startswith(_ARTIFACTS)
        name = names.artifact_name(one.path.removeprefix(_ARTIFACTS)) if is_artifact else one.path
        shares.add(one.pointer.oid, name, one)
    return shares.largest()
