"""Runs that a plain `git clone` or `git fetch` brought along: git makes no branch of them."""

from __future__ import annotations

from contextlib import suppress

from gitml.errors import GitmlError
from gitml.progress import Reach
from gitml.repo import RUNS_REF, Repo
from gitml.sync.pulling import Fetched, take_in
from gitml.sync.seen import Seen, seen


def begin_branch(repo: Repo, inspected: Reach | None = None) -> bool:
    """Begin the runs branch of a clone where its remote's stands, as the first pull would; no network is used.

    What is there is inspected first, as anything that comes from a remote. Where it is
    unsound, or nothing can be written here, all stays as it is: a pull then tells why.

    Args:
        repo: The repository.
        inspected: Told how many of how many records are inspected.

    Returns:
        Whether there is a branch now that there was not.
    """
    if repo.git.tip(RUNS_REF) is not None:
        return False
    for remote in sorted(repo.settings.remotes, key=lambda name: name != "origin"):
        runs = seen(repo, remote).runs
        if runs is not None:
            with suppress(GitmlError, OSError):
                take_in(repo, Fetched(remote, Seen(), Seen(runs), 0), inspected=inspected)
                return repo.git.tip(RUNS_REF) is not None
    return False
