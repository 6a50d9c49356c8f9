"""What nobody used for long in the user's cache: environments, and repositories that projects come from.

Both are made again when they are needed. Lock files stay: who waits for one
would otherwise hold another than who comes later.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitml.execution.sources.locks import try_lock
from gitml.maintenance.leftovers import Leftover, disk_use, remove


def drop_unused(cache: Path, *, before_s: float, dry_run: bool = False) -> list[Leftover]:
    """Remove what was last used before some time; what is being made or fetched now stays.

    Args:
        cache: The user's cache folder.
        before_s: The time, in seconds since 1970.
        dry_run: Only tell.

    Returns:
        What was removed (of a dry run: would be).
    """
    environments, repositories = cache / "environments", cache / "repositories"
    return [
        *_drop_environments(environments, before_s, dry_run=dry_run),
        *_drop_repositories(repositories, before_s, dry_run=dry_run),
    ]


def _drop_environments(root: Path, before_s: float, *, dry_run: bool) -> Iterator[Leftover]:
    """Forget descriptions that led to no environment for long, then drop what no description leads to."""
    forgotten = set()
    for description in sorted(root.glob("*.json")):
        with _held(description.with_suffix(".lock")) as held:
            if held and _is_old(description, before_s):
                forgotten.add(description)
                if not dry_run:
                    description.unlink()
    named = {_prefix(path) for path in root.glob("*.json") if path not in forgotten}
    for folder in sorted(path for path in root.glob("*") if path.is_dir() and path.name not in named):
        with _held(root / f"{folder.name.removesuffix('.work')}.lock") as held:
            if held and _is_old(folder, before_s):
                yield _dropped(folder, dry_run=dry_run)


def _drop_repositories(root: Path, before_s: float, *, dry_run: bool) -> Iterator[Leftover]:
    for folder in sorted((*root.glob("*.git"), *root.glob("*.new"))):
        with _held(folder.with_suffix(".lock")) as held:
            if held and _is_old(folder, before_s):
                yield _dropped(folder, dry_run=dry_run)


@contextmanager
def _held(lock: Path) -> Iterator[bool]:
    """Hold a lock meanwhile, unless somebody has it."""
    fd = try_lock(lock)
    try:
        yield fd is not None
    finally:
        if fd is not None:
            os.close(fd)


def _is_old(path: Path, before_s: float) -> bool:
    try:
        return path.stat().st_mtime < before_s
    except FileNotFoundError:  # another process was quicker
        return False


def _prefix(description: Path) -> str | None:
    """The name of the folder that a description leads to; None if it leads to none."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(description.read_bytes())["prefix"])
    return None


def _dropped(folder: Path, *, dry_run: bool) -> Leftover:
    found = Leftover(folder, disk_use(folder))
    if not dry_run:
        remove(found)
    return found
