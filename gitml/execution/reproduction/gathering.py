"""What there is to compare of two runs, from their records."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from gitml.entities.run import Run
from gitml.repo import Repo
from gitml.tracking.diff import FileContent, Row, RunDiff, diff_runs
from gitml.tracking.history import get_artifact, open_artifact

_CHUNK = 1024**2


def difference(repo: Repo, original: Run, again: Run) -> RunDiff:
    """Compare two runs, their artifacts by content however they are stored."""
    found = diff_runs(repo, [original, again])
    return replace(found, files=tuple(_by_content(repo, found.runs, row) for row in found.files))


def _by_content(repo: Repo, runs: tuple[Run, ...], row: Row) -> Row:
    """Make digests of one kind: a large file is known by its SHA-256, a small one by its id in git.

    What is large is a setting, which may have changed between the two runs.
    """
    contents = [value for value in row.values if isinstance(value, FileContent)]
    if row.same or len(contents) < 2 or len({content.size for content in contents}) > 1:
        return row
    artifacts = [get_artifact(repo, run, row.key) for run in runs]
    if len({artifact.pointer is None for artifact in artifacts}) == 1:
        return row
    digests = [
        artifact.pointer.oid if artifact.pointer is not None else _sha256(repo, run, row.key)
        for run, artifact in zip(runs, artifacts, strict=True)
    ]
    return Row(row.key, tuple(FileContent(contents[0].size, digest) for digest in digests))


def _sha256(repo: Repo, run: Run, path: str) -> str:
    total = hashlib.sha256()
    with open_artifact(repo, run, path) as stream:
        while chunk := stream.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()
