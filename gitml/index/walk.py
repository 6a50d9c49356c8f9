"""The commits that the index has not seen, and which of them descend from which.

In a history without merges the later commit descends from the earlier one. With
merges that has to be found out, and asking git for every run that has several
records would cost 5 ms each. Two numbers a commit answer nearly all of it:

- `chain`: commits of one chain follow each other directly;
- `base`: every commit numbered up to here is an ancestor, because when it was
  walked all open ends of the history had come together.

What they don't decide is asked of git.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gitml.errors import DamagedError
from gitml.git.repo import GitRepo

Commit = tuple[str, str, tuple[str, ...]]  # its id, its tree, its parents
IN_PROCESS = 50  # commits; beyond, starting git costs less than reading one by one


class Place(NamedTuple):
    """Where a commit stands in the walk."""

    commit: str
    n: int
    base: int
    chain: int

    def surely_follows(self, earlier: Place) -> bool:
        """Whether it descends from a commit walked before; False means only 'ask git'."""
        return earlier.n <= self.base or earlier.chain == self.chain


def unseen_commits(git: GitRepo, old: str | None, tip: str) -> tuple[list[Commit], str | None]:
    """List what is new since the last walk, parents before children.

    Returns:
        The commits, and the old tip they continue from: None if the branch
        does not contain it any more, then the list is the whole branch.
    """
    near = _near_commits(git, old, tip)
    if near is not None:
        return near
    if old is not None and git.has_object(old):
        commits = commits_between(git, tip, [old])
        if any(old in parents for _, _, parents in commits):
            return commits, old
    return commits_between(git, tip), None


def commits_between(git: GitRepo, tip: str, known: Sequence[str] = ()) -> list[Commit]:
    """List what a tip contains and known commits do not, parents before children.

    By git, which has each commit open and can name its tree: asking later costs it two seconds more.
    """
    out = git.process.run(
        ["rev-list", "--topo-order", "--reverse", "--no-commit-header", "--format=%H %T %P", "--stdin"],
        input="".join(f"{line}\n" for line in (tip, *(f"^{commit}" for commit in known))).encode(),
    )
    return [(line[0], line[1], tuple(line[2:])) for line in map(str.split, out.decode().splitlines())]


def _near_commits(git: GitRepo, old: str | None, tip: str) -> tuple[list[Commit], str | None] | None:
    """Walk back a few commits in process; None where only git knows."""
    commits: list[Commit] = []
    commit = tip
    while len(commits) < IN_PROCESS:
        try:
            info = git.commit_info(commit)
        except DamagedError:  # a shallow clone ends before history does
            return None
        parents = info.parents
        commits.append((commit, info.tree, parents))
        if parents in ((), (old,)):
            commits.reverse()
            return commits, old if parents else None
        if len(parents) > 1:
            return None
        commit = parents[0]
    return None


class Walk:
    """Numbers commits as they are walked, continuing where the index ended."""

    def __init__(self, connection: sqlite3.Connection, old: str | None) -> None:
        """Continue after `old`, or begin with nothing seen."""
        self._connection = connection
        self._places: dict[str, Place] = {}
        self._ends = {old} if old else set()
        # The last commit of each chain that may still grow.
        self._tails: dict[int, str] = {}
        self._n = 0
        self._continues = old is not None
        if old:
            place = self._place(old)
            self._n = place.n  # a tip is walked last
            self._tails[place.chain] = old

    def _place(self, commit: str) -> Place:
        place = self._places.get(commit)
        if place is None:
            row = self._find(commit) if self._continues else None
            # A shallow clone has commits whose parents it lacks.
            place = Place(*row) if row else Place(commit, 0, 0, 0)
        return place

    def _find(self, commit: str) -> tuple[str, int, int, int] | None:
        found: tuple[str, int, int, int] | None = self._connection.execute(
            "SELECT commit_id, n, base, chain FROM history WHERE commit_id = ?", (commit,)
        ).fetchone()
        return found

    def add(self, commit: Commit) -> Place:
        """Number the next commit; its parents come before it."""
        oid, _, parents = commit
        self._n += 1
        before = [self._place(parent) for parent in parents]
        chain = next((p.chain for p in before if self._tails.get(p.chain) == p.commit), self._n)
        self._tails[chain] = oid
        self._ends.difference_update(parents)
        self._ends.add(oid)
        base = self._n if len(self._ends) == 1 else max((p.base for p in before), default=0)
        place = self._places[oid] = Place(oid, self._n, base, chain)
        return place


def newest(git: GitRepo, places: Iterable[Place]) -> list[str]:
    """Those commits that no other one of them descends from, sorted."""
    heads: list[Place] = []
    for place in sorted(places, key=lambda place: -place.n):
        if not any(head.surely_follows(place) for head in heads):
            heads.append(place)
    return sorted(
        git.independent([head.commit for head in heads]) if len(heads) > 1 else [h.commit for h in heads]
    )


def common_base(git: GitRepo, places: Iterable[Place], heads: Sequence[str]) -> list[str]:
    """The newest commits among those that all heads descend from, sorted."""
    known = list(places)
    tips = [place for place in known if place.commit in heads]
    return newest(
        git,
        [
            place
            for place in known
            if place.commit not in heads
            and all(
                (tip.n > place.n) and (tip.surely_follows(place) or git.is_ancestor(place.commit, tip.commit))
                for tip in tips
            )
        ],
    )


def places(connection: sqlite3.Connection, column: str, value: object) -> list[Place]:
    """The records of one run (`run_n`) , experiment (`experiment_id`) or model (`model_id`), oldest first."""
    rows = connection.execute(
        f"SELECT commit_id, n, base, chain FROM history WHERE {column} = ? ORDER BY n",  # noqa: S608
        (value,),
    )
    return [Place(*row) for row in rows]
