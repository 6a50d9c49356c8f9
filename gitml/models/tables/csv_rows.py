"""Where the rows of a CSV file end, so that it can be read in parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_TOKEN = re.compile(rb'"|,|[^",]+')


def row_ends(stream: Iterable[bytes]) -> Iterator[int]:
    """Give the offset behind each row; see `row_bytes`."""
    offset = 0
    for row in row_bytes(stream):
        offset += len(row)
        yield offset


def row_bytes(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Give each row with its line end: quoted fields may have line ends in them.

    A quote begins a quoted field only at the begin of a field, as pandas reads it. Empty lines are
    no rows; they are part of the one after them.

    Raises:
        ValueError: A quoted field has no end.
    """
    rows = 0
    is_open = pending = False
    before: list[bytes] = []
    for line in lines:
        if is_open or b'"' in line:
            is_open = _is_open_after(line, is_open=is_open)
            pending = True
        elif line.strip():
            pending = True
        if not pending or is_open:
            before.append(line)
            continue
        pending = False
        yield b"".join((*before, line)) if before else line
        before.clear()
        rows += 1
    if pending:
        raise ValueError(f"a quote is never closed, in row {rows:,}")


def _is_open_after(line: bytes, *, is_open: bool) -> bool:
    """Whether a quoted field goes on in the next line."""
    quoted, at_start, closed = is_open, not is_open, False
    for token in _TOKEN.findall(line):
        if token == b'"':
            if quoted:
                quoted, closed = False, True
            elif closed or at_start:  # two quotes in a quoted field are one; or a field begins
                quoted, closed = True, False
        elif token == b",":
            at_start, closed = not quoted, False
            continue
        else:
            closed = False
        at_start = False
    return quoted
