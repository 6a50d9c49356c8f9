"""Opening the index's database, and telling what is wrong when it fails."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.errors import UsageError
from gitml.index import schema

if TYPE_CHECKING:
    import regex

_SEARCH_PATIENCE_S = 1.0  # what a regular expression may take for one text

_PATIENCE_S = 15.0
_SUFFIXES = ("", "-journal", "-wal", "-shm")


def open_file(path: Path) -> sqlite3.Connection:
    """Open the index in a file, made anew if it is of another version.

    Raises:
        sqlite3.DatabaseError: It can't be opened or is no database.
        OSError: Its folder can't be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = _connect(str(path))
    try:
        if not schema.is_current(connection):
            if not schema.is_empty(connection):
                connection.close()
                remove(path)
                connection = _connect(str(path))
            _create_once(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _create_once(connection: sqlite3.Connection) -> None:
    try:
        schema.create(connection)
    except sqlite3.OperationalError:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if not schema.is_current(connection):  # else another process was faster
            raise


def open_private() -> sqlite3.Connection:
    """Open an empty index that nobody else sees and that is gone when closed.

    It spills from memory into an unnamed temporary file, so its size does not
    count against memory.
    """
    connection = _connect("")
    # Nobody reads it after a crash, so nothing needs to survive one.
    connection.execute("PRAGMA journal_mode = MEMORY")
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    schema.create(connection)
    return connection


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
    # No WAL: the index may lie on a network file system, where WAL does not work.
    # No waiting for the disk (15 ms a run): after a loss of power the index is rebuilt at worst.
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cache_size = -65536")
    connection.create_function("gitml_search", 2, _search, deterministic=True)
    return connection


class SlowPatternError(UsageError):
    """A filter's regular expression takes too long for a text."""

    def __init__(self, pattern: str) -> None:
        super().__init__(
            f"the regular expression '{pattern}' takes too long: more than {_SEARCH_PATIENCE_S:g} s for one text",
            hint="write it without a repeated part of repeated parts, as '(a+)+' is",
        )


_failed = threading.local()


def take_failure() -> BaseException | None:
    """Give what made a function of ours fail within SQLite, which tells only that one did; then forget it."""
    failure: BaseException | None = getattr(_failed, "by", None)
    _failed.by = None
    return failure


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> regex.Pattern[str]:
    import regex  # 15 ms, only for who searches; it can be told to give up, Python's own can't

    return regex.compile(pattern)


def _search(pattern: str, text: object) -> bool:
    try:
        return isinstance(text, str) and (
            _compiled(pattern).search(text, timeout=_SEARCH_PATIENCE_S, concurrent=True) is not None
        )
    except TimeoutError:
        _failed.by = SlowPatternError(pattern)
        raise
    except BaseException as err:  # Ctrl-C
        _failed.by = err
        raise


def remove(path: Path) -> None:
    """Delete the database and what belongs to it."""
    for suffix in _SUFFIXES:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()


def is_unavailable(err: sqlite3.DatabaseError) -> bool:
    """Whether the file may be sound but can't be used now: locked, read-only, no space.

    A damaged file is to be deleted, this one is to be left alone.
    """
    reasons = ("locked", "busy", "readonly", "read-only", "unable to open", "full", "disk i/o error")
    return isinstance(err, sqlite3.OperationalError) and any(reason in str(err).lower() for reason in reasons)
