"""A second process that reads while this one writes rows: records of many commits, or what an inspection finds.

The helper is a courtesy: where it can't be started, or ends early, this process
reads on from where it stands. What made the helper end shows then, if it is in
the records.
"""

from __future__ import annotations

import fcntl
import gc
import marshal
import os
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

from gitml.git.repo import GitRepo
from gitml.index.facts import Facts
from gitml.index.records import Record, as_record, read_files, read_records
from gitml.index.walk import Commit

_WORTH_IT = 5000  # commits; starting Python and telling it what to read takes as long as 2,000
_BATCH = 100  # records of one message
_PIPE = 1 << 20  # what may wait while the other side is busy
_PATIENCE_S = 20.0
PlainGit = tuple[str, str, "str | None", str]
_GREETING = b"gitml helper 1\n"
# No module of ours is the program: whoever embeds gitml need not have a main module that can be imported twice.
_PROGRAM = f"""
import marshal, sys
sys.stdout.buffer.write({_GREETING!r})
sys.stdout.buffer.flush()
sys.path[:], worker, job = marshal.load(sys.stdin.buffer)
from gitml.index.helper import serve
serve(worker, job)
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


@contextmanager
def helper_at(worker: str, job: tuple[Any, ...], commits: int) -> Iterator[Iterator[Any]]:
    """Have `work(*job)` of a module done by a second process from now on.

    Args:
        worker: The module.
        job: What `marshal` takes.
        commits: How many it is about; of few it is not asked.

    Yields:
        What it sends; nothing, or not all, where it can't be started or ends early.
    """
    process = _start() if commits > _WORTH_IT and _can_start() else None
    if process is None:
        yield iter(())
        return
    try:
        yield _messages(process) if _give(process, worker, job) else iter(())
    finally:
        _stop(process)


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
    if _give(process, __name__, (name_of(git), list(commits))):
        for message in _messages(process):
            yield [from_plain(plain) for plain in message]


def _give(process: subprocess.Popen[bytes], worker: str, job: tuple[Any, ...]) -> bool:
    """Tell the helper what to do; whether it listened to the end."""
    stdin = cast("IO[bytes]", process.stdin)
    try:
        marshal.dump((sys.path, worker, job), stdin)
        stdin.close()
    except BrokenPipeError:
        return False
    return True


def _messages(process: subprocess.Popen[bytes]) -> Iterator[Any]:
    stdout = cast("IO[bytes]", process.stdout)
    while len(header := stdout.read(4)) == 4:
        size = int.from_bytes(header, "big")
        message = stdout.read(size)
        if len(message) < size:
            return
        yield marshal.loads(message)  # noqa: S302 - from our own helper


def serve(worker: str, job: tuple[Any, ...]) -> None:
    """Be the helper: do a job of whoever started this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who waits; it ends us when it ends
    gc.disable()
    import_module(worker).work(*job)


@contextmanager
def answering() -> Iterator[tuple[Callable[[Any], None], Callable[[], bool]]]:
    """Give the helper what sends a message, and what tells whether all that was sent has been read.

    What a module may print goes where errors go.
    """
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(message: Any) -> None:
        data = marshal.dumps(message)
        out.write(len(data).to_bytes(4, "big") + data)
        out.flush()

    def is_awaited() -> bool:
        if sys.platform != "linux":  # elsewhere this end of a pipe can't be asked
            return False
        return int.from_bytes(fcntl.ioctl(out.fileno(), termios.FIONREAD, b"\0" * 4), sys.byteorder) == 0

    with out:
        yield send, is_awaited


def work(git: PlainGit, commits: Any) -> None:
    """Send the records of commits: scanned, or only read while who waits has nothing to do."""
    with answering() as (send, is_awaited):
        found = read_files(open_git(git), commits)
        while batch := list(islice(found, _BATCH)):
            send(batch if is_awaited() else [as_plain(as_record(files)) for files in batch])


def name_of(git: GitRepo) -> PlainGit:
    """Say in plain words which repository it is."""
    work_tree = None if git.work_tree is None else os.fspath(git.work_tree)
    return os.fspath(git.git_dir), os.fspath(git.common_dir), work_tree, git.object_format


def open_git(name: PlainGit) -> GitRepo:
    """Open the repository that `name_of` named."""
    git_dir, common_dir, work_tree, object_format = name
    return GitRepo(
        Path(git_dir), Path(common_dir), None if work_tree is None else Path(work_tree), object_format
    )


def as_plain(record: Record) -> tuple[object, ...]:
    """Make plain tuples, which is what marshal takes."""
    facts, document, files = record
    return (None if facts is None else tuple(facts), document, dict(files))


def from_plain(plain: Any) -> Record:
    """Read a record back from plain tuples, or scan its files."""
    if isinstance(plain, dict):
        return as_record(plain)
    facts, document, files = plain
    return Record(None if facts is None else Facts(*facts), document, files)
