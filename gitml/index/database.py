"""The index of runs: a cache of the branch that can be thrown away at any time.

Whatever is wrong with its file, the answer is the same: damaged, it is deleted
and rebuilt; locked, read-only or on a full disk, it is left alone and this
process works on a private one. Several processes may bring it up to date at
once: the work is done without a lock, and written only if the tip is still the
one it started from.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gitml.entities.run import Experiment, Run
from gitml.errors import DamagedError
from gitml.git.repo import GitRepo
from gitml.git.runs_branch import RUNS_REF, refuse_foreign
from gitml.index import lookups, schema
from gitml.index.connection import is_unavailable, open_file, open_private, remove, take_failure
from gitml.index.frame import Columns, columns
from gitml.index.live_rows import LiveRow, put_live
from gitml.index.search import Query, code_commits, count, search
from gitml.index.update import add_commits, read_tip
from gitml.index.walk import unseen_commits
from gitml.progress import Reach

if TYPE_CHECKING:
    from gitml.entities.registry import ModelRecord
    from gitml.index.ahead import Ahead, Joining

__all__ = ["Index", "LiveRow", "Query"]

T = TypeVar("T")
# Above this many commits the work is done on a private copy, so that nobody waits for it.
_SMALL = 2000


class Index:
    """What gitml asks about runs, answered without reading the branch.

    Safe to share between threads; after a fork the child opens its own.
    """

    def __init__(self, path: Path | None, git: GitRepo, runs_ref: str = RUNS_REF) -> None:
        """Name the file; it is opened on first use.

        Args:
            path: Where the database is; None for one that only this process sees.
            git: The repository.
            runs_ref: The branch with the runs.
        """
        self._path = path
        self._git = git
        self._ref = runs_ref
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._owner = os.getpid()
        self._inherited: list[sqlite3.Connection] = []
        self._live: tuple[LiveRow, ...] = ()

    # Keeping up

    def catch_up(self, progress: Reach | None = None) -> None:
        """Bring the index up to the branch's tip.

        Args:
            progress: Told how many of how many new commits are done, if there
                are many.

        Raises:
            ForeignBranchError: The branch was made by something else.
        """
        self._ask(lambda _: None, fresh=True, progress=progress)

    def put_live(self, rows: Iterable[LiveRow]) -> None:
        """Replace the set of live runs.

        List the live runs first, then `catch_up`, then call this: so a run
        that ends in between is seen live or committed, never not at all.
        """
        self._live = tuple(rows)
        self._ask(self._store_live)

    def _store_live(self, connection: sqlite3.Connection) -> None:
        put_live(self._git, connection, self._live)

    def ahead(self, commits: Sequence[Joining]) -> Ahead | None:
        """Begin to take in commits that are about to join the branch; `publish` makes that count.

        Args:
            commits: All that is new, parents before children.

        Returns:
            What takes their records; None where it is not worth it, or this index is
            not up to the branch.
        """
        if len(commits) <= _SMALL:
            return None
        from gitml.index.ahead import Ahead

        with self._lock, suppress(sqlite3.Error, OSError):  # whoever asks next will deal with it
            self._leave_parent_behind()
            connection, tip = self._open(), self._git.tip(self._ref)
            if read_tip(connection) == tip and _boundary(connection) == self._git.shallow_boundary():
                private = open_private()
                if tip is not None:
                    connection.backup(private)
                return Ahead(self._git, private, tip, commits)
        return None

    def publish(self, ahead: Ahead, tip: str) -> None:
        """Put what was taken in in place of this index.

        Args:
            ahead: It.
            tip: Where the branch is: a commit that contains all that was to join.
        """
        boundary = self._git.shallow_boundary()
        private = ahead.finish(tip, lambda connection: _note_boundary(connection, boundary))
        if private is not None:
            with self._lock, suppress(sqlite3.Error, OSError):
                self._publish(private, ahead.old)

    # Questions

    def search(self, query: Query) -> list[Run]:
        """Find runs, live and committed ones.

        Raises:
            FilterSyntaxError: The filter or a sort key can't be read.
        """
        return self._ask(lambda connection: search(connection, query))

    def count(self, query: Query) -> int:
        """Count the runs that a query matches, whatever its limit."""
        return self._ask(lambda connection: count(connection, query))

    def code_commits(self, query: Query) -> frozenset[str]:
        """Find the commits of the code that matching runs were made from, whatever the query's limit."""
        return self._ask(lambda connection: code_commits(connection, query))

    def columns(self, query: Query) -> Columns:
        """Read all matching runs as columns; see `frame.columns`."""
        return self._ask(lambda connection: columns(connection, query))

    def get(self, run_id: str) -> Run | None:
        """Find a run by its whole id."""
        return self._ask(lambda connection: lookups.run(connection, run_id))

    def ids_by_prefix(self, prefix: str, limit: int) -> list[str]:
        """Find the runs whose id begins so, at most `limit`, newest first."""
        return self._ask(lambda connection: lookups.ids_by_prefix(connection, prefix, limit))

    def ids_by_name(self, name: str) -> list[str]:
        """Find the runs of a name, newest first, deleted ones last."""
        return self._ask(lambda connection: lookups.ids_by_name(connection, name))

    def ids_by_code_commit(self, prefix: str) -> list[str]:
        """Find the runs made from a commit of the code, newest first, deleted ones last."""
        return self._ask(lambda connection: lookups.ids_by_code_commit(connection, prefix))

    def children(self, run_id: str, limit: int) -> list[Run]:
        """Find the runs that are part of another one, newest first."""
        return self._ask(lambda connection: lookups.children(connection, run_id, limit))

    def run_of_commit(self, commit: str) -> str | None:
        """Find the run that a record commit (or a prefix of its id) belongs to.

        None also where the prefix fits records of several runs.
        """
        return self._ask(lambda connection: lookups.run_of_commit(connection, commit))

    def records(self, run_id: str) -> list[str]:
        """List the record commits of a run, oldest first; none of a run that is only live."""
        return self._ask(lambda connection: lookups.records(connection, run_id))

    def heads(self, run_id: str) -> tuple[list[str], list[str]]:
        """Find the newest records of a run, and the newest ones that all of those descend from.

        There are several of a run that was changed in two places at once, and no
        bases of any other.
        """
        return self._ask(lambda connection: lookups.heads(self._git, connection, run_id))

    def experiments(self) -> list[Experiment]:
        """List all experiments, deleted ones too, also those that only their runs tell of."""
        return self._ask(lookups.experiments)

    def models(self) -> list[tuple[ModelRecord, list[str]]]:
        """List what is recorded of models, each with its newest records, the latest first."""
        return self._ask(lookups.models)

    def registry_tags(self) -> dict[str, str]:
        """Give what was put by as read of tags of the registry: id of the tag to text."""
        return self._ask(lookups.registry_tags)

    def put_registry_tags(self, read: Mapping[str, str]) -> None:
        """Put by what was read of tags of the registry; it may be lost at any time."""
        self._ask(lambda connection: lookups.put_registry_tags(connection, read.items()))

    def metric_names(self) -> list[str]:
        """List the names of all metrics."""
        return self._ask(lambda connection: lookups.key_names(connection, "metric", schema.METRIC))

    def param_names(self) -> list[str]:
        """List the names of all params."""
        return self._ask(lambda connection: lookups.key_names(connection, "param", schema.PARAM))

    def tag_names(self) -> list[str]:
        """List the names of all run tags."""
        return self._ask(lambda connection: lookups.key_names(connection, "tag", schema.TAG))

    def damaged(self) -> list[tuple[str, str]]:
        """List the records that can't be decoded: commit and problem."""
        return self._ask(lookups.damaged)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._connection is not None and self._owner == os.getpid():
                self._connection.close()
            self._connection = None

    # How a question is answered whatever state the file is in

    def _ask(
        self,
        work: Callable[[sqlite3.Connection], T],
        *,
        fresh: bool = False,
        progress: Reach | None = None,
    ) -> T:
        with self._lock:
            self._leave_parent_behind()
            try:
                return self._answer(work, fresh=fresh, progress=progress)
            except sqlite3.ProgrammingError:
                raise  # a mistake of ours, no state of the file
            except (sqlite3.DatabaseError, OSError) as err:
                self._replace_file(err)
            try:
                return self._answer(work, fresh=True, progress=progress)
            except (sqlite3.DatabaseError, OSError):
                self._go_private()
            try:
                return self._answer(work, fresh=True, progress=progress)
            except sqlite3.DatabaseError as err:
                raise DamagedError(
                    f"the index can't be built: {err}", hint="is there space left for temporary files?"
                ) from err

    def _answer(self, work: Callable[[sqlite3.Connection], T], *, fresh: bool, progress: Reach | None) -> T:
        was_open = self._connection is not None
        connection = self._open()
        if fresh or not was_open:
            self._follow_branch(progress)
            connection = self._open()
            if not was_open and self._live:
                self._store_live(connection)
        try:
            return work(connection)
        except sqlite3.OperationalError:
            failure = take_failure()
            if failure is None:
                raise
            raise failure from None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_private() if self._path is None else open_file(self._path)
        return self._connection

    def _leave_parent_behind(self) -> None:
        """Never touch, not even close, a connection that came over a fork: its locks are the parent's."""
        if self._owner != os.getpid():
            if self._connection is not None:
                self._inherited.append(self._connection)
            self._connection = None
            self._owner = os.getpid()

    def _replace_file(self, err: Exception) -> None:
        """Make room for a second attempt: on a new file, or in private."""
        if self._path is None or isinstance(err, OSError) or is_unavailable(err):  # type: ignore[arg-type]
            self._go_private()
            return
        self._discard()
        try:
            remove(self._path)
        except OSError:
            self._go_private()

    def _discard(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):  # closing what is damaged may fail, and is all we can do
                self._connection.close()
        self._connection = None

    def _go_private(self) -> None:
        self._discard()
        self._path = None

    # Following the branch

    def _follow_branch(self, progress: Reach | None) -> None:
        tip = self._git.tip(self._ref)
        # A shallow clone that gets more history has new commits below the same tip.
        boundary = self._git.shallow_boundary()
        while (old := read_tip(self._open())) != tip or _boundary(self._open()) != boundary:
            if tip is None:
                private = open_private()
                _note_boundary(private, boundary)
                self._publish(private, old)
                return
            refuse_foreign(self._git, self._git.commit_info(tip))
            known = old if _boundary(self._open()) == boundary else None
            commits, start = unseen_commits(self._git, known, tip)
            if start == old and len(commits) <= _SMALL:
                with _writing(self._open()) as connection:
                    if read_tip(connection) != old:
                        continue  # another process was faster; see what is left to do
                    add_commits(self._git, connection, commits, old, progress)
                    _note_boundary(connection, boundary)
            else:
                private = open_private()
                if start is not None:
                    self._open().backup(private)
                private.execute("BEGIN")
                add_commits(self._git, private, commits, start, progress)
                _note_boundary(private, boundary)
                private.execute("COMMIT")
                self._publish(private, old)

    def _publish(self, private: sqlite3.Connection, old: str | None) -> None:
        """Put a database built in private in place of the one it was built from."""
        if self._path is None:
            self._discard()
            self._connection = private
            return
        try:
            connection = self._open()
            if read_tip(connection) == old:  # else another process was faster
                private.backup(connection)
        finally:
            private.close()


def _boundary(connection: sqlite3.Connection) -> str:
    row = connection.execute("SELECT value FROM meta WHERE name = 'boundary'").fetchone()
    return "" if row is None else row[0]


def _note_boundary(connection: sqlite3.Connection, boundary: str) -> None:
    if boundary:
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('boundary', ?)", (boundary,))
    else:
        connection.execute("DELETE FROM meta WHERE name = 'boundary'")


@contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
