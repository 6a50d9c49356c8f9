"""Looking at commits before they join the runs: only reading, nothing executed.

Whoever lets commits in from outside asks here: a pull, the hook of a server, a
bundle. The rules are those of docs/format.md. A commit that breaks one of them
would not harm a reader, which checks again, but it would be there for ever.

A record of a kind that is not known here is refused: a kind is part of the format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple
from itertools import islice
from typing import TYPE_CHECKING, Any

from gitml.git.repo import GitRepo
from gitml.progress import Reach
from gitml.sync.findings import Finding, Limits, UnsoundRecordsError

if TYPE_CHECKING:
    from gitml.index.helper import PlainGit
    from gitml.index.records import Record
    from gitml.sync.inspection import OnPointer

Commit = tuple[str, tuple[str, ...]]
OnRecords = Callable[["Sequence[Record]"], None]

_CHUNK = 1700  # commits; each chunk starts git about seven times
_MANY = 1000


def inspect(
    git: GitRepo,
    commits: Iterable[Commit],
    *,
    limits: Limits | None = None,
    on_pointer: OnPointer | None = None,
) -> Iterator[Finding]:
    """Find what is not sound about commits that are about to join the runs.

    Args:
        git: The repository that has them.
        commits: The commits, each with its parents; their own parents are not looked at.
        limits: How large things may be.
        on_pointer: Told commit, path and pointer of each pointer that is met.

    Yields:
        What breaks a rule; nothing if all is well.

    Raises:
        GitStoppedError: An object is damaged.
    """
    from gitml.sync.inspection import Inspection  # 20 ms, and a push mostly needs none

    inspection = Inspection(git, limits or Limits(), on_pointer)
    waiting = iter(commits)
    while chunk := list(islice(waiting, _CHUNK)):
        yield from inspection.check([commit for commit, _ in chunk])


def inspect_or_refuse(
    git: GitRepo,
    commits: Sequence[Commit],
    source: str,
    progress: Reach | None = None,
    *,
    limits: Limits | None = None,
    on_records: OnRecords | None = None,
) -> None:
    """Make sure that commits may join the runs.

    Args:
        git: The repository that has them.
        commits: The commits, each with its parents.
        source: Where they came from, for the message.
        progress: Told how many of how many were looked at.
        limits: How large things may be.
        on_records: Given the records of the commits, in their order, as long as all are sound.

    Raises:
        UnsoundRecordsError: At least one breaks a rule.
        GitStoppedError: An object is damaged.
    """
    from gitml.index.collector import collector_paused

    findings: list[Finding] = []
    done = 0
    with collector_paused():
        for found, records in _inspected(git, [commit for commit, _ in commits], limits or Limits()):
            done += len(records)
            findings += found[: _MANY - len(findings)]
            if on_records and not findings:
                on_records(records)
            if progress:
                progress(done, len(commits))
    if findings:
        raise UnsoundRecordsError(source, findings)


_Inspected = tuple[list[Finding], "list[Record]"]


def _inspected(git: GitRepo, commits: Sequence[str], limits: Limits) -> Iterator[_Inspected]:
    """Inspect commits chunk by chunk; gives findings and records of each chunk.

    Of many commits a second process does every other chunk, while this one does the
    one behind it. Neither then waits long for the other.
    """
    from gitml.index.helper import helper_at, name_of

    chunks = [commits[start : start + _CHUNK] for start in range(0, len(commits), _CHUNK)]
    inspector = _Inspector(git, limits)
    job = (name_of(git), astuple(limits), [list(chunk) for chunk in chunks[::2]])
    with helper_at(__name__, job, len(commits)) as answers:
        for start in range(0, len(chunks), 2):
            behind = [inspector.inspect(chunk) for chunk in chunks[start + 1 : start + 2]]
            answer = next(answers, None)
            yield _read_answer(answer) if answer is not None else inspector.inspect(chunks[start])
            yield from behind


def _read_answer(answer: tuple[Any, Any]) -> _Inspected:
    from gitml.index.helper import from_plain

    findings, records = answer
    return [Finding(*finding) for finding in findings], [from_plain(record) for record in records]


class _Inspector:
    """Inspects chunks of commits, and keeps what it reads of them."""

    def __init__(self, git: GitRepo, limits: Limits) -> None:
        from gitml.sync.inspection import Inspection

        self._records: dict[str, Record] = {}
        self._inspection = Inspection(git, limits, on_record=self._records.__setitem__)

    def inspect(self, commits: Sequence[str]) -> _Inspected:
        from gitml.index.records import NO_RECORD

        findings = list(islice(self._inspection.check(commits), _MANY))
        records = [self._records.get(commit, NO_RECORD) for commit in commits]
        self._records.clear()
        return findings, records


def work(git: PlainGit, limits: tuple[int, ...], chunks: Sequence[Sequence[str]]) -> None:
    """Be the helper of an inspection."""
    from gitml.index.helper import answering, as_plain, open_git

    inspector = _Inspector(open_git(git), Limits(*limits))
    with answering() as (send, _):
        for chunk in chunks:
            findings, records = inspector.inspect(chunk)
            send(([astuple(finding) for finding in findings], [as_plain(record) for record in records]))
