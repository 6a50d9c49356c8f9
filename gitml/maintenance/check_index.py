"""The index against git.

It is compared as a whole with one that is built anew, beside it: that takes seconds for
10,000 runs, and a sample would miss the one row that is wrong.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gitml.errors import RefusedError
from gitml.index import Index
from gitml.index.connection import is_unavailable, remove
from gitml.progress import Reach
from gitml.repo import RUNS_REF, Repo

# Each index gives its own numbers, and puts what it remembers of the walk in its own way.
_NUMBERS = ("run_n", "key_id", "layout_id", "n", "base", "chain")
_OWN = ("meta", "layout", "key", "live", "registry_tag")


def index_problem(repo: Repo, progress: Reach | None = None) -> str | None:
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


def _file_problem(path: Path) -> str | None:
    try:
        with closing(sqlite3.connect(_read_only(path), uri=True, timeout=15)) as connection:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as err:
        return f"it can't be read: {err}"
    return None if answer == "ok" else f"it is damaged: {str(answer).splitlines()[0]}"


def _compare(repo: Repo, path: Path, beside: Path, progress: Reach | None) -> str | None:
    fresh = Index(beside, repo.git, RUNS_REF)
    try:
        fresh.catch_up(progress)
    finally:
        fresh.close()
    with closing(sqlite3.connect(_read_only(path), uri=True, timeout=15)) as connection:
        connection.execute("ATTACH ? AS fresh", (_read_only(beside),))
        connection.execute("CREATE TEMP TABLE live_now (run_id TEXT PRIMARY KEY)")
        # A run that was resumed stands in the index as the live one, and on the branch as it was.
        connection.executemany(
            "INSERT INTO live_now VALUES (?)", ((run_id,) for run_id in repo.journal.ids())
        )
        wrong: set[str] = set()
        for table in _tables(connection):
            try:
                found = _differences(connection, table)
            except sqlite3.OperationalError as err:
                if is_unavailable(err):  # in use for long: nothing is known of it
                    raise RefusedError(
                        f"the index can't be read now: {err}", hint="run gitml fsck again later"
                    ) from err
                return f"it is not whole: {err}"  # a full disk kept it from being made
            if found and not table.by_run:
                return f"its table of {table.name}s is not that of the branch"
            wrong |= found
    return f"{len(wrong):,} runs are not those of the branch" if wrong else None


@dataclass(frozen=True, slots=True)
class _Table:
    """What of a table means the same in every index."""

    name: str
    columns: tuple[str, ...]
    by_run: bool
    by_key: bool

    def select(self, schema: str) -> str:
        """Select these columns with run ids and names of keys in place of numbers, first the run's id."""
        named = [f"t.{column}" for column in self.columns]
        if not self.by_run:
            return f"SELECT {', '.join(named)} FROM {schema}.{self.name} t"  # noqa: S608 - names of our own tables
        named = ["run.run_id", *(["key.kind", "key.name"] if self.by_key else []), *named]
        keys = f" JOIN {schema}.key USING (key_id)" if self.by_key else ""
        return (
            f"SELECT {', '.join(named)} FROM {schema}.{self.name} t JOIN {schema}.run USING (run_n){keys}"  # noqa: S608
            " WHERE NOT run.live AND run.run_id NOT IN (SELECT run_id FROM live_now)"
        )


def _tables(connection: sqlite3.Connection) -> Iterator[_Table]:
    for (name,) in connection.execute("SELECT name FROM fresh.sqlite_master WHERE type = 'table'").fetchall():
        columns = [row[1] for row in connection.execute(f"PRAGMA fresh.table_info({name})")]
        if name not in _OWN:
            meant = tuple(column for column in columns if column not in _NUMBERS)
            yield _Table(name, meant, "run_n" in columns, "key_id" in columns)


def _differences(connection: sqlite3.Connection, table: _Table) -> set[str]:
    """Find rows that only one of both has; gives the ids of their runs, or something for other tables."""
    here, fresh = table.select("main"), table.select("fresh")
    return {
        str(row[0])
        for query in (f"{here} EXCEPT {fresh}", f"{fresh} EXCEPT {here}")
        for row in connection.execute(query)
    }


def _read_only(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def rebuild(repo: Repo, progress: Reach | None = None) -> None:
    """Delete the index and build it anew."""
    repo.index.close()
    remove(repo.root / "index.sqlite")
    repo.index.catch_up(progress)
