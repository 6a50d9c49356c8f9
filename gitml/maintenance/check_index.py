"""The index against git.

It is compared as a whole with one that is built anew, beside it: that takes seconds for
10,000 runs, and a sample would miss the one row that is wrong.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from gitml.entities.run import Run
from gitml.index import Index, Query
from gitml.index.connection import remove
from gitml.repo import RUNS_REF, Repo

Progress = Callable[[int, int], None]
_NUMBERS = ("run_n", "layout_id")  # each index gives its own


def index_problem(repo: Repo, progress: Progress | None = None) -> str | None:
    """Say what is wrong with the index; None if nothing is, or there is none."""
    path = repo.root / "index.sqlite"
    if not path.exists():
        return None
    problem = _file_problem(path)
    if problem is not None:
        return problem
    repo.index.catch_up(progress)
    with tempfile.TemporaryDirectory(prefix="gitml-fsck-") as room:
        return _compare(repo, path, Path(room, "index.sqlite"), progress)


def _compare(repo: Repo, path: Path, beside: Path, progress: Progress | None) -> str | None:
    fresh = Index(beside, repo.git, RUNS_REF)
    try:
        fresh.catch_up(progress)
        for name, old, new in (
            ("experiments", repo.index.experiments(), fresh.experiments()),
            ("damaged records", repo.index.damaged(), fresh.damaged()),
        ):
            if old != new:
                return f"its {name} are not those of the branch"
        live = set(repo.journal.ids())  # a run that was resumed stands in the index as the live one
        return _rows_problem(path, beside, live) or _runs_problem(
            _committed(repo.index, live), _committed(fresh, live)
        )
    finally:
        fresh.close()


def _file_problem(path: Path) -> str | None:
    try:
        with closing(sqlite3.connect(_read_only(path), uri=True, timeout=15)) as connection:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as err:
        return f"it can't be read: {err}"
    return None if answer == "ok" else f"it is damaged: {str(answer).splitlines()[0]}"


def _rows_problem(path: Path, beside: Path, live: set[str]) -> str | None:
    """Compare what runs are found by, which reading them does not show."""
    with closing(sqlite3.connect(_read_only(path), uri=True, timeout=15)) as connection:
        connection.execute("ATTACH ? AS fresh", (_read_only(beside),))
        names = [row[1] for row in connection.execute("PRAGMA table_info(run)")]
        columns = ", ".join(name for name in names if name not in _NUMBERS)
        wrong = {
            row[0]
            for one, other in (("main", "fresh"), ("fresh", "main"))
            for row in connection.execute(
                f"SELECT run_id FROM (SELECT {columns} FROM {one}.run WHERE NOT live EXCEPT SELECT {columns} FROM {other}.run)"  # noqa: S608
            )
        } - live
    return f"{len(wrong):,} runs would be found by the wrong name, time or state" if wrong else None


def _read_only(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def _committed(index: Index, live: set[str]) -> dict[str, Run]:
    return {run.id: run for run in index.search(Query(view="all")) if not run.live and run.id not in live}


def _runs_problem(old: dict[str, Run], new: dict[str, Run]) -> str | None:
    # repr, because NaN is not equal to itself.
    wrong = [i for i in {**old, **new} if repr(old.get(i)) != repr(new.get(i))]
    return f"{len(wrong):,} of {len(new):,} runs are not those of the branch" if wrong else None


def rebuild(repo: Repo, progress: Progress | None = None) -> None:
    """Delete the index and build it anew."""
    repo.index.close()
    remove(repo.root / "index.sqlite")
    repo.index.catch_up(progress)
