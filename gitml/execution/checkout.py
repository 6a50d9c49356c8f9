"""A run's code and artifacts as files in a new folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gitml.entities.artifact import Artifact
from gitml.entities.run import Run
from gitml.errors import NotFoundError, UsageError
from gitml.execution.sources.layout import GITLINK, list_files
from gitml.execution.sources.recorded import recorded_origin
from gitml.execution.sources.submodules import Recurse, lay_out_whole
from gitml.progress import ShowProgress, no_progress
from gitml.repo import Repo
from gitml.sync.objects import ensure_here, missing_here
from gitml.sync.partial import bring_objects, completeness
from gitml.tracking import history

CODE, ARTIFACTS = "code", "artifacts"


class NoCodeError(NotFoundError):
    """A run recorded no code that could be laid out."""

    def __init__(self, run: Run) -> None:
        commit = run.code.commit
        where = f"; it ran at commit '{commit[:12]}', whose files it did not keep" if commit else ""
        super().__init__(
            f"run '{run.id[:8]}' recorded no code{where}",
            hint=f"its files alone: gitml checkout --artifacts-only {run.id[:8]} DIR",
        )
        self.run_id = run.id


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """What was laid out, and where.

    Attributes:
        code: The folder of the code; None if it was not asked for.
        code_files: How many files it has.
        artifacts: The folder of the artifacts; None if there are none.
        artifact_files: How many there are.
        artifact_bytes: Their bytes.
        notes: Sentences for the user about what was left out.
    """

    code: Path | None
    code_files: int
    artifacts: Path | None
    artifact_files: int
    artifact_bytes: int
    notes: tuple[str, ...]


def check_out(
    repo: Repo,
    run: Run,
    folder: Path,
    *,
    code: bool = True,
    artifacts: bool = True,
    cache: Path,
    recurse_submodules: bool = False,
    progress: ShowProgress = no_progress,
) -> CheckedOut:
    """Lay a run's code and artifacts out, in folders beside each other where both are wanted.

    Args:
        repo: The repository.
        run: The run.
        folder: A folder that is empty, or not there. With `code` and `artifacts` it
            gets `code/` and `artifacts/`, with one of them it holds that itself.
        code: Whether code is wanted.
        artifacts: Whether artifacts are.
        cache: The user's cache folder.
        recurse_submodules: Whether submodules that are not on this machine are fetched.
        progress: Shows how far fetching and copying is.

    Raises:
        UsageError: The folder is in use.
        NoCodeError: Code is wanted, and the run recorded none.
        ObjectMissingError: An artifact is nowhere to be had; nothing was written.
        HostileTreeError: The code can't be laid out safely; nothing is left of it.
    """
    if code and run.code.tree is None:
        raise NoCodeError(run)
    below = (lambda name: folder / name) if code and artifacts else (lambda _: folder)
    with _new_folder(folder):
        found = history.list_artifacts(repo, run) if artifacts else []
        kept = [artifact for artifact in found if not artifact.purged]
        _fetch(repo, kept, progress)  # first: what can't be had is known before anything is written
        layout = None
        if code and run.code.tree is not None:
            layout = lay_out_whole(
                recorded_origin(repo, run, _fetched(repo, run.code.tree)),
                _made(below(CODE)),
                [repo.objects],
                cache=cache,
                recurse=Recurse.ALL if recurse_submodules else Recurse.HERE,
                progress=progress,
            )
        size = sum(artifact.size for artifact in kept)
        if kept:
            with progress("copying artifacts", size, "B") as advance:
                history.export_artifacts(
                    repo, run, "", below(ARTIFACTS), overwrite=False, progress=advance, artifacts=kept
                )
    return CheckedOut(
        below(CODE) if layout is not None else None,
        layout.files if layout is not None else 0,
        below(ARTIFACTS) if kept else None,
        len(kept),
        size,
        (
            *(layout.sentences if layout is not None else ()),
            *(f"artifact '{one.path}' was purged" for one in found if one.purged),
        ),
    )


@contextmanager
def _new_folder(folder: Path) -> Iterator[None]:
    """Make a folder, or use an empty one; nothing is left in it after a failure."""
    existed = folder.exists()
    if existed and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"'{folder}' exists and is not empty", hint="name a folder that is empty, or not there"
        )
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        if not existed:
            folder.rmdir()
        raise


def _fetch(repo: Repo, artifacts: Sequence[Artifact], progress: ShowProgress) -> None:
    missing = missing_here(repo, [one.pointer for one in artifacts if one.pointer is not None])
    if missing:
        with progress("fetching artifacts", sum(pointer.size for pointer in missing), "B") as advance:
            ensure_here(repo, missing, advance)


def _fetched(repo: Repo, tree: str) -> str:
    """Have the files of a tree here; of a partial clone, git would ask for each by itself."""
    promisors = completeness(repo).promisors
    if promisors:
        wanted = [entry.oid for entry in list_files(repo.git, tree) if entry.mode != GITLINK]
        bring_objects(repo, promisors[0], wanted)
    return tree


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder.resolve()
