"""Which runs are exported, read a page at a time."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gitml.entities.run import Run
from gitml.errors import RefusedError
from gitml.index import Query
from gitml.repo import Repo

_PAGE = 500


class ExistsError(RefusedError):
    """What would be written is there already."""

    def __init__(self, path: Path, hint: str) -> None:
        super().__init__(f"'{path}' exists already", hint=hint)
        self.path = path


def read_runs(repo: Repo, query: Query) -> Iterator[Run]:
    """Read the runs that a query matches, oldest first; memory stays constant.

    The caller brings the index up to date before: all pages are then of one state.
    """
    seen: set[str] = set()
    offset = 0
    while page := repo.index.search(
        replace(query, order_by=("start_time ASC", "run_id ASC"), limit=_PAGE, offset=offset)
    ):
        for run in page:
            if run.id not in seen:
                seen.add(run.id)
                yield run
        offset += len(page)


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Let a file or folder appear only when all of it is written.

    Yields:
        A path beside it, to write to.
    """
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".gitml-{uuid.uuid4().hex}")
    try:
        yield temporary
        if target.is_dir() and not target.is_symlink():
            old = target.with_name(f".gitml-{uuid.uuid4().hex}")
            os.rename(target, old)
            os.rename(temporary, target)
            shutil.rmtree(old)
        else:
            os.replace(temporary, target)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)
