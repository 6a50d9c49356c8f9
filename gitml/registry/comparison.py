"""What differs between versions: what is said of them, their files, and the runs that made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gitml.entities.registry import ModelVersion
from gitml.registry.content import list_files, run_of
from gitml.repo import Repo
from gitml.tracking.diff import FileContent, Row, RunDiff, diff_runs, rows_of


@dataclass(frozen=True, slots=True)
class ModelDiff:
    """A comparison of versions.

    Attributes:
        versions: The versions, in the order given.
        model: What is said of them.
        runs: How the runs that made them differ; `files` are those of the versions alone,
            by their paths below the model.
    """

    versions: tuple[ModelVersion, ...]
    model: tuple[Row, ...]
    runs: RunDiff

    @property
    def differs(self) -> bool:
        """Whether their content differs."""
        return len({version.digest for version in self.versions}) > 1


def compare_versions(repo: Repo, versions: Sequence[ModelVersion]) -> ModelDiff:
    """Compare versions, of one model or of several.

    Raises:
        NotFoundError: What made one of them is not here.
    """
    runs = diff_runs(repo, [run_of(repo, version) for version in versions])
    files = rows_of([_files(repo, version) for version in versions])
    return ModelDiff(tuple(versions), rows_of([_facts(one) for one in versions]), replace(runs, files=files))


def _facts(version: ModelVersion) -> dict[str, object]:
    facts: dict[str, object | None] = {
        "digest": version.digest,
        "stage": version.stage,
        "aliases": ", ".join(version.aliases) or None,
        "run": version.run_id[:7],
        "path": version.path or None,
        "author": version.author,
        "description": version.description,
        "copy of": version.source,
    }
    tags = {f"tag {key}": value for key, value in version.tags.items()}
    return {key: value for key, value in {**facts, **tags}.items() if value is not None}


def _files(repo: Repo, version: ModelVersion) -> dict[str, FileContent]:
    below = len(version.path) + 1 if version.path else 0
    return {
        file.path[below:] or file.path.rpartition("/")[2]: FileContent(
            file.size, file.pointer.oid if file.pointer else file.blob or ""
        )
        for file in list_files(repo, version)
    }
