"""Runs that a clone brought along but could not begin its branch with: unsound ones, or it can't be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitml.repo import Repo


def runs_elsewhere(repo: Repo) -> list[str]:
    """Say which remotes have runs while there are none here, and what tells why."""
    from gitml.render.text import clean
    from gitml.repo import RUNS_REF
    from gitml.tracking.commit import remote_tips

    if repo.git.tip(RUNS_REF) is not None:
        return []
    return [f"{clean(remote)} has runs: gitml pull {clean(remote)}" for remote in remote_tips(repo)]
