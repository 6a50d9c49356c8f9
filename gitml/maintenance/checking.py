"""`gitml fsck`: is everything there, and is it what it should be?

Without `repair` nothing changes but the index, which is a cache. No network is used but
for remotes that are named, or for what is to be repaired.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from gitml.entities.artifact import Pointer
from gitml.errors import DamagedError, GitmlError
from gitml.maintenance import leftovers
from gitml.maintenance.check_curves import check_curves
from gitml.maintenance.check_git import check_git
from gitml.maintenance.check_index import index_problem, rebuild
from gitml.maintenance.check_objects import (
    ObjectsChecked,
    check_objects,
    object_problems,
    put_aside,
    who_has,
)
from gitml.maintenance.check_records import judge, unjudged
from gitml.maintenance.collecting import DEFAULT_AGE_S
from gitml.maintenance.problems import Area, Checked, Problem, Severity
from gitml.maintenance.references import References, find_references, record_tips
from gitml.maintenance.stored import remove_object
from gitml.progress import Advance, Reach
from gitml.repo import Repo
from gitml.sync.objects import fetch_objects, likely_remotes
from gitml.sync.partial import completeness
from gitml.tracking.commit import rescue_orphans

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FsckOptions:
    """How to check.

    Attributes:
        quick: Look at objects' sizes only, do not read them.
        full: Let git check all of its objects too.
        ask: Remotes to ask for what is missing; none for no network.
        repair: Repair what can be repaired.
    """

    quick: bool = False
    full: bool = False
    ask: tuple[str, ...] = ()
    repair: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told how far it is."""

    inspected: Reach | None = None
    hashed: Advance | None = None
    fetched: Advance | None = None
    indexed: Reach | None = None


def check(repo: Repo, options: FsckOptions = FsckOptions(), told: Told = Told()) -> Checked:
    """Check a repository, and repair it if that is asked for."""
    problems = list(_live(repo, repair=options.repair))
    git = check_git(repo, full=options.full, progress=told.inspected)
    problems += git.problems
    notes = list(completeness(repo).notes)
    found = References((), (), frozenset(), 0)
    objects = ObjectsChecked()
    if git.whole:
        found = find_references(repo)
        objects = check_objects(repo, found, hash_content=not options.quick, progress=told.hashed)
        problems += _objects(repo, found, objects, options, told, notes)
        problems += _index(repo, told)
        findings = [*git.findings, *check_curves(repo, record_tips(repo), git.commits)]
        records = judge(repo, findings, git.commits, repair=options.repair)
    else:
        records = unjudged(git.findings)
        notes.append("objects and index were not checked: git can't say which runs there are")
    problems += records.problems
    notes += records.notes
    notes += _foreign_tags(git.foreign)
    problems += _leftovers(repo, repair=options.repair)
    return Checked(tuple(problems), len(git.commits), len(found.in_use), objects.bytes_read, tuple(notes))


def _foreign_tags(foreign: Mapping[str, str]) -> list[str]:
    return [
        f"tag '{ref.removeprefix('refs/tags/')}' counts for nothing: {reason}; "
        f"git tag -d {shlex.quote(ref.removeprefix('refs/tags/'))} removes it"
        for ref, reason in foreign.items()
    ]


def _live(repo: Repo, *, repair: bool) -> Iterator[Problem]:
    rescued = set(rescue_orphans(repo)) if repair else set()
    for run_id in [*sorted(rescued), *repo.journal.ids()]:
        if run_id in rescued or repo.journal.is_orphaned(run_id):
            yield Problem(
                Area.LIVE, Severity.UNTIDY, f"run {run_id[:8]} lost its process before it ended",
                "gitml gc", repaired=run_id in rescued,
            )  # fmt: skip
            continue
        try:
            repo.journal.read(run_id)
        except GitmlError as err:
            yield Problem(
                Area.LIVE, Severity.DAMAGED, f"live run {run_id[:8]} can't be read: {err}",
                f"its files are in {repo.journal.folder(run_id)}",
            )  # fmt: skip


def _objects(
    repo: Repo, found: References, checked: ObjectsChecked, options: FsckOptions, told: Told, notes: list[str]
) -> list[Problem]:
    wrong = [*checked.damaged, *checked.missing]
    if not options.repair:
        having = None
        if options.ask and wrong:
            having, troubles = who_has(repo, options.ask, wrong)
            notes += troubles
        return object_problems(repo, found, checked, having)
    aside = {pointer.oid for pointer in checked.damaged if _set_aside(repo, pointer)}
    remotes = options.ask or tuple(likely_remotes(repo))
    fetched = fetch_objects(repo, wrong, remotes=remotes, progress=told.fetched)
    reasons = {failure.pointer.oid: str(failure.error) for failure in fetched.failed}
    # What a remote still has is not lost, whatever kept it from coming; bytes that arrived wrong are no help.
    waiting = [failure.pointer for failure in fetched.failed if not isinstance(failure.error, DamagedError)]
    having = who_has(repo, remotes, waiting)[0] if waiting else {}
    for pointer in checked.untidy:
        remove_object(repo, pointer.oid)
    return [
        _after_repair(repo, problem, reasons, aside, having)
        for problem in object_problems(repo, found, checked, None)
    ]


def _set_aside(repo: Repo, pointer: Pointer) -> bool:
    if repo.objects.has(pointer.oid):
        put_aside(repo, pointer)
        return True
    return False


def _after_repair(
    repo: Repo, problem: Problem, reasons: dict[str, str], aside: set[str], having: dict[str, tuple[str, ...]]
) -> Problem:
    oid = problem.oid or ""
    if problem.severity is Severity.UNTIDY or (oid not in reasons and repo.objects.has(oid)):
        return replace(problem, repaired=True)
    where = f"; its bytes are in {repo.root / 'damaged' / oid}" if oid in aside else ""
    hint = reasons.get(oid, "no remote has it") + where
    if problem.severity is Severity.MISSING and oid in having:
        return replace(problem, hint=hint, where=having[oid])
    return replace(problem, severity=Severity.DAMAGED, hint=hint, where=())


def _index(repo: Repo, told: Told) -> Iterator[Problem]:
    problem = index_problem(repo, told.indexed)
    if problem is not None:
        rebuild(repo, told.indexed)
        yield Problem(
            Area.INDEX,
            Severity.DAMAGED,
            f"the index was wrong: {problem}",
            "it was built anew",
            repaired=True,
        )


def _leftovers(repo: Repo, *, repair: bool) -> Iterator[Problem]:
    of_bundles, refs = leftovers.of_bundles(repo)
    for ref, oid in refs.items():
        if repair:
            repo.git.move_ref(ref, oid, None)
        yield Problem(
            Area.LEFTOVERS, Severity.UNTIDY, f"{ref} was left by a process that was killed",
            "gitml gc", repaired=repair,
        )  # fmt: skip
    for leftover in leftovers.leftovers(repo, parts_age_s=DEFAULT_AGE_S) + of_bundles:
        if repair:
            leftovers.remove(leftover)
        yield Problem(
            Area.LEFTOVERS, Severity.UNTIDY, f"{leftover.path} was left by a process that was killed",
            "gitml gc", repaired=repair,
        )  # fmt: skip
