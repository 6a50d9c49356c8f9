"""A project's code, where it is or laid out in a fresh folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitml.entities.run import CodeState
from gitml.errors import NotARepositoryError, UsageError
from gitml.execution.sources.objects import bring_tree
from gitml.execution.sources.source import Source
from gitml.execution.target import FolderNotFoundError, Target
from gitml.git.repo import GitRepo
from gitml.launching.launch import ShowProgress, no_progress
from gitml.repo import Repo
from gitml.tracking.capture import capture_code

_IN_NO_REPOSITORY = "all code: the project's folder is in no git repository"


@contextmanager
def open_source(
    repo: Repo,
    target: Target,
    version: str | None,
    *,
    cache: Path,
    recurse_submodules: bool = False,
    progress: ShowProgress = no_progress,
) -> Iterator[Source]:
    """Have a project's code ready to be run.

    A folder without a version is used as it is. Everything else is a commit that is
    laid out in a fresh folder, which is removed at the end; its tree is copied into the
    repository that the run is recorded in, and nothing else of it: no commit, no ref.

    Args:
        repo: Where the run is recorded.
        target: Where the project is.
        version: Branch, tag, or short or full commit; None: a folder as it is, or the
            remote's default branch.
        cache: The user's cache folder, see `execution/cache.py`.
        recurse_submodules: Whether submodules of code that is laid out are laid out too.
        progress: Shows how far fetching and laying out is.

    Raises:
        VersionNotFoundError: There is no such version, or several.
        SourceUnreachableError: The remote can't be asked.
        FolderNotFoundError: The project's folder is not there.
        RefusedError: The code can't be laid out safely.
    """
    if target.folder is None or version is not None:
        raise NotImplementedError
    yield _in_place(repo, target.folder, target.subdirectory)


def _in_place(repo: Repo, folder: Path, subdirectory: str) -> Source:
    here = (folder / subdirectory).resolve()
    if not here.is_dir():
        raise FolderNotFoundError(folder / subdirectory)
    try:
        git = GitRepo.discover(here)
    except NotARepositoryError:
        return Source(here, here, "", CodeState(left_out=(_IN_NO_REPOSITORY,)), None, None)
    if git.work_tree is None:
        raise UsageError(
            f"'{here}' is a bare repository, which has no files to run",
            hint="give a version, and it is laid out: -v main",
        )
    root = git.work_tree.resolve()
    inside = here.relative_to(root)
    directory = "" if inside == Path() else inside.as_posix()
    return Source(here, root, directory, _captured(repo, git), None, None)


def _captured(repo: Repo, git: GitRepo) -> CodeState | None:
    """The state of a work tree that is not the one of the repository that records; None for that one."""
    if git.git_dir == repo.git.git_dir:
        return None
    settings = repo.settings
    state = capture_code(git, settings.code, max_file_size=settings.snapshot_limit)
    if state.tree is not None:
        bring_tree(git, repo, state.tree)
    return state
