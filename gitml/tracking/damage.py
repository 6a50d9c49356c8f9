"""Records that can't be read: one must not hide the others, and must not go unnoticed."""

from __future__ import annotations

import warnings

from gitml.errors import DamagedError
from gitml.formats import run_tree, yaml
from gitml.repo import Repo


class DamagedRecordWarning(UserWarning):
    """A run's newest record can't be read, so an older one counts, or the run is not seen at all."""


def warn_of_damage(repo: Repo) -> None:
    """Name the records that can't be read, if no later record of the same run stands over them."""
    problems = [f"{commit[:12]}: {why}" for commit, why in repo.index.damaged() if _counts(repo, commit)]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        warnings.warn(
            f"the answer leaves out what can't be read on gitml/runs: {problems[0]}{more}; "
            "gitml fsck tells what to do",
            DamagedRecordWarning,
            stacklevel=3,
        )


def _counts(repo: Repo, commit: str) -> bool:
    """Whether nothing readable was recorded of the run since."""
    data = repo.git.read_path(commit, run_tree.RUN_FILE) or b""
    try:
        run_id = yaml.load_mapping(data, source=run_tree.RUN_FILE).get("id")
    except DamagedError:
        return True
    run = repo.index.get(run_id) if isinstance(run_id, str) else None
    return run is None or run.commit is None or not repo.git.is_ancestor(commit, run.commit)
