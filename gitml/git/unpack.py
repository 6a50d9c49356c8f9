"""A pack from somebody else goes into an object store, checked as `git fsck` would.

`git fetch` from a file does not check what it takes in before git 2.46, whatever
`fetch.fsckObjects` says; so a pack that comes in a file is given to git here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import IO, cast

from gitml.errors import DamagedError
from gitml.git.process import GitProcess
from gitml.git.remote import SEVERITIES

_LISTED = ",".join(f"{name}={severity}" for name, severity in SEVERITIES)


class UnsoundPackError(DamagedError):
    """A pack is cut off, or holds objects that git itself holds for malformed; none of it was kept."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"git can't take it: {reason}", hint="ask who made it to run: git fsck --strict")
        self.reason = reason


def unpack(process: GitProcess, pack: Iterable[bytes], *, links: bool = True) -> None:
    """Take a pack into the object store that git writes to.

    Args:
        process: git, with that store.
        pack: The pack's bytes.
        links: Make sure that what the objects point at is there too; not in a clone
            that lacks objects on purpose.

    Raises:
        UnsoundPackError: Something is wrong with it.
    """
    check = f"--strict={_LISTED}" if links else "--fsck-objects"
    running = process.start(["index-pack", "--stdin", "--fix-thin", check])
    stdin, stdout, stderr = (
        cast("IO[bytes]", one) for one in (running.stdin, running.stdout, running.stderr)
    )
    told: list[bytes] = []
    reader = threading.Thread(target=lambda: told.append(stderr.read()), daemon=True)
    reader.start()
    try:
        _feed(stdin, pack)
        stdout.read()
    except BaseException:  # what should be fed is damaged, or Ctrl-C: git must not go on alone
        running.terminate()
        raise
    finally:
        running.wait()
        reader.join()
        stdout.close()
        stderr.close()
    if running.returncode != 0:
        raise UnsoundPackError(_reason(b"".join(told).decode("utf-8", "replace")))


def _feed(stdin: IO[bytes], pack: Iterable[bytes]) -> None:
    try:
        with stdin:
            for block in pack:
                stdin.write(block)
    except BrokenPipeError:
        pass  # it ended before it read all; its status tells why


def _reason(err: str) -> str:
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    found = next((line for line in lines if line.startswith("error: object")), None)
    return (found or (lines[-1] if lines else "it gave no reason")).partition(": ")[2][:300]
