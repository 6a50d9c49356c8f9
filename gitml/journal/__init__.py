"""Live runs: a run's own tree as a plain folder, written append-only.

A `write(2)` to a file opened with O_APPEND survives the death of its process,
so everything logged before a `kill -9` is there afterwards. Whoever writes to a
live run holds a shared lock on its folder; a folder that can be locked
exclusively belongs to nobody any more and may be committed by anyone.

Making and removing a file is what a short run pays for most, on a network's file
system above all; so what can share a file does: the first points of all metrics,
the lock and the room kept for the end, the description of an environment that
many runs have.
"""

from gitml.journal.append_file import MAX_KEPT, AppendFile, Trouble
from gitml.journal.facts import change_facts
from gitml.journal.folder import (
    ASSUMED_FILE,
    BASE_FILE,
    LOCK_FILE,
    METRICS_FILE,
    TEMPORARY,
    FolderLock,
    give_up_reserve,
    read_file,
)
from gitml.journal.journal import Journal, NotLiveError
from gitml.journal.series import FirstPoints, Series
from gitml.journal.whole import append_whole, locked_file, read_locked

__all__ = [
    "ASSUMED_FILE",
    "BASE_FILE",
    "LOCK_FILE",
    "MAX_KEPT",
    "METRICS_FILE",
    "TEMPORARY",
    "AppendFile",
    "FirstPoints",
    "FolderLock",
    "Journal",
    "NotLiveError",
    "Series",
    "Trouble",
    "append_whole",
    "change_facts",
    "give_up_reserve",
    "locked_file",
    "read_file",
    "read_locked",
]
