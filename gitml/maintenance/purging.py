"""`gitml purge`: an artifact's bytes go wherever gitml can reach them, a tombstone stays.

The pointer stays in the run, so hashes, commit ids and signatures hold; the tombstone
says who dropped the bytes, when and why. It is recorded first: whatever breaks off
later, the purge can be repeated, and `gitml gc` of every clone finishes it there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from gitml.entities.artifact import Pointer, Purge
from gitml.entities.run import Run
from gitml.errors import GitmlError, NotFoundError, RefusedError, UsageError
from gitml.formats import names, run_tree
from gitml.formats.purge import encode_purge, purge_path
from gitml.maintenance.owners import used_by_files
from gitml.maintenance.references import Reference, References, find_references
from gitml.maintenance.stored import managed, remove_object
from gitml.repo import Repo
from gitml.store.base import RemoteStore
from gitml.store.incoming import PART_PREFIX
from gitml.sync.stores import open_remote_store
from gitml.tracking.edit import write_record
from gitml.tracking.history import RunNotFoundError, get_run
from gitml.tracking.purges import of_records
from gitml.tracking.redaction import redacted_text
from gitml.tracking.values import clean_text

_ARTIFACTS = run_tree.ARTIFACTS + "/"


class SharedContentError(RefusedError):
    """Others have the same content."""

    def __init__(self, plan: Plan) -> None:
        others = [f"run {run_id[:8]}" for run_id in plan.sharers]
        others += ["files of your own, kept by Git LFS"] if plan.used_by_files else []
        super().__init__(
            f"the same content is in {', '.join(others[:10])}" + (", …" if len(others) > 10 else ""),
            hint="--force drops it from all of them",
        )
        self.plan = plan


@dataclass(frozen=True, slots=True)
class Plan:
    """What a purge would do.

    Attributes:
        pointers: The objects, a pointer of each kind there is.
        runs: Runs that get tombstones: id to the objects and the paths they have there.
        sharers: Those of the runs that were not named.
        used_by_files: Objects that files of the user's own need too.
        inline: Files that are in git itself, which a purge can't drop.
    """

    pointers: tuple[Pointer, ...]
    runs: dict[str, dict[str, tuple[str, ...]]]
    sharers: tuple[str, ...] = ()
    used_by_files: frozenset[str] = frozenset()
    inline: tuple[str, ...] = ()

    @property
    def oids(self) -> list[str]:
        """The objects, each once."""
        return list(dict.fromkeys(pointer.oid for pointer in self.pointers))

    @property
    def size(self) -> int:
        """Their bytes, each once."""
        return sum({pointer.oid: pointer.size for pointer in self.pointers}.values())


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge did.

    Attributes:
        plan: What it was to do.
        recorded: Runs that got a tombstone now.
        here: Objects that were removed from the local store.
        there: Store to how many objects were removed from it.
        left: Store that can't remove objects to those that it still has.
        troubles: Store or remote to why it could not be reached.
    """

    plan: Plan
    recorded: tuple[str, ...]
    here: tuple[str, ...]
    there: dict[str, int]
    left: dict[str, tuple[str, ...]]
    troubles: dict[str, GitmlError]


# What would go


def plan_for_run(repo: Repo, run: Run, paths: Sequence[str] = ()) -> Plan:
    """Choose the artifacts of a run, earlier versions of them included.

    Args:
        repo: The repository.
        run: The run.
        paths: Files or folders of the run; all if none is given.

    Raises:
        NotFoundError: The run has no such artifact.
        RefusedError: The run is live, or what is meant is all in git itself.
    """
    if run.live:
        raise RefusedError(
            f"run '{run.id[:8]}' is still live", hint=f"end it first: gitml runs finish {run.id[:8]}"
        )
    wanted = [names.artifact_tree_path(names.check_artifact_path(path)) for path in paths]
    found = find_references(repo)
    own = [one for one in found.records if one.run_id == run.id and _is_meant(one, wanted)]
    inline = _inline(repo, run, wanted)
    for path in wanted:
        if not any(
            _is_below(name, path) for name in [*(one.path.removeprefix(_ARTIFACTS) for one in own), *inline]
        ):
            raise NotFoundError(
                f"run '{run.id[:8]}' has no artifact '{names.artifact_name(path)}'",
                hint=f"gitml artifacts list {run.id[:8]}",
            )
    if not own:
        what = "what you named" if paths else "every artifact"
        raise RefusedError(
            f"{what} of run '{run.id[:8]}' is kept in git itself, which a purge can't drop"
            if inline
            else f"run '{run.id[:8]}' has no artifacts",
            hint="only rewriting history removes it; 'Remove data for good' in the documentation says what that costs"
            if inline
            else None,
        )
    return _plan(repo, found, {one.pointer.oid for one in own}, [run.id], inline)


def plan_for_object(repo: Repo, oid: str) -> Plan:
    """Choose an object by its id, or the beginning of it, in whatever runs have it.

    Raises:
        UsageError: It is no object id, or fits several objects.
        NotFoundError: No run has it.
    """
    if not 8 <= len(oid) <= 64 or set(oid) - set("0123456789abcdef"):
        raise UsageError(
            f"'{oid:.80}' is no object id", hint="8 to 64 digits, as gitml artifacts list --json shows"
        )
    found = find_references(repo)
    matches = sorted({one.pointer.oid for one in found.records if one.pointer.oid.startswith(oid)})
    if not matches:
        raise NotFoundError(
            f"no run has an object '{oid}'", hint="gitml artifacts list RUN --json shows the ids"
        )
    if len(matches) > 1:
        raise UsageError(f"{len(matches)} objects begin with '{oid}'", hint="give more digits")
    runs = {one.run_id for one in found.records if one.pointer.oid == matches[0]}
    return _plan(repo, found, set(matches), sorted(runs), ())


def _is_meant(one: Reference, wanted: Sequence[str]) -> bool:
    name = one.path.removeprefix(_ARTIFACTS)
    return one.path.startswith(_ARTIFACTS) and (not wanted or any(_is_below(name, path) for path in wanted))


def _is_below(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}/")


def _inline(repo: Repo, run: Run, wanted: Sequence[str]) -> tuple[str, ...]:
    from gitml.tracking.history import list_artifacts

    plain = [names.artifact_tree_path(a.path) for a in list_artifacts(repo, run) if a.pointer is None]
    return tuple(name for name in plain if not wanted or any(_is_below(name, path) for path in wanted))


def _plan(repo: Repo, found: References, oids: set[str], named: Sequence[str], inline: Sequence[str]) -> Plan:
    having = [one for one in found.records if one.pointer.oid in oids]
    live = {one.run_id for one in found.live if one.pointer.oid in oids}
    if live:
        raise RefusedError(
            f"run '{min(live)[:8]}', which is still live, has the same content", hint="end it first"
        )
    runs: dict[str, dict[str, tuple[str, ...]]] = {}
    for one in having:
        paths = runs.setdefault(one.run_id, {}).get(one.pointer.oid, ())
        runs[one.run_id][one.pointer.oid] = tuple(dict.fromkeys((*paths, one.path)))
    sharers = [
        run_id
        for run_id, held in runs.items()
        if run_id not in named and any((run_id, oid) not in found.purged for oid in held)
    ]
    pointers = tuple(dict.fromkeys(one.pointer for one in having))
    return Plan(pointers, runs, tuple(sharers), frozenset(oids & used_by_files(repo)), tuple(inline))


# Doing it


def purge(repo: Repo, plan: Plan, *, reason: str = "", force: bool = False, local: bool = False) -> Purged:
    """Drop the bytes of objects for good; safe to repeat.

    Args:
        repo: The repository.
        plan: Which ones.
        reason: Why, for everyone who will ask; it is recorded for ever.
        force: Even if other runs or the user's own files have the same content.
        local: Leave remotes alone.

    Raises:
        SharedContentError: Others have the same content and `force` is off; nothing was done.
    """
    if (plan.sharers or plan.used_by_files) and not force:
        raise SharedContentError(plan)
    why = redacted_text("reason", clean_text(reason)) if reason else ""
    runs = [_run_of_ours(repo, run_id) for run_id in plan.runs if run_id]
    recorded = [run.id for run in runs if _bury(repo, run, plan.runs[run.id], why)]
    stores = _Stores(repo, plan)
    if not local:
        stores.drop()
    here = [oid for oid in plan.oids if _drop_here(repo, oid)]
    return Purged(plan, tuple(recorded), tuple(here), stores.there, stores.left, stores.troubles)


def _run_of_ours(repo: Repo, run_id: str) -> Run:
    try:
        return get_run(repo, run_id)
    except RunNotFoundError:
        raise RefusedError(
            f"run '{run_id[:8]}' has the same content, and was fetched but not pulled", hint="gitml pull"
        ) from None


def _bury(repo: Repo, run: Run, held: Iterable[str], reason: str) -> bool:
    """Record tombstones for a run; not for what it purged already."""
    heads, _ = repo.index.heads(run.id)
    known = of_records(repo.git, heads)
    now = time.time_ns() // 1_000_000
    new = {
        purge_path(oid): encode_purge(Purge(oid, now, repo.settings.author, reason))
        for oid in held
        if oid not in known
    }
    if not new:
        return False
    write_record(repo, run, f"purged {len(new)} artifact" + ("s" if len(new) > 1 else ""), new)
    return True


def _drop_here(repo: Repo, oid: str) -> bool:
    for part in (repo.objects.root / "tmp").glob(f"{PART_PREFIX}{oid}*"):
        part.unlink(missing_ok=True)
    for damaged in (repo.root / "damaged").glob(f"{oid}*"):
        damaged.unlink(missing_ok=True)
    return remove_object(repo, oid)


class _Stores:
    """The stores of all remotes, each asked once."""

    def __init__(self, repo: Repo, plan: Plan) -> None:
        self._repo = repo
        self._plan = plan
        self.there: dict[str, int] = {}
        self.left: dict[str, tuple[str, ...]] = {}
        self.troubles: dict[str, GitmlError] = {}

    def drop(self) -> None:
        """Remove the objects wherever that is possible."""
        for lfs in (True, False):
            group = [pointer for pointer in self._plan.pointers if pointer.lfs == lfs]
            remotes = list(self._repo.settings.remotes) if lfs else ["the artifact store"]
            for remote in remotes if group else ():
                try:
                    with closing(open_remote_store(self._repo, remote, lfs=lfs, url=None)) as store:
                        self._drop_from(store, group)
                except GitmlError as err:
                    self.troubles[remote] = err

    def _drop_from(self, store: RemoteStore, group: Sequence[Pointer]) -> None:
        removing = managed(store)
        if removing is not None:
            self.there[store.name] = sum(removing.delete(pointer.oid) for pointer in group)
            return
        lacking = {pointer.oid for pointer in store.missing(group)}
        held = tuple(pointer.oid for pointer in group if pointer.oid not in lacking)
        if held:
            self.left[store.name] = held
