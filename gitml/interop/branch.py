"""Many records at once: all commits chained, the branch moved once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from gitml.errors import ConflictError
from gitml.git.packs import packing
from gitml.git.repo import GitRepo
from gitml.git.runs_branch import refuse_foreign
from gitml.repo import RUNS_REF, Repo
from gitml.tracking.commit import remote_tips

_ATTEMPTS = 20
_LOOSE_UP_TO = 50  # commits that are not worth a pack of their own


class Record(NamedTuple):
    """A record that is to be appended: its tree, which is stored already, and its message."""

    tree: str
    message: str


def append_records(repo: Repo, records: Sequence[Record], reason: str) -> None:
    """Put records on top of the runs branch, in their order.

    All of them or, on an error, none become part of the branch. Safe from many
    processes at once: where another one was faster, only the commits are made anew.

    Args:
        repo: The repository.
        records: What to append; their trees are durable.
        reason: For the reflog.

    Raises:
        ConflictError: Others moved the branch too many times in a row.
        ForeignBranchError: The branch was made by something else.
    """
    if not records:
        return
    with repo.journal.branch_lock():
        for _ in range(_ATTEMPTS):
            tip = repo.git.tip(RUNS_REF)
            base = next(iter(remote_tips(repo).values()), None) if tip is None else tip
            now = time.time_ns() // 1_000_000_000
            if base is not None:
                parent = repo.git.commit_info(base)
                refuse_foreign(repo.git, parent)
                # A clock that runs backwards must not put a child before its parent.
                now = max(now, parent.time_ms // 1000)
            if repo.git.move_ref(RUNS_REF, tip, _write(repo, records, base, now), reason):
                return
    raise ConflictError(RUNS_REF, _ATTEMPTS)


def _write(repo: Repo, records: Sequence[Record], base: str | None, now: int) -> str:
    author = repo.settings.author
    if len(records) <= _LOOSE_UP_TO:
        return _chain(repo.git, records, base, author, now)
    with packing(repo.git) as packer:
        return _chain(packer, records, base, author, now)


def _chain(git: GitRepo, records: Sequence[Record], base: str | None, author: str, now: int) -> str:
    for record in records:
        parents = [base] if base else []
        base = git.write_commit(record.tree, parents, record.message, author=author, time_s=now)
    assert base is not None, "there is at least one record"  # noqa: S101 - the caller made sure
    return base
