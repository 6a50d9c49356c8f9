"""Fetching and pulling: a remote's runs and tags come in, are checked and joined.

What is fetched is kept apart until it was inspected: a remote that sends something
else than runs changes nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from gitml.git.remote import Progress, Remote
from gitml.progress import Reach
from gitml.repo import RUNS_REF, Repo
from gitml.sync.delivered import note_place
from gitml.sync.findings import Finding, UnsoundRecordsError
from gitml.sync.inspect import Commit, inspect_or_refuse
from gitml.sync.join import ForeignHistoryError, check_ours, join_runs
from gitml.sync.partial import bring_contents, completeness
from gitml.sync.seen import Seen, places, seen
from gitml.sync.settled import Settle, Settled
from gitml.sync.tags import TagClash, adopt_tags
from gitml.sync.way_out import last_sound, way_back


@dataclass(frozen=True, slots=True)
class Walk:
    """Commits that tips bring beside another one, parents before children."""

    beside: str | None = None
    tips: tuple[str, ...] = ()
    commits: Sequence[Commit] = ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch found.

    Attributes:
        remote: The remote's name.
        before: What was known of it.
        after: What is known now.
        new: Records that this repository's own branch does not have yet.
        walk: How those were found.
    """

    remote: str
    before: Seen
    after: Seen
    new: int
    walk: Walk = field(default=Walk(), repr=False, compare=False)

    def new_commits(self, repo: Repo, tips: Sequence[str]) -> Sequence[Commit]:
        """List what tips bring; walked again only if that may be something else by now."""
        if tuple(tips) == self.walk.tips and repo.git.tip(RUNS_REF) == self.walk.beside:
            return self.walk.commits
        return _new_commits(repo, tips)

    @property
    def is_empty(self) -> bool:
        """Whether the remote has no runs and no tags of the registry."""
        return not self.after.tips and not self.after.tags


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull brought.

    Attributes:
        fetched: What was fetched for it.
        records: Records of runs and experiments that joined the branch.
        joined: Whether two histories were joined by a merge commit.
        tags: Tags of the registry that were made here.
        clashes: Tags that are something else there.
        refused: Entries of the inbox that are not sound, and were left where they are.
        settled: Tags of ours that gave way to those of others.
        tip: Where the branch is now; None if there are no runs.
        odd_tags: Tags that are not such as the registry makes, and what is wrong with them; they were left.
    """

    fetched: Fetched
    records: int
    joined: bool
    tags: tuple[str, ...]
    clashes: tuple[TagClash, ...]
    tip: str | None
    refused: tuple[UnsoundRecordsError, ...] = ()
    settled: Settled = field(default_factory=Settled)
    odd_tags: Mapping[str, str] = field(default_factory=dict)


def fetch(
    repo: Repo, remote: str, *, progress: Progress | None = None, options: Sequence[str] = ()
) -> Fetched:
    """Look at a remote: its runs, its inbox and its tags. Changes no branch and no tag here.

    Args:
        repo: The repository.
        remote: The remote's name, or a URL.
        progress: Told phase, done and total.
        options: More options of `git fetch`, such as `--depth=1`.

    Raises:
        RemoteUnreachableError: It can't be read.
        UnsoundObjectsError: It sent malformed objects; nothing was kept.
    """
    before = seen(repo, remote)
    Remote(repo.git.process, remote).fetch(places(repo, remote).refspecs, progress=progress, options=options)
    note_place(repo, remote)
    after = seen(repo, remote)
    walk = Walk(repo.git.tip(RUNS_REF), tuple(after.tips), _new_commits(repo, after.tips))
    return Fetched(remote, before, after, len(_records(walk.commits)), walk)


def pull(
    repo: Repo,
    remote: str,
    *,
    progress: Progress | None = None,
    inspected: Reach | None = None,
    options: Sequence[str] = (),
    settle: Settle | None = None,
) -> Pulled:
    """Fetch, and join what came into this repository's runs.

    Args:
        repo: The repository.
        remote: The remote's name, or a URL.
        progress: Told phase, done and total of the fetch.
        inspected: Told how many of how many new commits are inspected.
        options: More options of `git fetch`.
        settle: Gives way where somebody else's tag has the name of one that was never shared.

    Raises:
        RemoteUnreachableError: It can't be read.
        ForeignHistoryError: Its branch was made by something else.
        UnsoundRecordsError: Something on the branch is no sound record; nothing of it was joined.
    """
    fetched = fetch(repo, remote, progress=progress, options=options)
    return take_in(repo, fetched, inspected=inspected, settle=settle)


def take_in(
    repo: Repo, fetched: Fetched, *, inspected: Reach | None = None, settle: Settle | None = None
) -> Pulled:
    """Join what was fetched.

    Of a remote whose branch is not sound the inbox is still taken, as far as it is sound by
    itself, so that a team can go on. Tags are not: they may be of what did not join.

    Raises:
        ForeignHistoryError: The branch was made by something else.
        UnsoundRecordsError: Something on the branch is no sound record; its hint is the way out.
    """
    try:
        return _take_in(repo, fetched, inspected, settle)
    except UnsoundRecordsError as err:
        tip = fetched.after.runs
        if tip is None:
            raise
        inbox, _ = _sound_inbox(repo, fetched, [], inspected)
        if inbox:
            join_runs(repo, inbox)
        sound = last_sound(tip, fetched.new_commits(repo, [tip]), err.findings)
        taken = "sound runs from the inbox were joined; " if inbox else ""
        raise UnsoundRecordsError(
            err.source, err.findings, taken + way_back(fetched.remote, tip, sound)
        ) from err


def _take_in(repo: Repo, fetched: Fetched, inspected: Reach | None, settle: Settle | None) -> Pulled:
    branch = [fetched.after.runs] if fetched.after.runs else []
    with _inspected_branch(repo, fetched, branch, inspected) as joined:
        inbox, refused = _sound_inbox(repo, fetched, branch, inspected)
        # Before the join: what is said here of a version is then still told from what others say of theirs.
        settled = settle(repo, fetched.after.tags, False) if settle is not None else Settled()
        before = repo.git.tip(RUNS_REF)
        tips = branch + inbox
        records = len(_records(fetched.new_commits(repo, tips)))
        after = join_runs(repo, tips) if tips else before
        joined(after)
    made, clashes, odd = adopt_tags(repo, fetched.after.tags)
    return Pulled(
        fetched,
        records,
        after is not None and after != before and after not in tips,
        tuple(made),
        tuple(clashes),
        after,
        tuple(refused),
        settled,
        odd,
    )


def _inspect(
    repo: Repo, remote: str, tips: Sequence[str], inspected: Reach | None, beside: Sequence[str] = ()
) -> None:
    """Make sure that what tips bring beside other ones may join, and bring what they need here."""
    for tip in tips:
        check_ours(repo, remote, tip)
    new = _new_commits(repo, tips, beside)
    bring_contents(repo, remote, [commit for commit, _ in new])
    inspect_or_refuse(repo.git, new, remote, inspected)


@contextmanager
def _inspected_branch(
    repo: Repo, fetched: Fetched, branch: Sequence[str], inspected: Reach | None
) -> Iterator[Callable[[str | None], None]]:
    """Inspect what the branch brings, and let the index have what is read for that, if it is much.

    Gives what is to be told where the branch is when all has joined.
    """
    for tip in branch:
        check_ours(repo, fetched.remote, tip)
    new = fetched.new_commits(repo, branch)
    bring_contents(repo, fetched.remote, [commit for commit, _ in new])
    ahead = None if completeness(repo).promisors else repo.index.ahead(new)
    if ahead is None:
        inspect_or_refuse(repo.git, new, fetched.remote, inspected)
        yield lambda _: None
        return
    try:
        inspect_or_refuse(repo.git, new, fetched.remote, inspected, on_records=ahead.add)
        yield lambda tip: repo.index.publish(ahead, tip) if tip else None
    finally:
        ahead.close()


def _sound_inbox(
    repo: Repo, fetched: Fetched, branch: Sequence[str], inspected: Reach | None
) -> tuple[list[str], list[UnsoundRecordsError]]:
    """Find the entries of the inbox that may join; a bad one must not keep the others out."""
    waiting = list(dict.fromkeys(fetched.after.inbox.values()))
    try:
        _inspect(repo, fetched.remote, waiting, inspected, branch)
    except (UnsoundRecordsError, ForeignHistoryError):
        pass  # asked again one by one, to know which
    else:
        return waiting, []
    sound: list[str] = []
    refused: list[UnsoundRecordsError] = []
    for tip in waiting:
        try:
            _inspect(repo, f"the inbox of {fetched.remote}", [tip], None, branch)
        except UnsoundRecordsError as err:
            refused.append(err)
        except ForeignHistoryError as err:
            refused.append(UnsoundRecordsError(err.where, [Finding(err.commit, "", "foreign", err.message)]))
        else:
            sound.append(tip)
    return sound, refused


def _new_commits(repo: Repo, tips: Sequence[str], beside: Sequence[str] = ()) -> list[Commit]:
    local = repo.git.tip(RUNS_REF)
    known = [*([local] if local else []), *beside]
    if set(tips) <= set(known):
        return []
    return list(repo.git.rev_list(tips, known))


def _records(commits: Sequence[Commit]) -> list[str]:
    return [commit for commit, parents in commits if len(parents) < 2]
