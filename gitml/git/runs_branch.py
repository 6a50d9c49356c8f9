"""The branch that holds the runs, and whether it is gitml's."""

from __future__ import annotations

from gitml.errors import RefusedError
from gitml.formats import commit_message
from gitml.git.repo import CommitInfo, GitRepo

RUNS_REF = "refs/heads/gitml/runs"


class ForeignBranchError(RefusedError):
    """The runs branch was made by something else; gitml neither reads nor writes it."""

    def __init__(self, commit: str) -> None:
        super().__init__(
            f"the branch 'gitml/runs' holds commit '{commit[:12]}', which gitml did not make",
            hint="rename that branch, then run the command again: git branch -m gitml/runs NEW-NAME",
        )
        self.commit = commit


def refuse_foreign(tip: CommitInfo) -> None:
    """Make sure that a tip of the branch is a record, or joins histories of records.

    Raises:
        ForeignBranchError: It was made by something else.
    """
    if not commit_message.is_ours(tip.message, tip.parents):
        raise ForeignBranchError(tip.id)


def refuse_foreign_branch(git: GitRepo) -> None:
    """Make sure that what is on the branch is gitml's.

    Raises:
        ForeignBranchError: It was made by something else.
    """
    tip = git.tip(RUNS_REF)
    if tip is not None:
        refuse_foreign(git.commit_info(tip))
