"""What was submitted from here, asked about later: how it stands, what it printed, ending it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gitml.entities.run import Run, RunStatus
from gitml.errors import GitmlError
from gitml.execution.backends.contract import JobState, JobStatus
from gitml.execution.backends.records import JobNotFoundError, JobRecord, JobRecords
from gitml.execution.backends.registry import find_backend
from gitml.execution.backends.scheduling import fail_scheduled
from gitml.repo import Repo
from gitml.tracking.history import RunNotFoundError, get_run
from gitml.tracking.resolve import resolve_run

_AT_ONCE = 8
_SHORTEST = 4  # characters of an id that stand for it, as for runs


@dataclass(frozen=True, slots=True)
class KnownJob:
    """A job, and what is known of it now.

    Attributes:
        record: What was written down when it was submitted.
        status: How the scheduler says it stands.
        run: Its run as this repository has it; None if it was purged from here.
    """

    record: JobRecord
    status: JobStatus
    run: Run | None


def list_jobs(repo: Repo, *, limit: int) -> list[KnownJob]:
    """List the newest jobs, newest first; a scheduler that can't be asked makes them unknown."""
    from concurrent.futures import ThreadPoolExecutor

    jobs = JobRecords(repo.root)
    found = jobs.all()[:limit]

    def ask(record: JobRecord) -> JobStatus:
        try:
            return find_backend(record.backend).status(jobs.handle(record))
        except GitmlError as err:
            return JobStatus(JobState.UNKNOWN, None, err.message)

    with ThreadPoolExecutor(min(_AT_ONCE, len(found) or 1), "gitml-jobs") as pool:
        statuses = list(pool.map(ask, found))
    return [
        KnownJob(record, status, _run(repo, record)) for record, status in zip(found, statuses, strict=True)
    ]


def _run(repo: Repo, record: JobRecord) -> Run | None:
    try:
        return get_run(repo, record.run_id)
    except RunNotFoundError:
        return None


def find_job(repo: Repo, name: str | None) -> JobRecord:
    """Find the job that a name means.

    Args:
        repo: The repository.
        name: The run, by any name that runs have, or the scheduler's own id; None:
            the newest job.

    Raises:
        JobNotFoundError: There is no such job.
        RunNotFoundError: There is no such run either.
        AmbiguousNameError: It means several runs.
    """
    records = JobRecords(repo.root).all()
    if name is None:
        if not records:
            raise JobNotFoundError("any")
        return records[0]
    meant = _by_record(records, name)
    if meant is not None:
        return meant
    run_id = resolve_run(repo, name).id
    return JobRecords(repo.root).get(run_id)


def _by_record(records: Sequence[JobRecord], name: str) -> JobRecord | None:
    same = [one for one in records if name in (one.run_id, one.id)]
    if not same and len(name) >= _SHORTEST:
        same = [one for one in records if one.run_id.startswith(name)]
    return same[0] if len(same) == 1 else None


def job_status(repo: Repo, record: JobRecord) -> JobStatus:
    """Ask how a job stands.

    Raises:
        BackendError: The scheduler can't be asked.
    """
    return find_backend(record.backend).status(JobRecords(repo.root).handle(record))


def job_logs(repo: Repo, record: JobRecord, *, follow: bool) -> Iterator[bytes]:
    """Give what a job printed.

    Raises:
        BackendError: It can't be had.
    """
    return find_backend(record.backend).logs(JobRecords(repo.root).handle(record), follow=follow)


def cancel_job(repo: Repo, record: JobRecord) -> JobStatus:
    """End a job. A run that had not begun is marked killed; one that had says itself how it ended.

    Returns:
        How the job stood before.

    Raises:
        BackendError: The scheduler can't be asked.
    """
    before = job_status(repo, record)
    find_backend(record.backend).cancel(JobRecords(repo.root).handle(record))
    if before.state is not JobState.PENDING:
        return before
    if fail_scheduled(repo, record.run_id, "cancelled before it began", RunStatus.KILLED) and record.remote:
        from gitml.sync.pushing import PushOptions, push

        with suppress(GitmlError):  # the next push brings it
            push(repo, record.remote, PushOptions(tags=False))
    return before
