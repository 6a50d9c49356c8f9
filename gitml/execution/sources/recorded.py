"""The code of a run that is recorded, as one that submodules can be found from."""

from __future__ import annotations

from gitml.entities.run import Run
from gitml.execution.sources.submodules import Origin, is_local
from gitml.repo import Repo


def recorded_origin(repo: Repo, run: Run, tree: str) -> Origin:
    """Say where a run's code came from, which URLs of submodules can be relative to.

    Args:
        repo: The repository that has the code.
        run: The run.
        tree: The code.
    """
    uri = run.project.uri if run.project is not None else None
    here = repo.git.work_tree or repo.git.common_dir
    url = uri or run.code.remote or here.as_uri()
    return Origin(repo.git, tree, url, is_local(url))


def had_submodules(run: Run) -> bool:
    """Whether a run had its submodules: it asked for them, or ran in a work tree, which has them."""
    project = run.project
    if project is None or project.submodules:
        return True
    return project.uri is None and project.version is None
