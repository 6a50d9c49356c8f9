"""The index: built from nothing, and brought up to date after one run."""

from __future__ import annotations

import statistics
import subprocess
from pathlib import Path
from time import perf_counter

from context import Context
from measure import BrokenBenchmarkError, Result, Target, interleave, result

_UPDATES = 15
_FILES = ("run.yaml", "params.yaml", "metrics.yaml")


def _list_files(context: Context, repository: Path) -> bytes:
    """The object ids of the files of all runs, a line each, in the order of the history."""

    def git(*arguments: str, said: str = "") -> str:
        command = ["git", *arguments]
        return subprocess.run(
            command, cwd=repository, env=context.env, input=said, check=True, capture_output=True, text=True
        ).stdout

    commits = git("rev-list", "--reverse", "refs/heads/gitml/runs").split()
    names = "".join(f"{commit}:{file}\n" for commit in commits for file in _FILES)
    ids = git("cat-file", "--batch-check=%(objectname)", "--buffer", said=names)
    if "missing" in ids or ids.count("\n") != len(_FILES) * context.sizes.runs:
        raise BrokenBenchmarkError("not every run has the three files")
    return ids.encode()


def _read_files(context: Context, repository: Path, ids: bytes) -> float:
    """Have git say what is in the files, to nobody: runs a second."""
    start = perf_counter()
    subprocess.run(
        ["git", "cat-file", "--batch", "--buffer"],
        cwd=repository,
        env=context.env,
        input=ids,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return context.sizes.runs / (perf_counter() - start)


def indexing(context: Context) -> list[Result]:
    """The peer has no index: its database is its only copy."""
    sizes = context.sizes
    repository = context.full_repository()
    ids = _list_files(context, repository)
    rounds = min(3, sizes.rounds)
    built, read = interleave(
        (lambda: context.gitml("gitml_build_index", repository), rounds),
        (lambda: _read_files(context, repository, ids), rounds),
    )
    for child in built:
        if (child.answer["params"], child.answer["metrics"]) != (10, 10):
            raise BrokenBenchmarkError(f"the index has {child.answer}, not 10 params and 10 metrics")
    (updated,) = interleave(
        (lambda: context.gitml("gitml_update_index", repository, repeats=_UPDATES).answer["ms"], 3)
    )
    many = f"{sizes.runs:,} runs × 20 keys"
    return [
        result(
            "index_build",
            f"building the index from nothing, {many}",
            "runs/s",
            [sizes.runs / child.answer["s"] for child in built],
            target=Target(8000, at_least=True),
            reference=statistics.median(read),
            reference_what="`git cat-file` alone saying what is in three files of each run",
            note="a second process reads records while the first writes the index",
        ),
        result(
            "index_build_memory",
            "… peak memory of its largest process",
            "MB",
            [child.peak_bytes / 1e6 for child in built],
            target=Target(500),
        ),
        result(
            "index_update",
            f"updating it after one run, {many}",
            "ms",
            updated,
            target=Target(20),
            note=f"median of {_UPDATES} updates in each repeat",
        ),
    ]
