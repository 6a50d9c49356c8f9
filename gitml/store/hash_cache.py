"""Remembers the hash of a file that did not change since.

A cache of plain rows: a wrong or missing one costs a second hashing, never a
wrong answer, because a row counts only while path, size, inode and both times
are the same and were at rest when it was written.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from pathlib import Path

_AT_REST_NS = 2_000_000_000


class HashCache:
    """Path and file status to SHA-256, in one SQLite file."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is made when first needed."""
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=5, check_same_thread=False, isolation_level=None)
            connection.execute(
                "CREATE TABLE IF NOT EXISTS hash (path TEXT PRIMARY KEY, status TEXT NOT NULL, oid TEXT NOT NULL) WITHOUT ROWID"
            )
            self._connection = connection
        return self._connection

    def find(self, path: Path, status: os.stat_result) -> str | None:
        """Look up the hash of a file, given its present status."""
        with self._lock:
            try:
                row = (
                    self._open()
                    .execute("SELECT status, oid FROM hash WHERE path = ?", (_key(path),))
                    .fetchone()
                )
            except (sqlite3.Error, OSError):
                self._drop()
                return None
        return row[1] if row and row[0] == _fingerprint(status) else None

    def remember(self, path: Path, status: os.stat_result, oid: str) -> None:
        """Keep the hash of a file that has been at rest for a while."""
        if time.time_ns() - status.st_mtime_ns < _AT_REST_NS:
            return
        with self._lock:
            try:
                self._open().execute(
                    "INSERT OR REPLACE INTO hash VALUES (?, ?, ?)", (_key(path), _fingerprint(status), oid)
                )
            except (sqlite3.Error, OSError):
                self._drop()

    def _drop(self) -> None:
        """Forget a damaged cache; the next hash starts a new one."""
        self.close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _key(path: Path) -> str:
    return os.fspath(path.absolute()).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _fingerprint(status: os.stat_result) -> str:
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"
