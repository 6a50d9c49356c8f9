"""Facts → rows, many runs at a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gitml.entities.run import Experiment, Run
from gitml.formats.run_tree import INPUTS_FILE, NOTE_FILE, RUN_FILE, encode_run
from gitml.index.facts import EXPERIMENT, EXPERIMENT_ID, POINT, Facts, facts_of, whole_row
from gitml.index.literals import is_storable, storable
from gitml.index.schema import METRIC, PARAM, TAG
from gitml.index.values import clean

# Params, metrics and tags are read back from their tables.
_DOCUMENT_FILES = (RUN_FILE, INPUTS_FILE, NOTE_FILE)
KEYED_TABLES = {METRIC: "metric", PARAM: "param", TAG: "tag"}
_AT_ONCE = 40  # rows of one statement: half the time of one by one
# The values of many rows, one behind the other; a list of tuples would cost as much as writing them.
Rows = list[object]
Names = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


class _Table(NamedTuple):
    """Where rows go: the columns that get a value, and how many they are beside a key."""

    columns: str
    width: int


_RUN, _DOCUMENT, _DATASET, _NOTE = (
    _Table("run", 22),
    _Table("document", 2),
    _Table("dataset", 5),
    _Table("note", 2),
)
_POINTS = _Table("metric (key_id, run_n, last, step, time)", 1 + POINT)
_SUMMARIES = _Table("metric", 9)
_PARAMS, _TAGS = _Table("param", 4), _Table("tag", 2)


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
    """Where the values of runs with the same keys go; metrics with one point apart from others."""

    number: int
    metrics: list[tuple[Rows, Rows]]
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
        self.began_empty = self._next_run == 1
        # Numbers of runs whose rows are not written yet; of all runs, if the tables were empty.
        self._numbers: dict[str, int] = {}
        self._unwritten: set[int] = set()
        self._rows: dict[_Table, Rows] = {table: [] for table in (_RUN, _DOCUMENT, _DATASET, _NOTE)}
        self._runs, self._documents = self._rows[_RUN], self._rows[_DOCUMENT]
        self._layouts: dict[Names, _Layout] = {}
        self._keyed: dict[tuple[_Table, int], Rows] = {}

    def number_of(self, run_id: str) -> int | None:
        """The number of a run that has rows, or will have when flushed."""
        run_id = clean(run_id)
        number = self._numbers.get(run_id)
        if number is None and not self.began_empty:
            found = self._connection.execute("SELECT run_n FROM run WHERE run_id = ?", (run_id,)).fetchone()
            number = None if found is None else found[0]
        return number

    def put(self, facts: Facts, document: bytes, commit: str | None) -> int:
        """Store the state of a run, in place of the one before.

        Args:
            facts: What can be searched.
            document: The record files that it is read back from, packed.
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
            if number in self._unwritten:
                self.flush()
            delete_rows(self._connection, number)
        self._numbers[run_id] = number
        self._unwritten.add(number)
        self._add(number, run_id, facts, commit)
        self._documents += (number, document)
        return number

    def put_run(self, run: Run) -> int:
        """Store a run that is not the content of one record: a live or a merged one."""
        return self.put(facts_of(run), pack(encode_run(run)), run.commit)

    def _add(self, number: int, run_id: str, facts: Facts, commit: str | None) -> None:
        row, (metric_names, metrics), (param_names, params), (tag_names, tags), datasets, note = facts
        names = (metric_names, param_names, tag_names)
        layout = self._layouts.get(names) or self._new_layout(names)
        for (points, summaries), metric in zip(layout.metrics, metrics, strict=True):
            rows = points if len(metric) == POINT else summaries
            rows.append(number)
            rows.extend(metric)
        for param_rows, param in zip(layout.params, params, strict=True):
            param_rows.append(number)
            param_rows.extend(param)
        for tag_rows, tag in zip(layout.tags, tags, strict=True):
            tag_rows.extend((number, tag))
        for position, dataset in enumerate(datasets):
            self._rows[_DATASET] += (number, position, *dataset)
        if note:
            self._rows[_NOTE] += (number, note)
        experiment = self._experiments.get(row[EXPERIMENT_ID], row[EXPERIMENT])
        if run_id != row[0] or experiment != row[EXPERIMENT]:
            row = (run_id, *row[1:EXPERIMENT], experiment, *row[EXPERIMENT + 1 :])
        runs = self._runs
        runs.append(number)
        runs += row
        runs += (commit, layout.number)

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
            [(self._rows_of(_POINTS, key), self._rows_of(_SUMMARIES, key)) for key in metrics],
            [self._rows_of(_PARAMS, key) for key in params],
            [self._rows_of(_TAGS, key) for key in tags],
        )
        return layout

    def _rows_of(self, table: _Table, key: int) -> Rows:
        return self._keyed.setdefault((table, key), [])

    def _key_id(self, kind: int, name: str) -> int:
        name = clean(name)
        self._connection.execute("INSERT OR IGNORE INTO key (kind, name) VALUES (?, ?)", (kind, name))
        found = self._connection.execute("SELECT key_id FROM key WHERE kind = ? AND name = ?", (kind, name))
        return int(found.fetchone()[0])

    def flush(self) -> None:
        """Write what was put since the last time."""
        for table, rows in self._rows.items():
            self._insert(table, None, rows)
        # Key by key, because that is how the tables are sorted: neighbours are written together.
        for (table, key), rows in self._keyed.items():
            self._insert(table, key, rows)
        if len(self._layouts) > _MOST_LAYOUTS:
            self._layouts.clear()
            self._keyed.clear()
        self._unwritten.clear()
        if not self.began_empty:
            self._numbers.clear()

    def _insert(self, table: _Table, key: int | None, rows: Rows) -> None:
        if not rows:
            return
        width = table.width
        # One text of a statement for all keys, because reading it takes as long as running it.
        marks = f"({'' if key is None else '?1, '}{', '.join('?' * width)})"
        prefix = [] if key is None else [key]
        insert = f"INTO {table.columns} VALUES "
        step = width * _AT_ONCE
        together = len(rows) // step * step
        try:
            if together:
                self._connection.executemany(
                    f"INSERT {insert}{', '.join([marks] * _AT_ONCE)}",
                    [prefix + rows[at : at + step] for at in range(0, together, step)],
                )
            self._connection.executemany(
                f"INSERT {insert}{marks}",
                [prefix + rows[at : at + width] for at in range(together, len(rows), width)],
            )
        except _REFUSED:
            # Somebody wrote an integer beyond 64 bits, half a character, or two names that differ by
            # such halves alone; checking every value would be slow.
            single = [rows[at : at + width] for at in range(0, len(rows), width)]
            self._connection.executemany(
                f"INSERT OR REPLACE {insert}{marks}", [prefix + list(map(_storable, row)) for row in single]
            )
            if table in (_POINTS, _SUMMARIES):
                self._keep_exactly(key, single)
        rows.clear()

    def _keep_exactly(self, key: int | None, rows: Iterable[Rows]) -> None:
        """Write down the numbers of a metric that its columns had to round."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO exact VALUES (?, ?, ?)",
            [
                (number, key, json.dumps(whole_row(tuple(numbers))))
                for number, *numbers in rows
                if not all(map(is_storable, numbers))
            ],
        )

    def put_experiment(self, experiment: Experiment, body: bytes) -> None:
        """Store the current state of an experiment; its runs show its name from now on."""
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
# How values are refused, in SQLite or on the way to it.
_REFUSED = (
    OverflowError,
    UnicodeEncodeError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    sqlite3.IntegrityError,
)


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
