"""What processes that were killed left behind, and caches."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gitml.entities.run import RunStatus
from gitml.repo import Repo
from gitml.store.incoming import PART_PREFIX
from gitml.sync.delivered import FOLDER
from gitml.sync.workspace import abandoned
from gitml.tracking.history import refresh

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file or folder that nobody needs any more, and its bytes."""

    path: Path
    size: int


def leftovers(repo: Repo, *, parts_age_s: float) -> list[Leftover]:
    """Find temporary files and folders that were abandoned.

    Args:
        repo: The repository.
        parts_age_s: From which age on the beginning of a download is no use; until
            then the next attempt goes on from it.
    """
    now = time.time()
    found = []
    for path in _temporaries(repo):
        with suppress(FileNotFoundError):  # whoever made it was quicker
            status = path.lstat()
            is_part = path.name.startswith(PART_PREFIX)
            if now - status.st_mtime < (parts_age_s if is_part else _DAY_S) or (is_part and _is_locked(path)):
                continue
            found.append(Leftover(path, disk_use(path)))
    return found


def of_bundles(repo: Repo) -> tuple[list[Leftover], dict[str, str]]:
    """Find what processes left that were killed while they made or applied a bundle.

    Returns:
        Files and folders, and refs with what they point at. Nothing while another
        process makes or applies one.
    """
    paths, refs = abandoned(repo)
    return [Leftover(path, disk_use(path)) for path in paths], refs


def _temporaries(repo: Repo) -> Iterator[Path]:
    store = repo.objects.root
    yield from _named(store / "tmp", "gitml-")
    for folder in (store / "objects").glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]"):
        yield from _named(folder, ".gitml-")
    yield from _named(repo.journal.live, ".")
    yield from _named(repo.root / "trash", "")


def _named(folder: Path, prefix: str) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in sorted(folder.iterdir()) if path.name.startswith(prefix))


def _is_locked(path: Path) -> bool:
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def of_sweeps(repo: Repo) -> list[Leftover]:
    """Find Optuna's studies of sweeps that are finished, or whose runs are gone; runs tell what they know."""
    folders = list(_named(repo.root / "sweeps", ""))
    if folders:
        refresh(repo)
    live, now = set(repo.journal.ids()), time.time()
    found = []
    for folder in folders:
        run = repo.index.get(folder.name)
        is_needed = folder.name in live or (run is not None and run.status is not RunStatus.FINISHED)
        # The study of a sweep that begins is there before its run.
        if not is_needed and (run is not None or now - folder.lstat().st_mtime >= _DAY_S):
            found.append(Leftover(folder, disk_use(folder)))
    return found


def caches(repo: Repo) -> list[Leftover]:
    """List what gitml can make anew: the index, remembered hashes, environments and marks of pushes."""
    names = (
        "index.sqlite",
        "index.sqlite-journal",
        "hashes.sqlite",
        "hashes.sqlite-journal",
        "cache",
        FOLDER,
    )
    paths = (repo.root / name for name in names)
    return [Leftover(path, disk_use(path)) for path in paths if path.exists()]


def remove(leftover: Leftover) -> None:
    """Remove a leftover; it is fine if somebody else did."""
    if leftover.path.is_dir() and not leftover.path.is_symlink():
        shutil.rmtree(leftover.path, ignore_errors=True)
    else:
        leftover.path.unlink(missing_ok=True)


def disk_use(path: Path, counted: set[int] | None = None) -> int:
    """Count the bytes of a file, or of all files below a folder; links are not followed.

    Args:
        path: The file or folder.
        counted: Inodes of files with several names that were counted before; added to.
    """
    counted = set() if counted is None else counted
    total = 0
    with suppress(FileNotFoundError):
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode):
            if status.st_nlink > 1:
                if status.st_ino in counted:
                    return 0
                counted.add(status.st_ino)
            return status.st_size
        with os.scandir(path) as entries:
            for entry in entries:
                total += disk_use(Path(entry.path), counted)
    return total
