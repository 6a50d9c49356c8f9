"""The tables of the index, and the number that forces a rebuild.

Shape matters: `PRIMARY KEY (key_id, run_n) … WITHOUT ROWID` keeps all values of
one key together, so a condition reads one run of pages and nothing else.
Columns without a declared type keep integers and floats as they are. A number
that is NULL in a row that exists is NaN, which SQLite can't hold.
"""

from __future__ import annotations

import sqlite3

# Part of the file's identity: another number in the file means another shape.
VERSION = 6
APPLICATION = 0x676D4C31

METRIC, PARAM, TAG = 0, 1, 2
# The order of lists of `run r` where no other is asked for; an index gives it.
NEWEST_FIRST = "r.start_ms DESC, r.run_id"

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
-- Every commit of the branch in the order walked. Commits up to `base`, and
-- earlier ones of the same chain, are certainly ancestors; of others git knows.
CREATE TABLE history (
    n INTEGER PRIMARY KEY, commit_id TEXT NOT NULL, base INTEGER NOT NULL, chain INTEGER NOT NULL,
    run_n INTEGER, experiment_id TEXT, model_id TEXT
);
CREATE TABLE damaged (commit_id TEXT PRIMARY KEY, problem TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE experiment (
    experiment_id TEXT PRIMARY KEY, name TEXT NOT NULL, deleted INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
-- What its records say of a model of the registry, and the newest of them as JSON, the latest first.
CREATE TABLE model (model_id TEXT PRIMARY KEY, body BLOB NOT NULL, heads TEXT NOT NULL) WITHOUT ROWID;
-- What a tag of the registry says, as JSON: reading the tag itself takes ten times as long.
CREATE TABLE registry_tag (oid TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE run (
    run_n INTEGER PRIMARY KEY, run_id TEXT NOT NULL, name TEXT, experiment_id TEXT, experiment TEXT,
    status TEXT, start_ms INTEGER NOT NULL, end_ms INTEGER, duration_s, parent_id TEXT, user TEXT, host TEXT,
    entry_point TEXT, exit_code INTEGER, error TEXT, deleted_ms INTEGER, code_commit TEXT, branch TEXT,
    dirty INTEGER NOT NULL, live INTEGER NOT NULL, commit_id TEXT, layout_id INTEGER NOT NULL
);
-- The record files that have no tables of their own, as they are.
CREATE TABLE document (run_n INTEGER PRIMARY KEY, body BLOB NOT NULL);
-- Which keys a run has, in its order, as JSON: lists of metrics, params and tags. Most runs share a few layouts.
CREATE TABLE layout (layout_id INTEGER PRIMARY KEY, keys TEXT NOT NULL UNIQUE);
CREATE TABLE live (run_n INTEGER PRIMARY KEY, signature TEXT NOT NULL);
CREATE TABLE key (key_id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name));
-- Of a metric with one point, the columns from `min` to `count` are NULL: they are `last`, `step` and 1.
CREATE TABLE metric (
    key_id INTEGER, run_n INTEGER, last, step INTEGER, time INTEGER, min, min_step INTEGER, max, max_step INTEGER,
    count INTEGER, PRIMARY KEY (key_id, run_n)
) WITHOUT ROWID;
-- Rows of metric with integers beyond 64 bits, in full, as JSON; their columns hold the nearest float to compare.
CREATE TABLE exact (run_n INTEGER, key_id INTEGER, numbers TEXT NOT NULL, PRIMARY KEY (run_n, key_id)) WITHOUT ROWID;
CREATE TABLE param (
    key_id INTEGER, run_n INTEGER, type INTEGER NOT NULL, number, text TEXT NOT NULL, PRIMARY KEY (key_id, run_n)
) WITHOUT ROWID;
CREATE TABLE tag (key_id INTEGER, run_n INTEGER, text TEXT NOT NULL, PRIMARY KEY (key_id, run_n)) WITHOUT ROWID;
CREATE TABLE dataset (
    run_n INTEGER, position INTEGER, name TEXT, digest TEXT, context TEXT, PRIMARY KEY (run_n, position)
) WITHOUT ROWID;
CREATE TABLE note (run_n INTEGER PRIMARY KEY, text TEXT NOT NULL);
"""

# Kept from the tables, so that they can be made when many rows are in: sorting once is cheaper.
_INDEXES = {
    "history_by_commit": "UNIQUE INDEX history_by_commit ON history (commit_id)",
    "history_of_run": "INDEX history_of_run ON history (run_n) WHERE run_n IS NOT NULL",
    "history_of_experiment": "INDEX history_of_experiment ON history (experiment_id) WHERE experiment_id IS NOT NULL",
    "history_of_model": "INDEX history_of_model ON history (model_id) WHERE model_id IS NOT NULL",
    "run_by_id": "UNIQUE INDEX run_by_id ON run (run_id)",
    "run_deleted": "INDEX run_deleted ON run (deleted_ms) WHERE deleted_ms IS NOT NULL",
    "run_by_start": "INDEX run_by_start ON run (start_ms DESC, run_id)",
}


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty database, in one transaction."""
    indexes = "".join(f"CREATE {definition};" for definition in _INDEXES.values())
    connection.executescript(
        f"BEGIN IMMEDIATE;{_TABLES}{indexes}"
        f"PRAGMA application_id = {APPLICATION};PRAGMA user_version = {VERSION};COMMIT;"
    )


def drop_indexes(connection: sqlite3.Connection) -> None:
    """Do without indexes while many rows are written; belongs to the caller's transaction."""
    for name in _INDEXES:
        connection.execute(f"DROP INDEX {name}")


def create_indexes(connection: sqlite3.Connection) -> None:
    """Make the indexes that `drop_indexes` took away."""
    for definition in _INDEXES.values():
        connection.execute(f"CREATE {definition}")


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether the database has exactly these tables."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    return bool(version == VERSION and application == APPLICATION)


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the database has no tables at all."""
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0)
