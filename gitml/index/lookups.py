"""Small questions: names to runs, names for completion, experiments."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gitml.entities.run import Experiment, Run
from gitml.formats.run_tree import decode_experiment
from gitml.git.repo import GitRepo
from gitml.index.reading import load_runs
from gitml.index.update import heads_of

if TYPE_CHECKING:
    from gitml.entities.registry import ModelRecord

_LAST_CHARACTER = "\U0010ffff"
_HEX = re.compile(r"[0-9a-f]{4,64}")
_NEWEST = "ORDER BY deleted_ms IS NOT NULL, start_ms DESC, run_id"


def run(connection: sqlite3.Connection, run_id: str) -> Run | None:
    """Find a run by its id."""
    numbers = [
        number for (number,) in connection.execute("SELECT run_n FROM run WHERE run_id = ?", (run_id,))
    ]
    return next(load_runs(connection, numbers), None)


def ids_by_prefix(connection: sqlite3.Connection, prefix: str, limit: int) -> list[str]:
    """Find ids that begin so, newest first."""
    rows = connection.execute(
        f"SELECT run_id FROM run WHERE run_id >= ? AND run_id < ? {_NEWEST} LIMIT ?",  # noqa: S608
        (prefix, prefix + _LAST_CHARACTER, limit),
    )
    return [run_id for (run_id,) in rows]


def ids_by_name(connection: sqlite3.Connection, name: str) -> list[str]:
    """Find the runs of a name."""
    return [i for (i,) in connection.execute(f"SELECT run_id FROM run WHERE name = ? {_NEWEST}", (name,))]  # noqa: S608


def ids_by_code_commit(connection: sqlite3.Connection, prefix: str) -> list[str]:
    """Find the runs made from a commit of the code."""
    rows = connection.execute(
        f"SELECT run_id FROM run WHERE code_commit >= ? AND code_commit < ? {_NEWEST}",  # noqa: S608
        (prefix, prefix + _LAST_CHARACTER),
    )
    return [run_id for (run_id,) in rows]


def children(connection: sqlite3.Connection, run_id: str, limit: int) -> list[Run]:
    """Find the runs that are part of another one, newest first."""
    rows = connection.execute(
        f"SELECT run_n FROM run WHERE parent_id = ? AND deleted_ms IS NULL {_NEWEST} LIMIT ?",  # noqa: S608
        (run_id, limit),
    )
    return list(load_runs(connection, [number for (number,) in rows]))


def run_of_commit(connection: sqlite3.Connection, commit: str) -> str | None:
    """Find the run of a record, None if the prefix fits several."""
    if not _HEX.fullmatch(commit):
        return None
    rows = connection.execute(
        "SELECT DISTINCT run_id FROM history JOIN run USING (run_n)"
        " WHERE history.commit_id >= ? AND history.commit_id < ? LIMIT 2",
        (commit, commit + _LAST_CHARACTER),
    ).fetchall()
    return rows[0][0] if len(rows) == 1 else None


def records(connection: sqlite3.Connection, run_id: str) -> list[str]:
    """List the record commits of a run, oldest first."""
    rows = connection.execute(
        "SELECT history.commit_id FROM history JOIN run USING (run_n) WHERE run_id = ? ORDER BY n", (run_id,)
    )
    return [commit for (commit,) in rows]


def experiments(connection: sqlite3.Connection) -> list[Experiment]:
    """List experiments by name: recorded ones, and those that only runs name."""
    recorded = [decode_experiment(body) for (body,) in connection.execute("SELECT body FROM experiment")]
    rows = connection.execute(
        "SELECT experiment_id, experiment, min(start_ms), max(start_ms) FROM run"
        " WHERE experiment_id NOT IN (SELECT experiment_id FROM experiment) GROUP BY experiment_id"
    )
    named = [Experiment(id=i, name=name, created_ms=first, updated_ms=last) for i, name, first, last in rows]
    return sorted([*recorded, *named], key=lambda experiment: (experiment.name, experiment.id))


def models(connection: sqlite3.Connection) -> list[tuple[ModelRecord, list[str]]]:
    """List what is recorded of models, each with its newest records, the latest first."""
    from gitml.formats.model_record import decode_model

    rows = connection.execute("SELECT body, heads FROM model ORDER BY model_id")
    return [(decode_model(body), json.loads(heads)) for body, heads in rows]


def registry_tags(connection: sqlite3.Connection) -> dict[str, str]:
    """Give what was put by as read of tags."""
    return dict(connection.execute("SELECT oid, body FROM registry_tag"))


def put_registry_tags(connection: sqlite3.Connection, read: Iterable[tuple[str, str]]) -> None:
    """Put by what was read of tags, by their ids."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany("INSERT OR REPLACE INTO registry_tag VALUES (?, ?)", read)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def key_names(connection: sqlite3.Connection, table: str, kind: int) -> list[str]:
    """List the names of metrics, params or tags that some run has."""
    rows = connection.execute(
        f"SELECT name FROM key WHERE kind = ? AND EXISTS (SELECT 1 FROM {table} t WHERE t.key_id = key.key_id)"  # noqa: S608
        " ORDER BY name",
        (kind,),
    )
    return [name for (name,) in rows]


def damaged(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """List the records that can't be decoded: commit and problem."""
    return connection.execute("SELECT commit_id, problem FROM damaged ORDER BY commit_id").fetchall()


def heads(git: GitRepo, connection: sqlite3.Connection, run_id: str) -> tuple[list[str], list[str]]:
    """Find the newest records of a run; see `heads_of`."""
    found = connection.execute("SELECT run_n FROM run WHERE run_id = ?", (run_id,)).fetchone()
    return heads_of(git, connection, found[0]) if found else ([], [])
