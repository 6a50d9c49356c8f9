"""Records that can't be read: one must not hide the others, and must not go unnoticed."""

from __future__ import annotations

import warnings
from collections.abc import Collection

from gitml.errors import DamagedError
from gitml.formats import commit_message
from gitml.repo import RUNS_REF, Repo


class DamagedRecordWarning(UserWarning):
    """A run's newest record can't be read, so an older one counts, or the run is not seen at all."""


def warn_of_damage(repo: Repo) -> None:
    """Name the records that can't be read, if no later record of the same run stands over them."""
    problems = [f"{commit[:12]}: {why}" for commit, why in damage(repo)]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        warnings.warn(
            f"the answer leaves out what can't be read on gitml/runs: {problems[0]}{more}; "
            "gitml fsck tells what to do",
            DamagedRecordWarning,
            stacklevel=3,
        )


def damage(repo: Repo) -> list[tuple[str, str]]:
    """List the records that can't be read, commit and problem, and that no later record stands over."""
    found = repo.index.damaged()
    unreadable = {commit for commit, _ in found}
    return [(commit, why) for commit, why in found if not _is_replaced(repo, commit, unreadable)]


def _is_replaced(repo: Repo, commit: str, unreadable: Collection[str]) -> bool:
    """Whether something readable was recorded since of the same run, experiment or model."""
    try:
        said = commit_message.trailers(repo.git.commit_info(commit).message)
    except DamagedError:  # git itself lacks it
        return False
    if commit_message.RUN_ID in said:
        run = repo.index.get(said[commit_message.RUN_ID])
        return run is not None and run.commit is not None and repo.git.is_ancestor(commit, run.commit)
    for key in (commit_message.EXPERIMENT_ID, commit_message.MODEL_ID):
        if key in said:
            trailer = f"{key}: {said[key]}"
            out = repo.git.process.run(
                ["log", "--format=%H", "--fixed-strings", f"--grep={trailer}", "--ancestry-path",
                 f"{commit}..{RUNS_REF}"],
            )  # fmt: skip
            return any(
                commit_message.trailers(repo.git.commit_info(other).message).get(key) == said[key]
                for other in out.decode().split()
                if other not in unreadable
            )
    return False
