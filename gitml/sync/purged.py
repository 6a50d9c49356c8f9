"""Objects that were dropped for good, as far as tombstones tell: they must not come back.

A tombstone is of one run. An object is given up when all runs that point at it have one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from gitml.entities.artifact import Pointer
from gitml.git.repo import GitRepo
from gitml.repo import RUNS_REF, Repo
from gitml.sync.objects import Held, held_by, purged_by, run_ids


def given_up(git: GitRepo, tips: Sequence[str], oids: Collection[str]) -> set[str]:
    """Those of some objects that all runs which have them purged.

    Args:
        git: The repository.
        tips: Where the histories end that are looked at, all of them.
        oids: The objects.
    """
    if not oids:
        return set()
    here = [tip for tip in dict.fromkeys(tips) if git.has_object(tip)]
    records = [commit for commit, parents in git.rev_list(here) if len(parents) < 2] if here else []
    gone = purged_by(git, records)
    named = {oid for found in gone.values() for oid in found}.intersection(oids)
    if not named:
        return set()
    held = [one for one in held_by(git, records) if one.pointer.oid in named]
    runs = run_ids(git, list(dict.fromkeys([*gone, *(one.commit for one in held)])))
    purged = {(runs[commit], oid) for commit, found in gone.items() for oid in found}
    return named - {one.pointer.oid for one in held if (runs[one.commit], one.pointer.oid) not in purged}


def purged_since(
    repo: Repo, commits: Sequence[str], pointers: Iterable[Pointer], tips: Sequence[str] = ()
) -> set[Pointer]:
    """Those of the pointers of some records that all their runs, as they are now, have purged.

    Args:
        repo: The repository.
        commits: The records.
        pointers: What they point at.
        tips: Histories that count besides the branch: those of a remote, say.
    """
    wanted = set(pointers)
    return purged_of(repo, [one for one in held_by(repo.git, commits) if one.pointer in wanted], tips)


def purged_of(repo: Repo, held: Sequence[Held], tips: Sequence[str] = ()) -> set[Pointer]:
    """As `purged_since`, of pointers whose records are known."""
    runs = run_ids(repo.git, list(dict.fromkeys(one.commit for one in held)))
    gone = _purged_here(repo, set(runs.values()))
    for run_id, oids in _purged_beside(repo, tips).items():
        gone.setdefault(run_id, set()).update(oids)
    needed = {one.pointer for one in held if one.pointer.oid not in gone[runs[one.commit]]}
    return {one.pointer for one in held} - needed


def of_older_runs(repo: Repo, held: Sequence[Held], new: Collection[str]) -> set[Pointer]:
    """Those of some pointers that runs have which others know already.

    Nobody can have purged what is in runs that are all new.

    Args:
        repo: The repository.
        held: The pointers.
        new: The records that nobody else knows.
    """
    runs = run_ids(repo.git, list(dict.fromkeys(one.commit for one in held)))
    repo.index.catch_up()
    unknown = set(new)
    older = {run_id for run_id in set(runs.values()) if not unknown.issuperset(repo.index.records(run_id))}
    return {one.pointer for one in held if runs[one.commit] in older}


def _purged_here(repo: Repo, runs: Iterable[str]) -> dict[str, set[str]]:
    repo.index.catch_up()
    heads = {run_id: repo.index.heads(run_id)[0] for run_id in runs}
    found = purged_by(repo.git, [commit for commits in heads.values() for commit in commits])
    return {
        run_id: {oid for commit in commits for oid in found.get(commit, ())}
        for run_id, commits in heads.items()
    }


def _purged_beside(repo: Repo, tips: Sequence[str]) -> dict[str, set[str]]:
    """What records say that are not on the branch: run id to objects."""
    here = repo.git.tip(RUNS_REF)
    tips = [tip for tip in tips if repo.git.has_object(tip)]
    new = (
        [c for c, parents in repo.git.rev_list(tips, [here] if here else []) if len(parents) < 2]
        if tips
        else []
    )
    gone = purged_by(repo.git, new)
    runs = run_ids(repo.git, list(gone))
    found: dict[str, set[str]] = {}
    for commit, oids in gone.items():
        found.setdefault(runs[commit], set()).update(oids)
    return found
