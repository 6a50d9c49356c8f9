"""Ending a run from outside: one whose process died, hangs, or ended it wrongly."""

from __future__ import annotations

from dataclasses import replace

from gitml.entities.run import Run, RunStatus
from gitml.errors import RefusedError
from gitml.journal import NotLiveError
from gitml.repo import Repo
from gitml.tracking.commit import finish_run, rescue
from gitml.tracking.edit import write_record
from gitml.tracking.history import get_run
from gitml.tracking.resolve import resolve_run
from gitml.tracking.start import attach_run


class RunIsAliveError(RefusedError):
    """A process still writes to the run."""

    def __init__(self, run: Run) -> None:
        super().__init__(
            f"run '{run.id[:8]}' ({run.name}) is still being written by its process",
            hint=f"stop that process, or end the run without it: gitml runs finish {run.id[:8]} --force",
        )
        self.run_id = run.id


def finish_by_name(repo: Repo, name: str, status: RunStatus, *, force: bool = False) -> Run:
    """End a run with a status, whatever state it is in.

    A live run whose process is dead is committed with all it logged. A run that
    has ended gets another status, as one more record.

    Args:
        repo: The repository.
        name: The run, as `resolve_run` reads it.
        status: How it ended.
        force: Whether to end it under a process that still writes; what that
            process logs from then on is lost.

    Returns:
        The run as it is now.

    Raises:
        RunIsAliveError: A process writes to it and `force` is off.
        RunNotFoundError: There is no such run.
    """
    # Asked first, because resolving any name commits what dead processes left, as killed.
    run_id = _live_id(repo, name) or resolve_run(repo, name).id
    if run_id not in repo.journal.ids():
        return _change_status(repo, get_run(repo, run_id), status)
    lock = repo.journal.try_take(run_id)
    if lock is not None:
        try:
            rescue(repo, run_id, status, "ended by hand")
        finally:
            lock.release()
    else:
        _end_under_its_process(repo, run_id, status, force=force)
    return get_run(repo, run_id)


def _live_id(repo: Repo, name: str) -> str | None:
    """The one live run that a full id, a prefix of it or a name means, if there is one."""
    ids = repo.journal.ids()
    found = [run_id for run_id in ids if run_id == name]
    found = found or [run_id for run_id in ids if len(name) >= 4 and run_id.startswith(name)]
    found = found or [run_id for run_id in ids if _name(repo, run_id) == name]
    return found[0] if len(found) == 1 else None


def _name(repo: Repo, run_id: str) -> str | None:
    try:
        return repo.journal.read(run_id).name
    except NotLiveError:  # it ended while we looked
        return None


def _end_under_its_process(repo: Repo, run_id: str, status: RunStatus, *, force: bool) -> None:
    try:
        live = attach_run(repo, run_id)
    except NotLiveError:  # it ended by itself in between
        return
    if not force:
        run = live.to_run()
        live.close()
        raise RunIsAliveError(run)
    finish_run(repo, live, status, error=None if status is RunStatus.FINISHED else "ended by hand")


def _change_status(repo: Repo, run: Run, status: RunStatus) -> Run:
    if run.status is status:
        return run
    error = None if status is RunStatus.FINISHED else run.error or "ended by hand"
    write_record(repo, replace(run, status=status, error=error), f"status {status.value}")
    return get_run(repo, run.id)
