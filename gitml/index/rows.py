"""Runs ↔ rows.

A run is stored twice: spread over tables, to be searched, and as its record
files in one document, to be read back by the decoder that reads git. So the
index needs no encoding of its own and gives exactly what the branch holds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import replace

from gitml.entities.run import Run
from gitml.errors import DamagedError
from gitml.formats.run_tree import RECORD_FILES, decode_run, encode_run
from gitml.index.literals import storable
from gitml.index.schema import METRIC, PARAM, TAG
from gitml.index.values import clean, param_row

_RUN_COLUMNS = 21
_INSERTS = {
    "run": f"INSERT OR REPLACE INTO run VALUES ({', '.join('?' * _RUN_COLUMNS)})",
    "document": "INSERT OR REPLACE INTO document VALUES (?, ?)",
    "metric": "INSERT OR REPLACE INTO metric VALUES (?, ?, ?, ?, ?, ?, ?)",
    "param": "INSERT OR REPLACE INTO param VALUES (?, ?, ?, ?, ?)",
    "tag": "INSERT OR REPLACE INTO tag VALUES (?, ?, ?)",
    "dataset": "INSERT OR REPLACE INTO dataset VALUES (?, ?, ?, ?, ?)",
    "note": "INSERT OR REPLACE INTO note VALUES (?, ?)",
}


def pack(files: Mapping[str, bytes]) -> bytes:
    """Join record files into one document: a line with their lengths, then their contents."""
    parts = [files.get(name, b"") for name in RECORD_FILES]
    return b" ".join(b"%d" % len(part) for part in parts) + b"\n" + b"".join(parts)


def unpack(body: bytes) -> dict[str, bytes]:
    """Take a document apart again.

    Raises:
        sqlite3.DatabaseError: It is not a document; the index is corrupt.
    """
    header, _, content = body.partition(b"\n")
    files: dict[str, bytes] = {}
    at = 0
    try:
        for name, length in zip(RECORD_FILES, map(int, header.split(b" ")), strict=True):
            if length:
                files[name] = content[at : at + length]
                at += length
    except ValueError as err:
        raise sqlite3.DatabaseError("a document in the index is malformed") from err
    return files


def read_run(body: bytes, commit: str | None, experiment: str, *, live: bool) -> Run:
    """Read a run back.

    Args:
        body: Its document.
        commit: The record it is from.
        experiment: The current name of its experiment.
        live: Whether it is still being written.

    Raises:
        sqlite3.DatabaseError: The document can't be read; the index is corrupt.
    """
    try:
        run = decode_run(unpack(body), commit=commit or "live")
    except (DamagedError, KeyError) as err:
        raise sqlite3.DatabaseError("a document in the index is malformed") from err
    if live or commit is None or run.experiment != experiment:
        return replace(run, commit=commit, live=live, experiment=experiment)
    return run


class RowWriter:
    """Writes runs into the tables, many at a time; `flush` ends a batch.

    Its owner holds the transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read what numbering continues from."""
        self._connection = connection
        self._keys: dict[tuple[int, str], int] = {}
        self._experiments: dict[str, str] = dict(
            connection.execute("SELECT experiment_id, name FROM experiment").fetchall()
        )
        self._next_run: int = connection.execute("SELECT ifnull(max(run_n), 0) + 1 FROM run").fetchone()[0]
        self._new_runs: dict[str, int] = {}
        self._rows: dict[str, list[tuple[object, ...]]] = {table: [] for table in _INSERTS}

    def number_of(self, run_id: str) -> int | None:
        """The number of a run that has rows, or will have when flushed."""
        run_id = clean(run_id)
        number = self._new_runs.get(run_id)
        if number is None:
            found = self._connection.execute("SELECT run_n FROM run WHERE run_id = ?", (run_id,)).fetchone()
            number = None if found is None else found[0]
        return number

    def put(self, run: Run, files: Mapping[str, bytes] | None = None) -> int:
        """Store the state of a run, in place of the one before.

        Args:
            run: The state.
            files: The record files it was decoded from, if there are any.

        Returns:
            The run's number, which it keeps.
        """
        number = self.number_of(run.id)
        if number is None:
            number = self._next_run
            self._next_run += 1
            self._new_runs[clean(run.id)] = number
        else:
            self.flush()
            delete_rows(self._connection, number)
        self._add(number, run, encode_run(run) if files is None else files)
        return number

    def _add(self, number: int, run: Run, files: Mapping[str, bytes]) -> None:
        rows = self._rows
        rows["document"].append((number, pack(files)))
        rows["run"].append(self._run_row(number, run))
        key = self._key
        if run.metrics:
            rows["metric"] += [
                (key(METRIC, name), number, m.last, m.min, m.max, m.step, m.count) for name, m in run.metrics.items()
            ]
        if run.params:
            rows["param"] += [(key(PARAM, name), number, *param_row(value)) for name, value in run.params.items()]
        if run.tags:
            rows["tag"] += [(key(TAG, name), number, value) for name, value in run.tags.items()]
        for position, data in enumerate(run.inputs):
            rows["dataset"].append((number, position, _text(data.name), _text(data.digest), _text(data.context)))
        if run.note:
            rows["note"].append((number, run.note))

    def _run_row(self, number: int, run: Run) -> tuple[object, ...]:
        code = run.code
        experiment = self._experiments.get(run.experiment_id)
        return (
            number,
            clean(run.id),
            _text(run.name),
            _text(run.experiment_id),
            _text(run.experiment if experiment is None else experiment),
            run.status.value,
            run.start_ms,
            run.end_ms,
            _number(run.duration_s),
            _text(run.parent_id),
            _text(run.user),
            _text(run.host),
            _text(run.entry_point),
            _number(run.exit_code),
            _text(run.error),
            run.deleted_ms,
            _text(code.commit),
            _text(code.branch),
            int(code.dirty),
            int(run.live),
            run.commit,
        )

    def _key(self, kind: int, name: str) -> int:
        number = self._keys.get((kind, name))
        if number is None:
            text = clean(name)
            self._connection.execute("INSERT OR IGNORE INTO key (kind, name) VALUES (?, ?)", (kind, text))
            found = self._connection.execute("SELECT key_id FROM key WHERE kind = ? AND name = ?", (kind, text))
            number = int(found.fetchone()[0])
            self._keys[kind, name] = number
        return number

    def flush(self) -> None:
        """Write what was put since the last time."""
        for table, rows in self._rows.items():
            if rows:
                self._insert(table, rows)
                rows.clear()
        self._new_runs.clear()

    def _insert(self, table: str, rows: list[tuple[object, ...]]) -> None:
        try:
            self._connection.executemany(_INSERTS[table], rows)
        except (OverflowError, UnicodeEncodeError, sqlite3.InterfaceError, sqlite3.ProgrammingError):
            # Somebody wrote an integer beyond 64 bits or half a character; checking every value would be slow.
            self._connection.executemany(_INSERTS[table], [tuple(map(_storable, row)) for row in rows])

    def put_experiment(self, experiment_id: str, name: str, body: bytes) -> None:
        """Store the current state of an experiment; its runs show its name from now on."""
        self.flush()
        experiment_id, name = clean(experiment_id), clean(name)
        self._connection.execute("INSERT OR REPLACE INTO experiment VALUES (?, ?, ?)", (experiment_id, name, body))
        self._experiments[experiment_id] = name

    def rename_experiments(self, experiment_ids: Iterable[str]) -> None:
        """Show the current names of experiments in the rows of their runs."""
        self.flush()
        self._connection.executemany(
            "UPDATE run SET experiment = ?1 WHERE experiment_id = ?2 AND experiment IS NOT ?1",
            [(self._experiments[clean(experiment_id)], clean(experiment_id)) for experiment_id in experiment_ids],
        )


def _text(value: object) -> str | None:
    return str(value) if value else None


def _number(value: object) -> int | float | None:
    return value if isinstance(value, (int, float)) else None


def _storable(value: object) -> object:
    if isinstance(value, (int, float)):
        return storable(value)
    return value if value is None or isinstance(value, bytes) else clean(str(value))


def delete_rows(connection: sqlite3.Connection, number: int) -> None:
    """Remove a run from all tables but the history of commits."""
    found = connection.execute("SELECT body, commit_id FROM document JOIN run USING (run_n) WHERE run_n = ?", (number,))
    for body, commit in found.fetchall():
        run = read_run(body, commit, "", live=False)
        for kind, table, names in ((METRIC, "metric", run.metrics), (PARAM, "param", run.params), (TAG, "tag", run.tags)):
            key = f"(SELECT key_id FROM key WHERE kind = {kind} AND name = ?)"
            connection.executemany(
                f"DELETE FROM {table} WHERE key_id = {key} AND run_n = ?",  # noqa: S608 - names from this line
                [(clean(name), number) for name in names],
            )
    for table in ("run", "document", "live", "dataset", "note"):
        connection.execute(f"DELETE FROM {table} WHERE run_n = ?", (number,))  # noqa: S608
