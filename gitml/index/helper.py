"""Records of many commits, read and scanned by a second process while this one writes rows.

The helper is a courtesy: where it can't be started, or ends early, this process
reads on from where it stands. What made the helper end shows then, if it is in
the records.
"""

from __future__ import annotations

import gc
import marshal
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

from gitml.git.repo import GitRepo
from gitml.index.facts import Facts
from gitml.index.records import Record, read_records
from gitml.index.walk import Commit

_WORTH_IT = 5000  # commits; starting Python and telling it what to read takes as long as 2,000
_BATCH = 100  # records of one message
_PIPE = 1 << 20  # what may wait while the other side is busy
_PATIENCE_S = 20.0
_GREETING = b"gitml helper 1\n"
# No module of ours is the program: whoever embeds gitml need not have a main module that can be imported twice.
_PROGRAM = f"""
import marshal, sys
sys.stdout.buffer.write({_GREETING!r})
sys.stdout.buffer.flush()
sys.path[:], job = marshal.load(sys.stdin.buffer)
from gitml.index.helper import work
work(*job)
"""


def records(git: GitRepo, commits: Sequence[Commit]) -> Iterator[Record]:
    """Read the records of commits, in their order.

    Raises:
        DamagedError: git lacks an object.
    """
    done = 0
    process = _start() if len(commits) > _WORTH_IT and _can_start() else None
    if process is not None:
        try:
            for batch in _batches(process, git, commits):
                done += len(batch)
                yield from batch
        finally:
            _stop(process)
    yield from read_records(git, commits[done:])


def _can_start() -> bool:
    """Whether there is a core to spare, and a Python: the program may be one that only embeds it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    name = os.path.basename(sys.executable or "")
    return cores > 1 and name.startswith(("python", "pypy")) and not getattr(sys, "frozen", False)


def _start() -> subprocess.Popen[bytes] | None:
    """Start the helper; None if what was started does not greet."""
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pipesize=_PIPE,
        )
    except OSError:
        return None
    stdout = cast("IO[bytes]", process.stdout)
    if select.select([stdout], [], [], _PATIENCE_S)[0] and stdout.read(len(_GREETING)) == _GREETING:
        return process
    _stop(process)
    return None


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        with suppress(BrokenPipeError):  # what was not sent is of no use any more
            cast("IO[bytes]", stream).close()


def _batches(
    process: subprocess.Popen[bytes], git: GitRepo, commits: Sequence[Commit]
) -> Iterator[list[Record]]:
    stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    work_tree = None if git.work_tree is None else os.fspath(git.work_tree)
    job = (os.fspath(git.git_dir), os.fspath(git.common_dir), work_tree, git.object_format, list(commits))
    try:
        marshal.dump((sys.path, job), stdin)
        stdin.close()
    except BrokenPipeError:
        return
    while len(header := stdout.read(4)) == 4:
        size = int.from_bytes(header, "big")
        message = stdout.read(size)
        if len(message) < size:
            return
        yield [
            Record(None if facts is None else Facts(*facts), document, files)
            for facts, document, files in marshal.loads(message)  # noqa: S302 - from our own helper
        ]


def work(git_dir: str, common_dir: str, work_tree: str | None, object_format: str, commits: Any) -> None:
    """Be the helper: send the records of commits to whoever started this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who waits; it ends us when it ends
    gc.disable()
    # What a module may print goes where errors go.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    git = GitRepo(
        Path(git_dir), Path(common_dir), None if work_tree is None else Path(work_tree), object_format
    )
    found = read_records(git, commits)
    with out:
        while batch := [_plain(record) for record in islice(found, _BATCH)]:
            message = marshal.dumps(batch)
            out.write(len(message).to_bytes(4, "big") + message)


def _plain(record: Record) -> tuple[object, ...]:
    """Make plain tuples, which is what marshal takes."""
    facts, document, files = record
    return (None if facts is None else tuple(facts), document, dict(files))
