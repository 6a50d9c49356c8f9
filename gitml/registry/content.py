"""What a version is made of: the run that made it, and its files as its record has them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import IO

from gitml.entities.artifact import Artifact
from gitml.entities.registry import ModelVersion
from gitml.entities.run import Run
from gitml.errors import DamagedError, NotFoundError
from gitml.formats.names import check_artifact_path
from gitml.progress import Advance
from gitml.registry.versions import digest_of
from gitml.repo import Repo
from gitml.tracking import purges
from gitml.tracking.history import (
    RunNotFoundError,
    export_artifacts,
    get_run,
    list_record_artifacts,
    open_artifact,
    read_record,
)


class RecordMissingError(NotFoundError):
    """The record that a version tags is not in this repository."""

    def __init__(self, version: ModelVersion) -> None:
        super().__init__(
            f"the record of {version.name} v{version.version} ({version.record[:12]}) is not here",
            hint="gitml pull brings it; in a shallow clone: git fetch --unshallow",
        )
        self.record = version.record


class VersionChangedError(DamagedError):
    """The files of a version are not those that its tag names."""

    def __init__(self, version: ModelVersion) -> None:
        super().__init__(
            f"the files of {version.name} v{version.version} are not those that its tag names",
            hint=f"gitml verify '{version.name}@v{version.version}' tells more",
        )


def run_of(repo: Repo, version: ModelVersion) -> Run:
    """The run that made a version, as it is now; or as its record has it, if the runs are not here.

    Raises:
        RecordMissingError: Neither is here.
    """
    try:
        return get_run(repo, version.run_id)
    except RunNotFoundError:
        return recorded_run(repo, version)


def recorded_run(repo: Repo, version: ModelVersion) -> Run:
    """The run that made a version, as the record has it that the version tags.

    Raises:
        RecordMissingError: It is not here.
    """
    if not repo.git.has_object(version.record):
        raise RecordMissingError(version)
    return read_record(repo, version.record)


def path_in(version: ModelVersion, path: str = "") -> str:
    """Where something of a version is below its run's artifacts."""
    inner = check_artifact_path(path, allow_empty=True)
    return "/".join(part for part in (version.path, inner) if part)


def list_files(repo: Repo, version: ModelVersion, path: str = "") -> list[Artifact]:
    """List the files of a version, or those below a path in it, with what was purged since.

    Raises:
        RecordMissingError: Its record is not here.
        NotFoundError: It has nothing at the path.
    """
    if not repo.git.has_object(version.record):
        raise RecordMissingError(version)
    found = list_record_artifacts(repo, version.record, path_in(version, path))
    if not found and path:
        raise NotFoundError(
            f"{version.name} v{version.version} has nothing at '{path}'",
            hint=f"gitml models show '{version.name}@v{version.version}' lists its files",
        )
    heads, _ = repo.index.heads(version.run_id)
    gone = purges.of_records(repo.git, heads)
    return [
        replace(file, purged=gone[file.pointer.oid]) if file.pointer and file.pointer.oid in gone else file
        for file in found
    ]


def open_file(repo: Repo, version: ModelVersion, path: str) -> IO[bytes]:
    """Open one file of a version for reading; it is fetched first if it is not here.

    Raises:
        RecordMissingError: Its record is not here.
        NotFoundError: It has no such file, or an object is nowhere to be had.
    """
    wanted = path_in(version, path)
    file = next((file for file in list_files(repo, version, path) if file.path == wanted), None)
    if file is None:
        raise NotFoundError(
            f"'{path or version.path}' of {version.name} v{version.version} is a folder",
            hint=f"gitml models show '{version.name}@v{version.version}' lists its files",
        )
    return open_artifact(repo, recorded_run(repo, version), wanted, artifact=file)


def export_version(
    repo: Repo, version: ModelVersion, path: str, destination: Path, *, bare: bool = False,
    overwrite: bool = True, progress: Advance | None = None,
) -> Path:  # fmt: skip
    """Copy the files of a version, or those below a path in it, out to the file system.

    Args:
        repo: The repository.
        version: The version.
        path: A file's or folder's path in it; empty for all of it.
        destination: The folder to put it into; made if needed.
        bare: Whether the folder that the version is in among its run's artifacts is left out.
        overwrite: Whether files that exist are replaced.
        progress: Called with the number of bytes done since the last call.

    Returns:
        Where the file or folder is now.

    Raises:
        VersionChangedError: Its files are not those that its tag names.
        NotFoundError: It has nothing at the path, or an object is nowhere to be had.
        UsageError: A file exists and `overwrite` is off; nothing was written.
    """
    everything = list_files(repo, version)
    if digest_of(repo, version.path, everything) != version.digest:
        raise VersionChangedError(version)
    wanted = list_files(repo, version, path) if path else everything
    where = path_in(version, path)
    is_file = [file.path for file in everything] == [version.path]
    if bare and version.path:
        outer = version.path.rpartition("/")[0] if is_file else version.path
        wanted = [replace(file, path=file.path[len(outer) :].lstrip("/")) for file in wanted]
        where = where[len(outer) :].lstrip("/")
    return export_artifacts(
        repo, recorded_run(repo, version), where, destination,
        overwrite=overwrite, progress=progress, artifacts=wanted,
    )  # fmt: skip
