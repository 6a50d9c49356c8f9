"""The source that a run was made from, laid out once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from gitml.entities.run import CodeState, Run
from gitml.errors import DamagedError, GitmlError, NotFoundError, RefusedError, RemoteError
from gitml.execution.cache import cache_dir
from gitml.execution.sources import Source
from gitml.execution.sources.recorded import recorded_origin
from gitml.execution.sources.submodules import EmptySubmodule, Recurse, fetch_submodules, lay_out_whole
from gitml.execution.sources.workspace import fresh_folder
from gitml.execution.target import TargetError
from gitml.progress import ShowProgress
from gitml.repo import Repo
from gitml.tracking.diff import code_tree

_SHORT = 7


class CodeNotRecordedError(RefusedError):
    """It is not known which source the run was made from."""

    def __init__(self, run: Run, why: str, hint: str) -> None:
        super().__init__(f"run '{run.id[:_SHORT]}' can't be done again: {why}", hint=hint)


class CodeNotHereError(NotFoundError):
    """The source is known, and is not in this repository."""

    def __init__(self, run: Run) -> None:
        commit, remote = run.code.commit or run.code.tree, run.code.remote
        super().__init__(
            f"the source of run '{run.id[:_SHORT]}' ({commit}) is not in this repository"
            + (f"; it came from {remote}" if remote else ""),
            hint=f"git fetch {remote} {commit}, or run it from there: gitml run {remote} -v {commit}"
            if remote
            else "git fetch --all",
        )


class SubmodulesNotHereError(RemoteError):
    """A run had submodules that can't be had."""

    def __init__(self, run: Run, err: GitmlError) -> None:
        super().__init__(
            f"run '{run.id[:_SHORT]}' had its submodules, and they can't all be had: {err}",
            hint="if it does not need them: --no-recurse-submodules",
        )


def recorded_code(repo: Repo, run: Run) -> CodeState:
    """Give the state of a run's source, whose tree is in this repository.

    The branch that it came from may be gone: the record of the run holds the tree.

    Raises:
        CodeNotRecordedError: Nothing of it was recorded, or changes were not.
        CodeNotHereError: It is not in this repository.
    """
    code = run.code
    if code.tree is None and code.commit is None:
        why = "its source was not recorded"
        raise CodeNotRecordedError(run, why, "record it next time: gitml config set gitml.code tree")
    if code.tree is None and code.dirty:
        why = f"it was made from commit {str(code.commit)[:_SHORT]} with changes that were not recorded"
        raise CodeNotRecordedError(run, why, f"run that commit as it is: gitml run . -v {code.commit}")
    tree = code_tree(repo, code)
    if tree is None:
        raise CodeNotHereError(run)
    return replace(code, tree=tree)


@contextmanager
def source_again(
    repo: Repo,
    run: Run,
    code: CodeState,
    *,
    environ: Mapping[str, str],
    progress: ShowProgress,
) -> Iterator[tuple[Source, tuple[EmptySubmodule, ...]]]:
    """Lay a run's source out in a fresh folder, which is removed at the end.

    Submodules whose commits are on this machine are laid out with it; those
    that would have to be fetched are left empty, and are given beside it.

    Args:
        repo: Where the run is recorded.
        run: The run.
        code: As `recorded_code` gave it.
        environ: Our environment.
        progress: Shows how many files are done.

    Raises:
        DamagedError: The folder that the program ran in is not in the source.
        RefusedError: The code can't be laid out safely.
    """
    project, cache = run.project, cache_dir(environ)
    with fresh_folder(cache) as fresh:
        root = fresh.resolve()
        laid_out = lay_out_whole(
            recorded_origin(repo, run, str(code.tree)), root, [repo.objects],
            cache=cache, recurse=Recurse.HERE, progress=progress,
        )  # fmt: skip
        source = Source(
            _folder(root, run),
            root,
            run.directory,
            code,
            project.uri if project is not None else None,
            project.version if project is not None else None,
            laid_out.notes,
            submodules=project is not None and project.submodules,
        )
        yield source, laid_out.empty


def fetch_missing(
    repo: Repo,
    run: Run,
    empty: Sequence[EmptySubmodule],
    *,
    environ: Mapping[str, str],
    progress: ShowProgress,
) -> tuple[str, ...]:
    """Fetch submodules of a run's source that are not on this machine.

    Returns:
        Sentences on what was left out.

    Raises:
        SubmodulesNotHereError: One can't be had.
        RefusedError: Its code can't be laid out safely.
    """
    try:
        return fetch_submodules(empty, [repo.objects], cache=cache_dir(environ), progress=progress)
    except (NotFoundError, RemoteError, TargetError) as err:
        raise SubmodulesNotHereError(run, err) from None


def _folder(root: Path, run: Run) -> Path:
    inside = PurePosixPath(run.directory)
    folder = root / inside
    if inside.is_absolute() or ".." in inside.parts or not folder.is_dir():
        raise DamagedError(f"run '{run.id[:_SHORT]}': '{run.directory}' is no folder of its source")
    if not folder.resolve().is_relative_to(root):
        raise DamagedError(
            f"run '{run.id[:_SHORT]}': '{run.directory}' is a link that leads out of its source"
        )
    return folder
