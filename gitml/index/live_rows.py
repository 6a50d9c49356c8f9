"""Live runs → rows, so that one search answers for live and committed runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from gitml.entities.run import Run
from gitml.git.repo import GitRepo
from gitml.index.rows import RowWriter, delete_rows
from gitml.index.update import put_committed
from gitml.index.walk import places


@dataclass(frozen=True, slots=True)
class LiveRow:
    """A live run as the index wants to hear of it.

    `signature` changes whenever the run's folder does. `load` reads the run and
    is called only when the index does not know the signature; it gives None if
    the run has ended meanwhile.
    """

    run_id: str
    signature: str
    load: Callable[[], Run | None]


def put_live(git: GitRepo, connection: sqlite3.Connection, rows: Iterable[LiveRow]) -> None:
    """Replace the set of live runs.

    A run that is live again after it was committed shows its live state; one
    that is no longer live shows what the branch says of it, or vanishes.
    """
    known = dict(
        connection.execute("SELECT run_id, signature FROM live CROSS JOIN run USING (run_n)").fetchall()
    )
    present = {row.run_id: row for row in rows}
    changed = [row for row in present.values() if known.get(row.run_id) != row.signature]
    gone = known.keys() - present.keys()
    if not changed and not gone:
        return
    loaded = [(row, row.load()) for row in changed]
    connection.execute("BEGIN IMMEDIATE")
    try:
        _replace(git, connection, loaded, gone)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _replace(
    git: GitRepo,
    connection: sqlite3.Connection,
    loaded: Iterable[tuple[LiveRow, Run | None]],
    gone: Iterable[str],
) -> None:
    writer = RowWriter(connection)
    ended = set(gone)
    for row, run in loaded:
        if run is None:
            ended.add(row.run_id)
            continue
        number = writer.put_run(replace(run, commit=None, live=True))
        writer.flush()
        connection.execute("INSERT OR REPLACE INTO live VALUES (?, ?)", (number, row.signature))
    for run_id in ended:
        found = connection.execute(
            "SELECT run_n FROM live CROSS JOIN run USING (run_n) WHERE run_id = ?", (run_id,)
        ).fetchone()
        if found is None:
            continue  # another process noticed first
        if places(connection, "run_n", found[0]):
            put_committed(git, connection, writer, found[0])
            writer.flush()
        else:
            delete_rows(connection, found[0])
