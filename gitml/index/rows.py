"""Facts → rows, many runs at a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import NamedTuple

from gitml.entities.run import Experiment, Run
from gitml.formats.run_tree import INPUTS_FILE, NOTE_FILE, RUN_FILE, encode_run
from gitml.index.facts import EXPERIMENT, EXPERIMENT_ID, Facts, facts_of
from gitml.index.literals import is_storable, storable
from gitml.index.schema import METRIC, PARAM, TAG
from gitml.index.values import clean

# Params, metrics and tags are read back from their tables.
_DOCUMENT_FILES = (RUN_FILE, INPUTS_FILE, NOTE_FILE)
KEYED_TABLES = {METRIC: "metric", PARAM: "param", TAG: "tag"}
_KEYED_COLUMNS = {METRIC: 8, PARAM: 3, TAG: 1}  # beside key and run
_AT_ONCE = 40  # rows of one statement: a fifth faster than one by one
Rows = list[tuple[object, ...]]
Names = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def pack(files: Mapping[str, bytes]) -> bytes:
    """Join files into one document: a line with their lengths, then their contents."""
    run, inputs, note = (files.get(name, b"") for name in _DOCUMENT_FILES)
    return b"%d %d %d\n%s%s%s" % (len(run), len(inputs), len(note), run, inputs, note)


def unpack(body: bytes) -> dict[str, bytes]:
    """Take a document apart again.

    Raises:
        sqlite3.DatabaseError: It is not a document; the index is corrupt.
    """
    header, _, content = body.partition(b"\n")
    files: dict[str, bytes] = {}
    at = 0
    try:
        for name, length in zip(_DOCUMENT_FILES, map(int, header.split(b" ")), strict=True):
            if length:
                files[name] = content[at : at + length]
                at += length
    except ValueError as err:
        raise sqlite3.DatabaseError("a document in the index is malformed") from err
    return files


class _Layout(NamedTuple):
    """Where the values of runs with the same keys go."""

    number: int
    metrics: list[Rows]
    params: list[Rows]
    tags: list[Rows]


class RowWriter:
    """Writes runs into the tables, many at a time; `flush` ends a batch.

    Its owner holds the transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read what numbering continues from."""
        self._connection = connection
        self._experiments: dict[object, str] = dict(
            connection.execute("SELECT experiment_id, name FROM experiment").fetchall()
        )
        self._next_run: int = connection.execute("SELECT ifnull(max(run_n), 0) + 1 FROM run").fetchone()[0]
        # Numbers of runs whose rows are not written yet; of all runs, if the tables were empty.
        self._unwritten: dict[str, int] = {}
        self._knows_all = self._next_run == 1
        self._runs: Rows = []
        self._documents: Rows = []
        self._datasets: Rows = []
        self._notes: Rows = []
        self._layouts: dict[Names, _Layout] = {}
        self._keyed: dict[tuple[int, int], Rows] = {}

    def number_of(self, run_id: str) -> int | None:
        """The number of a run that has rows, or will have when flushed."""
        run_id = clean(run_id)
        number = self._unwritten.get(run_id)
        if number is None and not self._knows_all:
            found = self._connection.execute("SELECT run_n FROM run WHERE run_id = ?", (run_id,)).fetchone()
            number = None if found is None else found[0]
        return number

    def put(self, facts: Facts, files: Mapping[str, bytes], commit: str | None) -> int:
        """Store the state of a run, in place of the one before.

        Args:
            facts: What can be searched.
            files: The record files that it is read back from.
            commit: The record that it is from, None of a live run.

        Returns:
            The run's number, which it keeps.
        """
        run_id = clean(facts.run_id)
        number = self.number_of(run_id)
        if number is None:
            number = self._next_run
            self._next_run += 1
        else:
            self.flush()
            delete_rows(self._connection, number)
        self._unwritten[run_id] = number
        self._add(number, run_id, facts, commit)
        self._documents.append((number, pack(files)))
        return number

    def put_run(self, run: Run) -> int:
        """Store a run that is not the content of one record: a live or a merged one."""
        return self.put(facts_of(run), encode_run(run), run.commit)

    def _add(self, number: int, run_id: str, facts: Facts, commit: str | None) -> None:
        row, metrics, params, tags, datasets, note = facts
        names = (tuple(metrics), tuple(params), tuple(tags))
        layout = self._layouts.get(names) or self._new_layout(names)
        for rows, metric in zip(layout.metrics, metrics.values(), strict=True):
            rows.append((number, *metric))
        for rows, param in zip(layout.params, params.values(), strict=True):
            rows.append((number, *param))
        for rows, tag in zip(layout.tags, tags.values(), strict=True):
            rows.append((number, tag))
        for position, dataset in enumerate(datasets):
            self._datasets.append((number, position, *dataset))
        if note:
            self._notes.append((number, note))
        experiment = self._experiments.get(row[EXPERIMENT_ID], row[EXPERIMENT])
        self._runs.append(
            (number, run_id, *row[1:EXPERIMENT], experiment, *row[EXPERIMENT + 1 :], commit, layout.number)
        )

    def _new_layout(self, names: Names) -> _Layout:
        metrics, params, tags = (
            [self._key_id(kind, name) for name in group]
            for kind, group in zip(KEYED_TABLES, names, strict=True)
        )
        keys = json.dumps([metrics, params, tags], separators=(",", ":"))
        self._connection.execute("INSERT OR IGNORE INTO layout (keys) VALUES (?)", (keys,))
        found = self._connection.execute("SELECT layout_id FROM layout WHERE keys = ?", (keys,)).fetchone()
        layout = self._layouts[names] = _Layout(
            found[0],
            [self._keyed.setdefault((METRIC, key), []) for key in metrics],
            [self._keyed.setdefault((PARAM, key), []) for key in params],
            [self._keyed.setdefault((TAG, key), []) for key in tags],
        )
        return layout

    def _key_id(self, kind: int, name: str) -> int:
        name = clean(name)
        self._connection.execute("INSERT OR IGNORE INTO key (kind, name) VALUES (?, ?)", (kind, name))
        found = self._connection.execute("SELECT key_id FROM key WHERE kind = ? AND name = ?", (kind, name))
        return int(found.fetchone()[0])

    def flush(self) -> None:
        """Write what was put since the last time."""
        self._insert("run", _marks(22), self._runs)
        self._insert("document", _marks(2), self._documents)
        self._insert("dataset", _marks(5), self._datasets)
        self._insert("note", _marks(2), self._notes)
        # Key by key, because that is how the tables are sorted: neighbours are written together.
        for (kind, key), rows in self._keyed.items():
            exact_key = key if kind == METRIC else None
            self._insert(
                KEYED_TABLES[kind], f"({key}, {_marks(1 + _KEYED_COLUMNS[kind])[1:]}", rows, exact_key
            )
        if len(self._layouts) > _MOST_LAYOUTS:
            self._layouts.clear()
            self._keyed.clear()
        if not self._knows_all:
            self._unwritten.clear()

    def _insert(self, table: str, marks: str, rows: Rows, exact_key: int | None = None) -> None:
        if not rows:
            return
        insert = f"INSERT OR REPLACE INTO {table} VALUES "  # noqa: S608 - fixed names and integers
        together = len(rows) // _AT_ONCE * _AT_ONCE
        try:
            if together:
                self._connection.executemany(
                    insert + ", ".join([marks] * _AT_ONCE),
                    (
                        tuple(chain.from_iterable(rows[at : at + _AT_ONCE]))
                        for at in range(0, together, _AT_ONCE)
                    ),
                )
            self._connection.executemany(insert + marks, rows[together:])
        except (OverflowError, UnicodeEncodeError, sqlite3.InterfaceError, sqlite3.ProgrammingError):
            # Somebody wrote an integer beyond 64 bits or half a character; checking every value would be slow.
            self._connection.executemany(insert + marks, [tuple(map(_storable, row)) for row in rows])
            if exact_key is not None:
                self._keep_exactly(exact_key, rows)
        rows.clear()

    def _keep_exactly(self, key: int, rows: Rows) -> None:
        """Write down the numbers of a metric that its columns had to round."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO exact VALUES (?, ?, ?)",
            [
                (number, key, json.dumps(numbers))
                for number, *numbers in rows
                if not all(map(is_storable, numbers))
            ],
        )

    def put_experiment(self, experiment: Experiment, body: bytes) -> None:
        """Store the current state of an experiment; its runs show its name from now on."""
        self.flush()
        key, name = clean(experiment.id), clean(experiment.name)
        self._connection.execute(
            "INSERT OR REPLACE INTO experiment VALUES (?, ?, ?, ?)",
            (key, name, experiment.deleted_ms is not None, body),
        )
        self._experiments[key] = name

    def rename_experiments(self, experiment_ids: Iterable[str]) -> None:
        """Show the current names of experiments in the rows of their runs."""
        self.flush()
        self._connection.executemany(
            "UPDATE run SET experiment = ?1 WHERE experiment_id = ?2 AND experiment IS NOT ?1",
            [(self._experiments[experiment_id], experiment_id) for experiment_id in experiment_ids],
        )


_MOST_LAYOUTS = 10_000


def _marks(columns: int) -> str:
    return f"({', '.join('?' * columns)})"


def _storable(value: object) -> object:
    if isinstance(value, (int, float)):
        return storable(value)
    return value if value is None or isinstance(value, bytes) else clean(str(value))


def delete_rows(connection: sqlite3.Connection, number: int) -> None:
    """Remove a run from all tables but the history of commits."""
    found = connection.execute(
        "SELECT keys FROM layout JOIN run USING (layout_id) WHERE run_n = ?", (number,)
    )
    for (text,) in found.fetchall():
        for table, keys in zip(KEYED_TABLES.values(), json.loads(text), strict=True):
            connection.executemany(
                f"DELETE FROM {table} WHERE key_id = ? AND run_n = ?",  # noqa: S608 - a fixed name
                [(key, number) for key in keys],
            )
    for table in ("run", "document", "live", "dataset", "note", "exact"):
        connection.execute(f"DELETE FROM {table} WHERE run_n = ?", (number,))  # noqa: S608 - a fixed name
