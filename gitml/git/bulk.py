"""Many objects out of git by one process, for who reads tens of thousands.

`GitProcess.cat_objects` reads line by line and takes any name; here git is asked for
ids alone, says no more than it must, and is read in large pieces: half the time.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, cast

from gitml.errors import DamagedError
from gitml.git.process import GitProcess

Found = tuple[str, int]
_PIECE = 1 << 20
_KINDS = frozenset(("blob", "tree", "commit", "tag"))


class GitStoppedError(DamagedError):
    """git ended before it had answered: an object is damaged."""

    def __init__(self, oid: str) -> None:
        super().__init__(f"git stopped reading at object '{oid[:12]}'", hint="git fsck names what is damaged")
        self.oid = oid


class _Headers(dict[bytes, Found | None]):
    """What git says of an object → its kind and size; small files are often of the same length."""

    def __missing__(self, line: bytes) -> Found | None:
        kind, _, size = line.decode("ascii", "replace").partition(" ")
        found = self[line] = (kind, int(size)) if kind in _KINDS else None  # else `<id> missing`
        return found


def read_bulk(process: GitProcess, oids: Sequence[str]) -> Iterator[tuple[str, bytes] | None]:
    """Read objects in the order asked for: kind and content, None for what git lacks.

    Raises:
        GitStoppedError: One is damaged.
    """
    if not oids:
        return
    count = 0
    with _asked(process, "--batch=%(objecttype) %(objectsize)", oids) as source:
        for count, answer in enumerate(_split(source), 1):  # noqa: B007 - counted
            yield answer
    if count < len(oids):
        raise GitStoppedError(oids[count])


def measure_bulk(process: GitProcess, oids: Sequence[str]) -> list[Found | None]:
    """Tell kind and size of objects, in the order asked for; None for what git lacks.

    Raises:
        GitStoppedError: One is damaged.
    """
    if not oids:
        return []
    with _asked(process, "--batch-check=%(objecttype) %(objectsize)", oids) as source:
        pieces = list(iter(lambda: os.read(source, _PIECE), b""))
    headers = _Headers()
    found = [headers[line] for line in b"".join(pieces).split(b"\n")[:-1]]
    if len(found) < len(oids):
        raise GitStoppedError(oids[len(found)])
    return found


@contextmanager
def _asked(process: GitProcess, option: str, oids: Sequence[str]) -> Iterator[int]:
    """Ask git for objects; gives the descriptor to read the answers from."""
    running = process.start(["cat-file", option, "--buffer"])
    stdin, stdout, stderr = (
        cast("IO[bytes]", stream) for stream in (running.stdin, running.stdout, running.stderr)
    )
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # room for git to work on while we do; the system may grant less
        with suppress(OSError):
            fcntl.fcntl(stdout.fileno(), fcntl.F_SETPIPE_SZ, _PIECE)
    feeder = threading.Thread(target=_feed, args=(stdin, oids), daemon=True)
    feeder.start()
    try:
        yield stdout.fileno()
    finally:
        stdout.close()
        running.terminate()
        running.wait()
        feeder.join()
        stderr.close()


def _feed(stdin: IO[bytes], oids: Sequence[str]) -> None:
    try:
        for start in range(0, len(oids), 1000):
            stdin.write(("\n".join(oids[start : start + 1000]) + "\n").encode())
        stdin.close()
    except BrokenPipeError:
        pass  # the reader stopped early and closed git


def _split(source: int) -> Iterator[tuple[str, bytes] | None]:
    """Split what git says: a line with kind and size, the content, a line feed; or `<id> missing`."""
    headers = _Headers()
    data, at = b"", 0
    while True:
        end = data.find(b"\n", at)
        missing = 0
        if end >= 0:
            found = headers[data[at:end]]
            if found is None:
                yield None
                at = end + 1
                continue
            kind, size = found
            stop = end + 1 + size
            missing = stop + 1 - len(data)
            if missing <= 0:
                yield kind, data[end + 1 : stop]
                at = stop + 1
                continue
        pieces = [data[at:]]
        while True:
            piece = os.read(source, _PIECE)
            if not piece:
                return
            pieces.append(piece)
            missing -= len(piece)
            if missing <= 0:
                break
        data, at = b"".join(pieces), 0
