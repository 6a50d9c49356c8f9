"""Many objects out of git, by one process that says no more than it must."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from typing import IO, cast

from gitml.git.process import GitCommandFailedError
from gitml.git.repo import GitRepo

# Ids and types go unsaid: a quarter of the time of `cat-file`.
_COMMAND = ("cat-file", "--batch=%(objectsize)", "--buffer")
_PIECE = 1 << 18


def read_objects(git: GitRepo, oids: Sequence[str]) -> Iterator[bytes | None]:
    """Read objects in the order asked for; None for what git lacks.

    Raises:
        GitCommandFailedError: git ended early.
    """
    if not oids:
        return
    process = git.process.start(_COMMAND)
    stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    stderr = cast("IO[bytes]", process.stderr)
    feeder = threading.Thread(target=_feed, args=(stdin, oids), daemon=True)
    feeder.start()
    try:
        found = 0
        for found, content in enumerate(_split(stdout.fileno()), 1):  # noqa: B007 - counted
            yield content
        if found < len(oids):
            raise GitCommandFailedError(_COMMAND, process.wait(), stderr.read().decode("utf-8", "replace"))
    finally:
        stdout.close()
        process.terminate()
        process.wait()
        feeder.join()
        stderr.close()


def _feed(stdin: IO[bytes], oids: Sequence[str]) -> None:
    try:
        for start in range(0, len(oids), 1000):
            stdin.write(("\n".join(oids[start : start + 1000]) + "\n").encode())
        stdin.close()
    except BrokenPipeError:
        pass  # the reader stopped early and closed git


def _split(source: int) -> Iterator[bytes | None]:
    """Split what git says: a line with the size, the content, a line feed; or `<id> missing`."""
    data, at = b"", 0
    while True:
        end = data.find(b"\n", at)
        missing = 0
        if end >= 0:
            header = data[at:end]
            if not header.isdigit():
                yield None
                at = end + 1
                continue
            stop = end + 1 + int(header)
            missing = stop + 1 - len(data)
            if missing <= 0:
                yield data[end + 1 : stop]
                at = stop + 1
                continue
        pieces = [data[at:]]
        while True:
            # As much as is there, so that git and we work at the same time.
            piece = os.read(source, _PIECE)
            if not piece:
                return
            pieces.append(piece)
            missing -= len(piece)
            if missing <= 0:
                break
        data, at = b"".join(pieces), 0
