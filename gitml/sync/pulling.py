"""Fetching and pulling: a remote's runs and tags come in, are checked and joined.

What is fetched is kept apart until it was inspected: a remote that sends something
else than runs changes nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gitml.git.remote import Progress, Remote
from gitml.repo import RUNS_REF, Repo
from gitml.sync.inspect import inspect_or_refuse
from gitml.sync.join import check_ours, join_runs
from gitml.sync.partial import bring_contents
from gitml.sync.seen import Seen, places, seen
from gitml.sync.tags import TagClash, adopt_tags

Inspected = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch found.

    Attributes:
        remote: The remote's name.
        before: What was known of it.
        after: What is known now.
        new: Records that this repository's own branch does not have yet.
    """

    remote: str
    before: Seen
    after: Seen
    new: int

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
        tip: Where the branch is now; None if there are no runs.
    """

    fetched: Fetched
    records: int
    joined: bool
    tags: tuple[str, ...]
    clashes: tuple[TagClash, ...]
    tip: str | None


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
    after = seen(repo, remote)
    return Fetched(remote, before, after, len(_new_records(repo, after.tips)))


def pull(
    repo: Repo,
    remote: str,
    *,
    progress: Progress | None = None,
    inspected: Inspected | None = None,
    options: Sequence[str] = (),
) -> Pulled:
    """Fetch, and join what came into this repository's runs.

    Args:
        repo: The repository.
        remote: The remote's name, or a URL.
        progress: Told phase, done and total of the fetch.
        inspected: Told how many of how many new commits are inspected.
        options: More options of `git fetch`.

    Raises:
        RemoteUnreachableError: It can't be read.
        ForeignHistoryError: Its branch was made by something else.
        UnsoundRecordsError: Something that came is no sound record; nothing was joined.
    """
    fetched = fetch(repo, remote, progress=progress, options=options)
    return take_in(repo, fetched, inspected=inspected)


def take_in(repo: Repo, fetched: Fetched, *, inspected: Inspected | None = None) -> Pulled:
    """Join what was fetched."""
    tips = fetched.after.tips
    for tip in tips:
        check_ours(repo, fetched.remote, tip)
    before = repo.git.tip(RUNS_REF)
    new = _new_commits(repo, tips)
    bring_contents(repo, fetched.remote, [commit for commit, _ in new])
    inspect_or_refuse(repo.git, new, fetched.remote, inspected)
    after = join_runs(repo, tips) if tips else before
    made, clashes = adopt_tags(repo, fetched.after.tags)
    return Pulled(
        fetched,
        sum(len(parents) < 2 for _, parents in new),
        after is not None and after != before and after not in tips,
        tuple(made),
        tuple(clashes),
        after,
    )


def _new_commits(repo: Repo, tips: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    local = repo.git.tip(RUNS_REF)
    if not tips or set(tips) == {local}:
        return []
    return list(repo.git.rev_list(tips, [local] if local else []))


def _new_records(repo: Repo, tips: Sequence[str]) -> list[str]:
    return [commit for commit, parents in _new_commits(repo, tips) if len(parents) < 2]
