"""Rows of commits that are about to join the branch, written while others still look at them.

A pull of thousands of runs has them read for its inspection; the index takes what was
read, in a private copy, and gets it once the commits have joined. Whatever goes wrong
on that way, the copy is thrown away and the next reader builds the index from git.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from gitml.errors import DamagedError
from gitml.git.repo import GitRepo
from gitml.index.collector import collector_paused
from gitml.index.records import Record, read_records
from gitml.index.update import Update
from gitml.index.walk import commits_between

Joining = tuple[str, tuple[str, ...]]  # a commit and its parents
_TROUBLE = (sqlite3.Error, OSError, DamagedError)


class Ahead:
    """An index as it will be; `close` throws it away."""

    def __init__(
        self, git: GitRepo, private: sqlite3.Connection, old: str | None, commits: Sequence[Joining]
    ) -> None:
        """Begin with a copy of the index.

        Args:
            git: The repository.
            private: The copy.
            old: The tip that it is at.
            commits: What is to join, parents before children.
        """
        self.old = old
        self._git = git
        self._tips = [commits[-1][0], *([old] if old else [])]
        self._waiting: Iterator[Joining] = iter(commits)
        self._private: sqlite3.Connection | None = private
        private.execute("BEGIN")
        self._update = Update(git, private, old)

    def add(self, records: Sequence[Record]) -> None:
        """Take in the records of the next commits."""

        def write() -> None:
            for (commit, parents), record in zip(islice(self._waiting, len(records)), records, strict=True):
                self._update.add((commit, "", parents), record)
            self._update.flush()

        self._try(write)

    def finish(self, tip: str, note: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection | None:
        """Give the index as of a tip that contains all of the commits; None if something went wrong.

        Args:
            tip: Where the branch is.
            note: Notes what else is to be known of it.
        """

        def write() -> None:
            rest = commits_between(self._git, tip, self._tips)
            for commit, record in zip(rest, read_records(self._git, rest), strict=True):
                self._update.add(commit, record)
            self._update.finish(tip)
            if self._private is not None:
                note(self._private)
                self._private.execute("COMMIT")

        whole = next(self._waiting, None) is None
        if whole:
            self._try(write)
        private, self._private = self._private, None
        if not whole and private is not None:
            private.close()
        return private if whole else None

    def close(self) -> None:
        """Throw it away; harmless after `finish`."""
        if self._private is not None:
            self._private.close()
            self._private = None

    def _try(self, work: Callable[[], None]) -> None:
        if self._private is None:
            return
        try:
            with collector_paused():
                work()
        except _TROUBLE:  # the next reader meets it too, and says so
            self.close()
