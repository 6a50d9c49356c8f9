"""Start CI for promotions that were pushed, where the code has a workflow for it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from gitml.formats.ci_ref import GITHUB_WORKFLOW, GITLAB_WORKFLOW, trigger_of
from gitml.git.remote import RefResult, RefUpdate, Remote
from gitml.repo import Repo

_WORKFLOWS = (GITHUB_WORKFLOW, GITLAB_WORKFLOW)
_BRANCHES = ("HEAD", "main", "master")
_FEW = 3  # GitHub starts nothing for more tags of one push


def push_triggers(
    repo: Repo, remote: Remote, refs: Iterable[str], *, dry_run: bool = False
) -> list[RefResult]:
    """Push the tag that starts CI for each promotion among `refs`.

    Nothing happens where the remote's default branch, as it is known here, has no workflow.

    Args:
        repo: The repository.
        remote: The remote, which has the promotions.
        refs: Tags of the registry.
        dry_run: Only ask what would happen.
    """
    triggers = iter([trigger for ref in refs if (trigger := trigger_of(ref))])
    commit: str | None = None
    results: list[RefResult] = []
    while batch := list(islice(triggers, _FEW)):
        commit = commit or code_with_workflow(repo, remote.name)
        if commit is None:
            return []
        results += remote.push([RefUpdate(trigger, commit) for trigger in batch], dry_run=dry_run)
    return results


def code_with_workflow(repo: Repo, remote: str) -> str | None:
    """Find the tip of a remote's default branch, if it has a workflow for promotions."""
    if remote not in repo.settings.remotes:
        return None
    tips = (repo.git.tip(f"refs/remotes/{remote}/{branch}") for branch in _BRANCHES)
    commit = next((tip for tip in tips if tip is not None), None)
    if commit is None or not any(repo.git.read_path(commit, path) is not None for path in _WORKFLOWS):
        return None
    return commit
