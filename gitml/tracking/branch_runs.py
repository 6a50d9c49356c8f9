"""The runs of a branch that is to be merged, and the run of its base that they are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gitml.entities.run import Run, RunStatus
from gitml.errors import NotFoundError
from gitml.index import Query
from gitml.repo import Repo
from gitml.tracking import history
from gitml.tracking.direction import lower_is_better


@dataclass(frozen=True, slots=True)
class BranchRuns:
    """The runs of a branch.

    Attributes:
        base: The commit that it is to be merged into.
        head: Its last commit.
        commits: How many commits it has beside the base's.
        runs: Runs that were made from these, newest first.
        candidate: The one of them that is compared: the best by the metric asked for, else the newest.
        against: The run of the base that it is compared with, chosen the same way.
        metric: The metric that chose them.
    """

    base: str
    head: str
    commits: int
    runs: tuple[Run, ...]
    candidate: Run | None
    against: Run | None
    metric: str | None = None


def branch_runs(repo: Repo, base: str, head: str, metric: str | None = None) -> BranchRuns:
    """Find the runs that were made from the commits of a branch.

    Args:
        repo: The repository.
        base: What it is to be merged into: a branch, tag or commit.
        head: The branch.
        metric: What runs are chosen by, best first; the newest ones if not given.

    Raises:
        NotFoundError: git knows no such commit.
    """
    old, new = _commit(repo, base), _commit(repo, head)
    own = {commit for commit, _ in repo.git.rev_list(new, [old])}
    before = {commit for commit, _ in repo.git.rev_list(old)}
    history.refresh(repo)
    runs = [run for run in history.search(repo, Query()) if run.code.commit is not None]
    ours = tuple(run for run in runs if run.code.commit in own)
    theirs = [run for run in runs if run.code.commit in before]
    return BranchRuns(old, new, len(own), ours, _chosen(ours, metric), _chosen(theirs, metric), metric)


def _commit(repo: Repo, name: str) -> str:
    commit = repo.git.resolve_commit(name)
    if commit is None:
        raise NotFoundError(
            f"git knows no commit '{name}'", hint="git fetch brings it; in CI, fetch the whole history"
        )
    return commit


def _chosen(runs: Sequence[Run], metric: str | None) -> Run | None:
    """The best by a metric, or the newest; runs that did not end well come last."""
    done = [run for run in runs if run.status is RunStatus.FINISHED] or list(runs)
    if metric is None:
        return done[0] if done else None
    values = [(run.metrics[metric].last, run) for run in done if metric in run.metrics]
    known = [(value, run) for value, run in values if value == value]
    sign = 1 if lower_is_better(metric) else -1
    return min(known, key=lambda pair: sign * pair[0])[1] if known else None
