"""A large model, against an artifact of its size; and a model by its stage, against the file that it is in."""

from __future__ import annotations

import os
import shutil

from cases.artifacts import level_the_field
from context import Context
from measure import BrokenBenchmarkError, Result, Target, interleave, result

_BLOCK = 16 * 1024**2


def models(context: Context) -> list[Result]:
    """Log a large one in turns with an artifact; load a small one by stage in turns with its file."""
    return [_large(context), _by_stage(context)]


def _large(context: Context) -> Result:
    sizes = context.sizes
    file = context.new_folder("large-model") / "weights.bin"
    with file.open("wb") as stream:
        for _ in range(0, sizes.artifact, _BLOCK):
            stream.write(os.urandom(_BLOCK))
    rounds = min(5, sizes.rounds)

    def log(workload: str) -> float:
        repository = context.new_repository()
        level_the_field(file)
        took = context.gitml(workload, repository, file=str(file)).answer["s"]
        kept = [path.stat().st_size for path in (repository / ".git/lfs").rglob("*") if path.is_file()]
        if file.stat().st_size not in kept:
            raise BrokenBenchmarkError(f"`{workload}` kept no file as long as the weights")
        shutil.rmtree(repository)
        return float(took)

    def peers() -> float:
        store = context.new_mlflow_store()
        assert store is not None
        level_the_field(file)
        took = context.mlflow("log_model", store, file=str(file)).answer["s"]
        shutil.rmtree(store)
        return float(took)

    artifact, own, theirs = interleave(
        (lambda: log("log_artifact"), rounds),
        (lambda: log("log_model"), rounds),
        (peers, min(rounds, sizes.peer_rounds)) if context.peer else None,
    )
    reference = result("", "", "s", artifact).value
    return result(
        "model_log",
        f"log_model of a Python function with a file of {sizes.artifact // 1024**2:,} MiB",
        "s",
        own,
        peer=theirs,
        reference=reference,
        reference_what="log_artifact of that file",
        target=Target(1.1 * reference),  # it costs the same: what is left is noise of a disk
    )


def _by_stage(context: Context) -> Result:
    repository = context.new_repository()
    file = context.gitml("gitml_make_version", repository).answer["file"]
    (answers,) = interleave(
        (lambda: context.gitml("gitml_load_version", repository, file=file).answer, context.sizes.rounds)
    )
    return result(
        "model_load",
        "load_model of `models:/NAME/Production`, the first of a process, over loading its file",
        "ms",
        [1000 * (each["stage_s"] - each["file_s"]) for each in answers],
        target=Target(30),
    )
