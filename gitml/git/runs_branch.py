"""The branch that holds the runs, and whether it is gitml's."""

from __future__ import annotations

from gitml.errors import RefusedError
from gitml.formats import commit_message
from gitml.git.repo import CommitInfo, GitRepo

RUNS_REF = "refs/heads/gitml/runs"
_NEAR = 100  # commits


class ForeignBranchError(RefusedError):
    """The runs branch was made by something else, or added to; gitml neither reads nor writes it."""

    exit_code = 2

    def __init__(self, commit: str, ours: str | None = None) -> None:
        """Name the commit that is not gitml's, and the last one below it that is."""
        super().__init__(
            f"the branch 'gitml/runs' holds commit '{commit[:12]}', which gitml did not make",
            hint="rename that branch, then run the command again: git branch -m gitml/runs NEW-NAME"
            if ours is None
            else "keep what it adds elsewhere and put the branch back to the last record: "
            f"git update-ref refs/heads/gitml/runs {ours[:12]}",
        )
        self.commit = commit


def refuse_foreign(git: GitRepo, tip: CommitInfo) -> None:
    """Make sure that a tip of the branch is a record, or joins histories of records.

    Raises:
        ForeignBranchError: It was made by something else.
    """
    if not _is_ours(tip):
        raise ForeignBranchError(tip.id, _last_of_ours(git, tip))


def _is_ours(commit: CommitInfo) -> bool:
    return commit_message.is_ours(commit.message, commit.parents)


def _last_of_ours(git: GitRepo, tip: CommitInfo) -> str | None:
    """Find the record that somebody committed on top of, if it is near."""
    for _ in range(_NEAR):
        if not tip.parents:
            return None
        tip = git.commit_info(tip.parents[0])
        if _is_ours(tip):
            return tip.id
    return None


def refuse_foreign_branch(git: GitRepo) -> None:
    """Make sure that what is on the branch is gitml's.

    Raises:
        ForeignBranchError: It was made by something else.
    """
    tip = git.tip(RUNS_REF)
    if tip is not None:
        refuse_foreign(git, git.commit_info(tip))
