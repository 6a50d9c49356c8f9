"""The `local` backend: jobs in the background of this machine, in this repository."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from gitml.execution.backends.contract import BackendError, JobHandle, JobRequest, JobState, JobStatus
from gitml.execution.backends.options import Option
from gitml.launching.spawn import CommandNotStartedError, Placement, spawn

_PAUSE_S = 0.1
_PIECE = 1 << 16


class LocalBackend:
    """Runs a job as a process of its own session, which closing the terminal does not end.

    Beside the job's record there are its log, `<run>.log`, what it exited with,
    `<run>.exit`, and `<run>.cancelled` if it was asked to end.
    """

    name = "local"
    options: Mapping[str, Option] = {}
    own_clone = False
    program: tuple[str, ...] = ()

    def check(self, config: Mapping[str, object]) -> None:
        """Take any options: they do not depend on each other."""

    def submit(self, job: JobRequest) -> str:
        """Start the process.

        Raises:
            BackendError: It can't be started.
        """
        result = job.folder / f"{job.run_id}.exit"
        try:
            log = os.open(
                job.folder / f"{job.run_id}.log",
                os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC,
                0o600,
            )
            nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as err:
            raise BackendError(
                self.name, f"no log can be written: {(err.strerror or str(err)).lower()}"
            ) from err
        try:
            pid = spawn(
                (*job.command, "--result", str(result)),
                job.environment,
                streams={0: nothing, 1: log, 2: log},
                placement=Placement.SESSION,
            )
        except CommandNotStartedError as err:
            raise BackendError(self.name, err.message, hint=err.hint) from err
        finally:
            os.close(log)
            os.close(nothing)
        return process_handle(pid)

    def status(self, job: JobHandle) -> JobStatus:
        """See whether the process is there, and else how it ended."""
        if is_alive(job.id):
            return JobStatus(JobState.RUNNING)
        cancelled = (job.folder / f"{job.run_id}.cancelled").exists()
        try:
            code = int((job.folder / f"{job.run_id}.exit").read_text())
        except (FileNotFoundError, ValueError):
            reason = "its process is gone"
            return JobStatus(JobState.CANCELLED if cancelled else JobState.FAILED, None, reason)
        if code == 0:
            return JobStatus(JobState.FINISHED, 0)
        return JobStatus(JobState.CANCELLED if cancelled else JobState.FAILED, code)

    def logs(self, job: JobHandle, *, follow: bool) -> Iterator[bytes]:
        """Read its log.

        Raises:
            BackendError: It is not there.
        """
        return follow_file(
            job.folder / f"{job.run_id}.log",
            self.name,
            is_over=(lambda: not is_alive(job.id)) if follow else lambda: True,
        )

    def cancel(self, job: JobHandle) -> None:
        """Ask the process to end, which asks the program."""
        if not is_alive(job.id):
            return
        (job.folder / f"{job.run_id}.cancelled").touch(mode=0o600)
        with suppress(ProcessLookupError):
            os.kill(int(job.id.partition("-")[0]), signal.SIGTERM)


def follow_file(
    path: Path, backend: str, *, is_over: Callable[[], bool], pause_s: float = _PAUSE_S
) -> Iterator[bytes]:
    """Read a file that grows, until what writes it is over.

    Args:
        path: The file.
        backend: Whose it is, for messages.
        is_over: Whether nothing more will come; asked where nothing is left to read.
        pause_s: How long to wait before looking again, in seconds.

    Raises:
        BackendError: It is not there when all is over, or can't be read.
    """
    stream = None
    try:
        while True:
            over = is_over()  # asked first: what came before is read after
            try:
                stream = stream or path.open("rb")
            except FileNotFoundError:
                if over:
                    raise BackendError(
                        backend,
                        f"there is no log '{path}' on this machine",
                        hint="what the program printed is in its run too: gitml pull, then gitml show RUN --log",
                    ) from None
            except OSError as err:
                raise BackendError(
                    backend, f"the log '{path}' can't be read: {(err.strerror or str(err)).lower()}"
                ) from err
            while stream is not None and (data := stream.read(_PIECE)):
                yield data
            if over:
                return
            time.sleep(pause_s)
    finally:
        if stream is not None:
            stream.close()


def process_handle(pid: int) -> str:
    """Name a process so that no later one is taken for it: process ids are used again."""
    return f"{pid}-{_born(pid) or 0}"


def is_alive(handle: str) -> bool:
    """Whether the process of a handle still runs."""
    pid, _, born = handle.partition("-")
    return pid.isdigit() and _born(int(pid)) == born


def _born(pid: int) -> str | None:
    """Say when a process began, in the system's own terms; None if it is no more."""
    if os.path.isdir("/proc/self"):
        try:
            facts = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        state, *rest = facts.rpartition(")")[2].split()  # its name, in brackets, may hold anything
        return None if state in "ZX" else rest[18]
    found = subprocess.run(  # macOS
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, check=False, text=True
    )
    return "".join(found.stdout.split()) or None
