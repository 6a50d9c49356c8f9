"""What was submitted from here, asked about later: how it stands, what it printed, ending it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gitml.entities.run import Run, RunStatus
from gitml.errors import GitmlError
from gitml.execution.backends.contract import Backend, BulkBackend, JobHandle, JobState, JobStatus
from gitml.execution.backends.records import JobNotFoundError, JobRecord, JobRecords
from gitml.execution.backends.registry import find_backend
from gitml.execution.backends.scheduling import fail_scheduled
from gitml.execution.backends.submission import push_runs
from gitml.repo import Repo
from gitml.tracking.history import RunNotFoundError, get_run
from gitml.tracking.resolve import resolve_run

_AT_ONCE = 8
_MOST = 1_000_000  # parts of a run
_ENDED = (JobState.FINISHED, JobState.FAILED, JobState.CANCELLED)
_TOO_EARLY = "cancelled before it began"
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
    found = JobRecords(repo.root).all()[:limit]
    return [
        KnownJob(record, _known(answer), _run(repo, record))
        for record, answer in zip(found, _asked(repo, found), strict=True)
    ]


def job_statuses(repo: Repo, records: Sequence[JobRecord]) -> list[JobStatus]:
    """Ask how jobs stand, in order; many at once where the backend can.

    Raises:
        GitmlError: A scheduler can't be asked.
    """
    answers = _asked(repo, records)
    for answer in answers:
        if isinstance(answer, GitmlError):
            raise answer
    return [_known(answer) for answer in answers]


def _known(answer: JobStatus | GitmlError) -> JobStatus:
    return answer if isinstance(answer, JobStatus) else JobStatus(JobState.UNKNOWN, None, answer.message)


def _asked(repo: Repo, records: Sequence[JobRecord]) -> list[JobStatus | GitmlError]:
    answers: dict[str, JobStatus | GitmlError] = {}
    for name in dict.fromkeys(record.backend for record in records):
        handles = [JobRecords(repo.root).handle(each) for each in records if each.backend == name]
        try:
            backend = find_backend(name)
            found = _ask(backend, handles)
        except GitmlError as err:
            found = [err] * len(handles)
        answers |= zip((handle.run_id for handle in handles), found, strict=True)
    return [answers[record.run_id] for record in records]


def _ask(backend: Backend, handles: Sequence[JobHandle]) -> Sequence[JobStatus | GitmlError]:
    if isinstance(backend, BulkBackend):
        return backend.status_many(handles)
    from concurrent.futures import ThreadPoolExecutor

    def ask(handle: JobHandle) -> JobStatus | GitmlError:
        try:
            return backend.status(handle)
        except GitmlError as err:
            return err

    with ThreadPoolExecutor(min(_AT_ONCE, len(handles)), "gitml-jobs") as pool:
        return list(pool.map(ask, handles))


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


def mark_never_begun(repo: Repo, record: JobRecord, status: JobStatus) -> bool:
    """Mark a run failed whose job ended without taking it up: no gitml on the node, no rights to clone.

    Call it when the job's run was brought here, if it was pushed.

    Returns:
        Whether the run waited still.
    """
    if status.state not in _ENDED:
        return False
    code = "" if status.exit_code is None else f" (exit {status.exit_code})"
    reason = f"its job ended before it began{code}" + (f": {status.reason}" if status.reason else "")
    if not fail_scheduled(repo, record.run_id, reason):
        return False
    if record.remote is not None:
        with suppress(GitmlError):  # the next push brings it
            push_runs(repo, record.remote)
    return True


def job_logs(repo: Repo, record: JobRecord, *, follow: bool) -> Iterator[bytes]:
    """Give what a job printed.

    Raises:
        BackendError: It can't be had.
    """
    return find_backend(record.backend).logs(JobRecords(repo.root).handle(record), follow=follow)


def cancel_by_name(repo: Repo, name: str) -> list[tuple[JobRecord, JobStatus]]:
    """End the job that a name means, or of a run without one the jobs of its parts: of a sweep, all trials.

    Returns:
        The jobs, and how each stood before.

    Raises:
        JobNotFoundError: There is no such job.
        RunNotFoundError: There is no such run either.
        AmbiguousNameError: It means several runs.
        GitmlError: The scheduler can't be asked.
    """
    records = JobRecords(repo.root).all()
    meant = _by_record(records, name)
    if meant is not None:
        return cancel_jobs(repo, [meant])
    run = resolve_run(repo, name)
    mine = [record for record in records if record.run_id == run.id]
    if mine:
        return cancel_jobs(repo, mine)
    parts = {part.id for part in repo.index.children(run.id, _MOST)}
    jobs = [record for record in records if record.run_id in parts]
    if not jobs:
        raise JobNotFoundError(run.id)
    return cancel_jobs(repo, jobs, whole=run.id)


def cancel_jobs(
    repo: Repo, records: Sequence[JobRecord], *, whole: str | None = None
) -> list[tuple[JobRecord, JobStatus]]:
    """End jobs. A run that had not begun is marked killed; one that had says itself how it ended.

    Args:
        repo: The repository.
        records: The jobs.
        whole: Id of the run that theirs are parts of, if all are to end: it is killed too.

    Returns:
        The jobs, and how each stood before.

    Raises:
        GitmlError: The scheduler can't be asked.
    """
    found = list(zip(records, job_statuses(repo, records), strict=True))
    wanted = [record for record, before in found if before.state not in _ENDED]
    for name in dict.fromkeys(record.backend for record in wanted):
        backend = find_backend(name)
        handles = [JobRecords(repo.root).handle(each) for each in wanted if each.backend == name]
        if isinstance(backend, BulkBackend):
            backend.cancel_many(handles)
        else:
            for handle in handles:
                backend.cancel(handle)
    pending = [record.run_id for record, before in found if before.state is JobState.PENDING]
    marked = [each for each in pending if fail_scheduled(repo, each, _TOO_EARLY, RunStatus.KILLED)]
    if whole is not None and wanted and fail_scheduled(repo, whole, "cancelled", RunStatus.KILLED):
        marked.append(whole)
    for remote in {record.remote for record in records if record.remote is not None} if marked else ():
        with suppress(GitmlError):  # the next push brings it
            push_runs(repo, remote)
    return found
