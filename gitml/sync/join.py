"""Joining histories of runs: a merge commit without a work tree.

Every record is a commit of its own, so joining can't conflict: the branch moves to
a commit that has all histories as parents and an empty tree. What a run that was
changed in several of them is now, `index.fold` says, from the records alone.

The joint is made of nothing but its parents, so that two clones that join the same
histories make the same commit, and there is nothing to join between them afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitml.errors import ConflictError, RefusedError
from gitml.formats import commit_message
from gitml.git.repo import GitRepo
from gitml.repo import RUNS_REF, Repo

_ATTEMPTS = 20
_JOINER = "gitml <gitml@localhost>"


class ForeignHistoryError(RefusedError):
    """A branch that should hold runs was made by something else."""

    def __init__(self, where: str, commit: str) -> None:
        super().__init__(
            f"the branch 'gitml/runs' of '{where}' holds commit '{commit[:12]}', which gitml did not make",
            hint="nothing was joined; rename that branch there, and push the runs again",
        )
        self.where = where
        self.commit = commit


def check_ours(repo: Repo, where: str, tip: str) -> None:
    """Make sure that a tip is of a history of runs.

    Raises:
        ForeignHistoryError: It was made by something else.
    """
    commit = repo.git.commit_info(tip)
    if not commit_message.is_ours(commit.message, commit.parents):
        raise ForeignHistoryError(where, tip)


def join_runs(repo: Repo, tips: Sequence[str]) -> str | None:
    """Move the runs branch to a commit that contains it and all `tips`.

    Nothing happens where it contains them already. Safe from many processes at
    once, and safe to repeat: the branch moves by compare-and-swap, only forward.

    Args:
        repo: The repository.
        tips: Commits of histories of runs, inspected by the caller.

    Returns:
        Where the branch is now; None if there are no runs at all.

    Raises:
        ConflictError: Others moved the branch too many times in a row.
    """
    with repo.journal.branch_lock():
        for _ in range(_ATTEMPTS):
            local = repo.git.tip(RUNS_REF)
            joined = join_commits(repo.git, [*([local] if local else []), *tips])
            if joined == local or joined is None:
                return local
            if repo.git.move_ref(RUNS_REF, local, joined, "join runs"):
                return joined
    raise ConflictError(RUNS_REF, _ATTEMPTS)


def join_commits(git: GitRepo, tips: Sequence[str]) -> str | None:
    """Give a commit that contains all tips: one of them where it does, else a new joint."""
    heads = sorted(git.independent(list(dict.fromkeys(tips))))
    if len(heads) < 2:
        return heads[0] if heads else None
    parents = [git.commit_info(head) for head in heads]
    message = f"join {len(heads)} histories of runs\n"
    # As the format wants it: never before a parent. And nobody's clock, so that all clones make the same joint.
    newest_s = max(parent.time_ms for parent in parents) // 1000
    return git.write_commit(git.write_tree({}), heads, message, author=_JOINER, time_s=newest_s)
