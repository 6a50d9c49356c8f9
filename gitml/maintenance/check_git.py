"""Refs, commits and files in git: are they there, and are they records?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gitml.errors import DamagedError, GitmlError
from gitml.maintenance.problems import Area, Problem, Severity
from gitml.progress import Reach
from gitml.repo import RUNS_REF, Repo
from gitml.sync.findings import Finding
from gitml.sync.inspect import Commit, inspect
from gitml.sync.partial import completeness
from gitml.sync.receive_tags import foreign_tags
from gitml.sync.seen import TAGS, record_refs

_CHUNK = 2000
_REFETCH = "fetch it from a clone or remote that has it: git fetch --refetch REMOTE gitml/runs"


@dataclass
class GitChecked:
    """What was found.

    Attributes:
        problems: What is not as it should be, but for what was found in records.
        findings: What is not sound in records.
        commits: Those that were inspected, each with its parents, parents before children.
        whole: Whether all histories can be walked.
        foreign: Tags that count for nothing, and why; where they lead was not looked at.
    """

    problems: list[Problem] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    commits: Sequence[Commit] = ()
    whole: bool = True
    foreign: Mapping[str, str] = field(default_factory=dict)


def check_git(repo: Repo, *, full: bool, progress: Reach | None = None) -> GitChecked:
    """Look at everything that refs of runs lead to.

    Connectivity is checked from gitml's refs alone (`git rev-list --objects`): a
    repository's other branches may be large, and are not what was asked about. The
    content of records is read on the way. Hashes of all of git's objects are `git
    fsck`'s work, which takes minutes on large repositories: it is done when `full` is set.

    Args:
        repo: The repository.
        full: Also run `git fsck` over all of the repository.
        progress: Told how many of how many commits were inspected.
    """
    checked = GitChecked()
    tips = list(_check_refs(repo, checked))
    if tips:
        lost = list(_check_connected(repo, tips, checked))
        if not lost and checked.whole:  # git itself stops at a ref that leads nowhere
            _check_records(repo, tips, checked, progress)
        checked.whole = checked.whole and not lost
    if full:
        checked.problems += _git_fsck(repo)
    return checked


def _check_refs(repo: Repo, checked: GitChecked) -> Iterator[str]:
    """Find where the histories of runs end; tags that are none of the registry's may lead anywhere."""
    tips: dict[str, None] = {}
    refs = record_refs(repo)
    tags = {ref: oid for ref, oid in refs.items() if ref.startswith(TAGS) and repo.git.has_object(oid)}
    checked.foreign = foreign_tags(repo.git, tags)
    for ref, oid in refs.items():
        if ref in checked.foreign:
            continue
        if repo.git.has_object(oid):
            tips[oid] = None
            continue
        checked.whole = False
        other = "" if ref == RUNS_REF else f"; git update-ref -d {ref} forgets it, a fetch brings it again"
        checked.problems.append(
            Problem(
                Area.GIT, Severity.DAMAGED, f"'{ref}' points at '{oid[:12]}', which git does not have",
                _REFETCH + other, oid,
            )
        )  # fmt: skip
    yield from tips


def _check_connected(repo: Repo, tips: list[str], checked: GitChecked) -> Iterator[str]:
    """Walk from the tips to every file; what a partial clone lacks on purpose is not missed."""
    partial = completeness(repo).promisors
    arguments = ["rev-list", "--objects", "--quiet", "--stdin"]
    arguments.append("--exclude-promisor-objects" if partial else "--missing=print")
    status, out, err = repo.git.process.run_status(arguments, input="".join(f"{t}\n" for t in tips).encode())
    if status != 0:
        reason = next((line for line in err.splitlines() if line), "git rev-list failed")
        checked.problems.append(
            Problem(
                Area.GIT,
                Severity.DAMAGED,
                f"git can't walk the runs: {reason.removeprefix('fatal: ')}",
                _REFETCH,
            )
        )
        yield ""
    for line in out.decode().splitlines():
        if line.startswith("?"):
            oid = line[1:]
            checked.problems.append(
                Problem(
                    Area.GIT,
                    Severity.DAMAGED,
                    f"git lacks object '{oid[:12]}' or can't read it",
                    _REFETCH,
                    oid,
                )
            )
            yield oid


def _check_records(repo: Repo, tips: list[str], checked: GitChecked, progress: Reach | None) -> None:
    commits = list(repo.git.rev_list(tips))
    checked.commits = commits
    for start in range(0, len(commits), _CHUNK):
        chunk = commits[start : start + _CHUNK]
        try:
            checked.findings += inspect(repo.git, chunk)
        except DamagedError as err:
            checked.whole = False
            checked.problems.append(Problem(Area.GIT, Severity.DAMAGED, str(err), _REFETCH))
        if progress:
            progress(start + len(chunk), len(commits))


def _git_fsck(repo: Repo) -> Iterator[Problem]:
    """Let git look at all that it has."""
    status, out, err = repo.git.process.run_status(["fsck", "--full", "--no-dangling", "--no-progress"])
    lines = [line for line in (out.decode("utf-8", "replace") + err).splitlines() if line.strip()]
    if status == 0:
        return
    yield from (Problem(Area.GIT, Severity.DAMAGED, f"git fsck: {line}", _REFETCH) for line in lines[:100])
    if not lines:
        raise GitmlError(f"git fsck ended with status {status} and said nothing")
