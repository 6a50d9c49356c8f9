"""A project's code, where it is or laid out in a fresh folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gitml.entities.run import CodeState
from gitml.errors import NotARepositoryError, NotFoundError, UsageError
from gitml.execution.sources.fetching import CachedRepository
from gitml.execution.sources.layout import GITLINK
from gitml.execution.sources.objects import bring_tree
from gitml.execution.sources.source import Source
from gitml.execution.sources.submodules import Origin, Recurse, is_local, lay_out_whole
from gitml.execution.sources.versions import check_version, local_version
from gitml.execution.sources.workspace import fresh_folder
from gitml.execution.target import FolderNotFoundError, Target, shown
from gitml.git.repo import GitRepo
from gitml.progress import ShowProgress, no_progress
from gitml.repo import Repo
from gitml.store.local import ObjectStore
from gitml.tracking.capture import capture_code
from gitml.tracking.capture.remote import find_remote
from gitml.tracking.secrets import strip_url_credentials

_IN_NO_REPOSITORY = "all code: the project's folder is in no git repository"


class ProjectFolderError(NotFoundError):
    """A commit does not have the project's folder."""

    def __init__(
        self, place: str, commit: str, directory: str, submodule: tuple[str, str] | None = None
    ) -> None:
        super().__init__(
            f"'{shown(place)}' has no folder '{directory}' at commit '{commit[:12]}'",
            hint="give another version with -v, or another folder after '#'"
            if submodule is None
            else f"'{submodule[0]}' is a submodule: run it from its own repository, with -v {submodule[1]}",
        )
        self.commit = commit
        self.directory = directory


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
    if target.folder is not None and version is None:
        yield _in_place(repo, target.folder, target.subdirectory)
        return
    found = (
        _here(target.folder, target.subdirectory, version)
        if target.folder is not None and version is not None
        else _elsewhere(cache, target, version, progress)
    )
    with fresh_folder(cache) as root:
        with closing(found):
            tree = found.tree()
            bring_tree(found.origin.git, repo, tree)
            laid_out = lay_out_whole(
                found.origin, root, (*found.stores, repo.objects),
                cache=cache, recurse=Recurse.ALL if recurse_submodules else Recurse.NONE, progress=progress,
            )  # fmt: skip
        code = CodeState(commit=found.origin.commit, tree=tree, branch=found.branch, remote=found.remote)
        yield Source(
            root / found.directory, root, found.directory, code, found.uri, version,
            laid_out.sentences, submodules=recurse_submodules,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Found:
    """A commit with a project in it.

    Attributes:
        origin: Where it is.
        place: What to call that.
        directory: The project's folder in it.
        branch: The branch that it is the tip of, if it was asked for by that.
        remote: What is recorded as where it can be had.
        uri: The URL that was asked for, without credentials.
        stores: Where the content of its Git LFS pointers may be.
    """

    origin: Origin
    place: str
    directory: str
    branch: str | None
    remote: str | None
    uri: str | None = None
    stores: tuple[ObjectStore, ...] = ()

    def tree(self) -> str:
        """Read the commit's tree, which must have the project's folder."""
        git, commit = self.origin.git, self.origin.commit
        tree = git.commit_info(commit).tree
        entry = git.entry_at(tree, self.directory)
        if entry is None or not entry.is_tree:
            raise ProjectFolderError(self.place, commit, self.directory, self._submodule(tree))
        return tree

    def _submodule(self, tree: str) -> tuple[str, str] | None:
        """The submodule that the project's folder is in: its path and commit."""
        parts = self.directory.split("/")
        for count in range(1, len(parts) + 1):
            entry = self.origin.git.entry_at(tree, "/".join(parts[:count]))
            if entry is not None and entry.mode == GITLINK:
                return entry.path, entry.oid
        return None

    def close(self) -> None:
        """Let go of open files."""
        self.origin.git.close()
        for store in self.stores:
            store.close()


def _elsewhere(cache: Path, target: Target, version: str | None, progress: ShowProgress) -> _Found:
    url = target.url or ""
    repository = CachedRepository(cache, url)
    found = repository.find(version, progress)
    uri = strip_url_credentials(url)
    origin = Origin(repository.git, found.commit, url, is_local(url))
    return _Found(origin, uri, target.subdirectory, found.branch, uri, uri)


def _here(folder: Path, subdirectory: str, version: str) -> _Found:
    here = folder.resolve()
    git = GitRepo.discover(here)
    found = local_version(git, str(folder), check_version(version))
    top = git.work_tree.resolve() if git.work_tree is not None else None
    # In a bare repository, or in the folder of git itself, the project is at the top.
    inside = here.relative_to(top).as_posix() if top is not None and here.is_relative_to(top) else "."
    directory = "/".join(part for part in (inside, subdirectory) if part not in ("", "."))
    remote = find_remote(git, found.branch)
    url = remote or (top or git.common_dir).as_uri()
    origin = Origin(git, found.commit, url, is_local(url))
    return _Found(origin, str(folder), directory, found.branch, remote, None, (Repo(git).objects,))


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
    with closing(git):
        state = capture_code(git, settings.code, max_file_size=settings.snapshot_limit)
        if state.tree is not None:
            bring_tree(git, repo, state.tree)
    return state
