"""One large file, against what hashing and copying it costs on the same disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from context import Context
from machine import memory_available
from measure import BrokenBenchmarkError, Child, Result, Target, interleave, result, touch_memory

_BLOCK = 16 * 1024**2


def large_artifact(context: Context) -> list[Result]:
    """Three ways to keep a file, in turns, each with the file in the page cache."""
    sizes = context.sizes
    file = context.new_folder("large") / "weights.bin"
    with file.open("wb") as stream:
        for _ in range(0, sizes.artifact, _BLOCK):
            stream.write(os.urandom(_BLOCK))
    rounds = min(5, sizes.rounds)
    floor, ours, theirs = interleave(
        (lambda: _reference(context, file), rounds),
        (lambda: _ours(context, file), rounds),
        (lambda: _peers(context, file), min(rounds, sizes.peer_rounds)) if context.peer else None,
    )
    seconds = [child.answer["s"] for child in ours]
    copied = [child.answer["s"] for child in floor]
    peer = [child.answer["s"] for child in theirs]
    size = f"{sizes.artifact // 1024**2:,} MiB"
    timed = result(
        "artifact",
        f"log_artifact of a {size} file",
        "s",
        seconds,
        peer=peer,
        reference=result("", "", "s", copied).value,
        reference_what="hashing (SHA-256) and copying it in one pass, on one core",
    )
    return [
        timed,
        result(
            "artifact_speed",
            f"… speed, of that of hashing and copying {size} once",
            "×",
            [reference / own for reference, own in zip(copied, seconds, strict=True)],
            target=Target(0.8, at_least=True),
        ),
        result(
            "artifact_memory",
            "… peak memory of the whole process",
            "MB",
            [child.peak_bytes / 1e6 for child in ours],
            peer=[child.peak_bytes / 1e6 for child in theirs],
            target=Target(100),
        ),
    ]


def level_the_field(file: Path) -> None:
    """Bring the file into the page cache, and leave nothing for the disk to catch up on."""
    os.sync()
    room = 2 * file.stat().st_size
    if memory_available() > 2 * room:
        touch_memory(room)
    with file.open("rb", buffering=0) as stream:
        while stream.read(_BLOCK):
            pass


def _reference(context: Context, file: Path) -> Child:
    level_the_field(file)
    child = context.plain("reference_copy", context.folder, file=str(file))
    file.with_name(file.name + ".copy").unlink()
    return child


def _ours(context: Context, file: Path) -> Child:
    repository = context.new_repository()
    level_the_field(file)
    child = context.gitml("log_artifact", repository, file=str(file))
    _expect_a_copy(repository / ".git" / "lfs" / "objects", file)
    shutil.rmtree(repository)
    return child


def _peers(context: Context, file: Path) -> Child:
    store = context.new_mlflow_store()
    assert store is not None
    level_the_field(file)
    child = context.mlflow("log_artifact", store, file=str(file))
    _expect_a_copy(store / "mlruns", file)
    shutil.rmtree(store)
    return child


def _expect_a_copy(folder: Path, file: Path) -> None:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    if file.stat().st_size not in sizes:
        raise BrokenBenchmarkError(f"no file in '{folder}' is as long as the artifact")
