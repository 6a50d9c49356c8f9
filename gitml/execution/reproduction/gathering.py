"""What there is to compare of two runs, from their records: they, and the runs that are part of them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from gitml.entities.run import MetricPoint, Run
from gitml.errors import NotFoundError, RemoteError
from gitml.execution.reproduction.counterparts import Counterparts, find_counterparts, in_other_words
from gitml.execution.reproduction.tolerance import Tolerances
from gitml.execution.reproduction.verdict import Comparison, compare_outcomes
from gitml.repo import Repo
from gitml.tracking.diff import FileContent, Row, RunDiff, diff_runs
from gitml.tracking.history import get_artifact, open_artifact, read_metric

_CHUNK = 1024**2


def compare_runs(
    repo: Repo, original: Run, again: Run, tolerances: Tolerances, changed_on_purpose: Collection[str] = ()
) -> Comparison:
    """Judge whether a run came out as another one did, and those that are part of it.

    Args:
        repo: Where they are.
        original: The first one.
        again: The one that was to come out as it did.
        tolerances: What metrics are held to.
        changed_on_purpose: Params that were asked to differ.
    """
    ids: dict[str, str] = {}
    pair = find_counterparts(repo, original, again, ids)
    return _compare(repo, pair, ids, tolerances, changed_on_purpose)


def _compare(
    repo: Repo,
    pair: Counterparts,
    ids: Mapping[str, str],
    tolerances: Tolerances,
    changed_on_purpose: Collection[str],
) -> Comparison:
    found = compare_outcomes(
        difference(repo, pair.original, pair.again, ids),
        partial(_read_curve, repo),
        tolerances,
        changed_on_purpose=changed_on_purpose,
    )
    children = tuple(_compare(repo, part, ids, tolerances, changed_on_purpose) for part in pair.parts)
    return replace(found, children=children, alone=pair.alone)


def _read_curve(repo: Repo, run: Run, metric: str) -> Sequence[MetricPoint] | None:
    try:
        return read_metric(repo, run, metric, fetch=False)
    except (NotFoundError, RemoteError):  # a long curve whose object is not here: its summary is compared
        return None


def difference(repo: Repo, original: Run, again: Run, ids: Mapping[str, str]) -> RunDiff:
    """Compare two runs, their artifacts by content however they are stored.

    Args:
        repo: Where they are.
        original: The first one.
        again: The second one.
        ids: Ids of runs, and those of their counterparts, which mean the same.
    """
    runs = (original, again)
    found = diff_runs(repo, [in_other_words(original, again, ids), again])
    return replace(found, runs=runs, files=tuple(_by_content(repo, runs, row) for row in found.files))


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
