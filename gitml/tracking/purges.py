"""What runs say of artifacts whose bytes were dropped for good."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from gitml.entities.artifact import Artifact, Purge
from gitml.errors import DamagedError, NotFoundError
from gitml.formats.purge import FOLDER, decode_purge
from gitml.formats.run_tree import format_time
from gitml.git.repo import GitRepo
from gitml.repo import Repo


class PurgedError(NotFoundError):
    """The bytes of something were dropped for good."""

    def __init__(self, what: str, purge: Purge) -> None:
        reason = f": {purge.reason}" if purge.reason else ""
        when = format_time(purge.time_ms)[:10]
        super().__init__(
            f"{what} was purged on {when} by {purge.by}{reason}",
            hint="its name, size and hash are kept; its content is gone for good",
        )
        self.purge = purge


class ArtifactPurgedError(PurgedError):
    """The artifact's bytes were dropped for good."""

    def __init__(self, path: str, purge: Purge) -> None:
        super().__init__(f"artifact '{path}'", purge)
        self.path = path


class HistoryPurgedError(PurgedError):
    """The points of a metric, so many that they were an object, were dropped for good."""

    def __init__(self, metric: str, purge: Purge) -> None:
        super().__init__(f"the history of metric '{metric}'", purge)
        self.metric = metric


class OutputPurgedError(PurgedError):
    """What a program printed, so much that it was an object, was dropped for good."""

    def __init__(self, purge: Purge) -> None:
        super().__init__("what the program printed", purge)


def of_records(git: GitRepo, commits: Sequence[str]) -> dict[str, Purge]:
    """Read the tombstones of a run's newest records, by object; a damaged one tells nothing."""
    found: dict[str, Purge] = {}
    for commit in commits:
        for entry in git.list_tree(commit, FOLDER, recursive=False):
            oid = entry.path.removesuffix(".yaml")
            with suppress(DamagedError):  # fsck tells; the artifact is then merely missing
                found[oid] = decode_purge(oid, git.read_blob(entry.oid))
    return found


def refuse_purged(repo: Repo, artifact: Artifact) -> None:
    """Make sure that a file's content is not gone for good.

    Raises:
        ArtifactPurgedError: It was purged, and is not here by chance.
    """
    pointer, purge = artifact.pointer, artifact.purged
    if pointer is not None and purge is not None and not repo.objects.has(pointer.oid, pointer.size):
        raise ArtifactPurgedError(artifact.path, purge)
