"""run.yaml of a live run: YAML documents, of which the last whole one counts.

Each change is one more document, so that no process that dies, and no full disk,
can take away what was there; and no second file has to be made to replace it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from gitml.journal.whole import append_whole, locked_file, read_locked

_END = b"...\n"  # YAML's own mark (YAML 1.2.2, 9.1.2); no line of a document begins so
_MARK = b"\n" + _END


def as_document(facts: bytes) -> bytes:
    """Make a document of the bytes of a run.yaml."""
    return facts + _END


def last_document(data: bytes) -> bytes:
    """Return the last whole document; all, if none is marked (damaged, or another program's)."""
    end = data.rfind(_MARK)
    if end < 0:
        return data
    start = data.rfind(_MARK, 0, end)
    return data[start + len(_MARK) if start >= 0 else 0 : end + 1]


def change_facts(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change what a run.yaml says; other processes wait.

    Args:
        path: The file; it is made if it is not there.
        change: Makes the new bytes of what it says of the old ones.

    Raises:
        OSError: There is no room; the file is as it was.
    """
    with locked_file(path) as fd:
        known = read_locked(fd)
        facts = as_document(change(last_document(known)))
        whole = known.rfind(_MARK) + len(_MARK)
        if whole >= len(_MARK):
            os.ftruncate(fd, whole)  # a power cut can leave half a document after it
            append_whole(fd, facts)
        else:
            append_whole(fd, (_MARK if known else b"") + facts)
