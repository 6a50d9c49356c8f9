"""New commits → rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from gitml.entities.run import Run
from gitml.errors import DamagedError
from gitml.formats.run_tree import EXPERIMENT_FILE, MODEL_FILE, RUN_FILE, decode_experiment, decode_run
from gitml.git.repo import GitRepo
from gitml.index.collector import collector_paused
from gitml.index.facts import Facts, facts_of
from gitml.index.fold import fold_runs
from gitml.index.records import Record, read_record
from gitml.index.rows import RowWriter, delete_rows, pack
from gitml.index.schema import create_indexes, drop_indexes
from gitml.index.values import clean
from gitml.index.walk import Commit, Place, Walk, common_base, newest, places
from gitml.progress import Reach

_BATCH = 1000  # runs between two writes; some 10 MB of rows


def read_tip(connection: sqlite3.Connection) -> str | None:
    """The commit up to which the index knows the branch; None of an empty one."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'tip'").fetchone()
    return None if row is None else row[0]


def add_commits(
    git: GitRepo,
    connection: sqlite3.Connection,
    commits: Sequence[Commit],
    old: str | None,
    progress: Reach | None = None,
) -> None:
    """Bring the tables from one tip to another; the caller holds the transaction.

    Args:
        git: The repository.
        connection: The database.
        commits: What is new, parents before children, the new tip last.
        old: The tip that the tables are at; None if they are empty.
        progress: Told how many of how many commits are done.
    """
    from gitml.index.helper import records  # 20 ms, and mostly nothing is new

    update = Update(git, connection, old)
    with collector_paused():
        for done, (commit, record) in enumerate(zip(commits, records(git, commits), strict=True), 1):
            update.add(commit, record)
            if done % _BATCH == 0:
                update.flush()
                if progress is not None:
                    progress(done, len(commits))
    update.finish(commits[-1][0])
    if progress is not None:
        progress(len(commits), len(commits))


class Update:
    """One walk over new commits."""

    def __init__(self, git: GitRepo, connection: sqlite3.Connection, old: str | None) -> None:
        """Continue from `old`; see `add_commits`."""
        self._git = git
        self._connection = connection
        self._walk = Walk(connection, old)
        self._writer = RowWriter(connection)
        self._history: list[tuple[object, ...]] = []
        self._from_nothing = old is None and self._writer.began_empty
        if self._from_nothing:
            drop_indexes(connection)
        # The last record of each run and experiment that this walk has come by.
        self._last_of_run: dict[int, Place] = {}
        self._last_of_experiment: dict[str, Place] = {}
        self._last_of_model: dict[str, Place] = {}
        self._renamed: set[str] = set()
        # Changed in two places at once, as far as two numbers a commit can tell.
        self._contested_runs: dict[int, None] = {}
        self._contested_experiments: dict[str, None] = {}
        self._contested_models: dict[str, None] = {}

    def add(self, commit: Commit, record: Record) -> None:
        """Take in the next commit.

        A record that can't be decoded is put on a list and changes nothing else:
        one damaged run must not hide all others.
        """
        place = self._walk.add(commit)
        facts, document, files = record
        number: int | None = None
        experiment: str | None = None
        model: str | None = None
        try:
            if facts is not None:
                number = self._add_run(place, facts, document)
            elif RUN_FILE in files:
                number = self._add_run(place, facts_of(decode_run(files, commit=place.commit)), pack(files))
            elif EXPERIMENT_FILE in files:
                experiment = self._add_experiment(place, files[EXPERIMENT_FILE])
            elif MODEL_FILE in files:
                model = self._add_model(place, files[MODEL_FILE])
        except DamagedError as err:
            self._connection.execute(
                "INSERT OR REPLACE INTO damaged VALUES (?, ?)", (place.commit, clean(str(err)))
            )
        self._history.append((place.n, place.commit, place.base, place.chain, number, experiment, model))

    def _add_run(self, place: Place, facts: Facts, document: bytes) -> int:
        number = self._writer.number_of(facts.run_id)
        if number is not None:
            before = self._last_of_run.get(number) or self._last_place("run_n", number)
            if before is not None and not place.surely_follows(before):
                self._contested_runs[number] = None
        number = self._writer.put(facts, document, place.commit)
        self._last_of_run[number] = place
        return number

    def _add_experiment(self, place: Place, body: bytes) -> str:
        experiment = decode_experiment(body)
        key = clean(experiment.id)
        before = self._last_of_experiment.get(key) or self._last_place("experiment_id", key)
        if before is not None and not place.surely_follows(before):
            self._contested_experiments[key] = None
        self._last_of_experiment[key] = place
        self._writer.put_experiment(experiment, body)
        self._renamed.add(key)
        return key

    def _add_model(self, place: Place, body: bytes) -> str:
        from gitml.index.models import key_of, put_model  # the registry's facts: most runs have none

        key = key_of(body)
        before = self._last_of_model.get(key) or self._last_place("model_id", key)
        if before is not None and not place.surely_follows(before):
            self._contested_models[key] = None
        self._last_of_model[key] = place
        put_model(self._connection, key, body, [place.commit])
        return key

    def _last_place(self, column: str, value: object) -> Place | None:
        """The last record known before this walk."""
        if self._from_nothing:
            return None
        known = places(self._connection, column, value)
        return known[-1] if known else None

    def flush(self) -> None:
        """Write what was taken in so far."""
        self._writer.flush()
        self._connection.executemany("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?)", self._history)
        self._history.clear()

    def finish(self, tip: str) -> None:
        """Settle what was changed in two places, and note where the walk ended."""
        self.flush()
        if self._from_nothing:
            create_indexes(self._connection)
        for number in self._contested_runs:
            put_committed(self._git, self._connection, self._writer, number)
        for experiment in self._contested_experiments:
            heads = newest(self._git, places(self._connection, "experiment_id", experiment))
            latest = max(heads, key=lambda commit: (self._git.commit_info(commit).time_ms, commit))
            body = read_record(self._git, latest)[EXPERIMENT_FILE]
            self._writer.put_experiment(decode_experiment(body), body)
        for model in self._contested_models:
            from gitml.index.models import settle_model

            settle_model(self._git, self._connection, model)
        self._writer.rename_experiments(self._renamed)
        self._writer.flush()
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('tip', ?)", (tip,))


def put_committed(git: GitRepo, connection: sqlite3.Connection, writer: RowWriter, number: int) -> None:
    """Store what the branch says of a run, or forget the run if the branch does not know it."""
    heads, bases = heads_of(git, connection, number)
    if not heads:
        delete_rows(connection, number)
        return
    if len(heads) == 1:
        files = read_record(git, heads[0])
        writer.put(facts_of(decode_run(files, commit=heads[0])), pack(files), heads[0])
        return
    base = fold_runs(_states(git, bases)) if bases else None
    writer.put_run(fold_runs(_states(git, heads), base))


def heads_of(git: GitRepo, connection: sqlite3.Connection, number: int) -> tuple[list[str], list[str]]:
    """The newest records of a run, and the newest ones that all of those descend from.

    Of a run that was not changed in two places at once: its last record, and nothing.
    """
    known = places(connection, "run_n", number)
    if len(known) < 2:
        return [place.commit for place in known], []
    heads = newest(git, known)
    return heads, common_base(git, known, heads) if len(heads) > 1 else []


def _states(git: GitRepo, commits: Iterable[str]) -> list[tuple[int, str, Run]]:
    return [
        (git.commit_info(commit).time_ms, commit, decode_run(read_record(git, commit), commit=commit))
        for commit in commits
    ]
