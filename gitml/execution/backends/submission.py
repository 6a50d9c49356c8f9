"""From a request to a job: a record, pushed where the job will find it, and a submission.

The order is the promise: what can be refused is refused before anything is
recorded; the run is at the remote before the scheduler hears of it; and a run
whose submission fails is marked failed with the reason.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gitml.entities.run import CodeState, Run
from gitml.errors import GitmlError, UsageError
from gitml.execution.backends.contract import ArrayBackend, Backend, JobRequest, Resources
from gitml.execution.backends.job_facts import digest_of
from gitml.execution.backends.options import check_config
from gitml.execution.backends.records import JobRecord, JobRecords
from gitml.execution.backends.registry import find_backend
from gitml.execution.backends.scheduling import Scheduled, check_request, fail_scheduled, schedule
from gitml.git.remote import Remote
from gitml.launching.own import own_command
from gitml.launching.request import LaunchRequest
from gitml.repo import Repo
from gitml.sync.objects import likely_remotes
from gitml.tracking.secrets import strip_url_credentials

if TYPE_CHECKING:
    from gitml.execution.opening import ProjectRequest
    from gitml.git.remote import Progress

# What our environment says to a job wherever it runs.
_TOLD = ("GITML_SWEEP_TRIAL",)
# Why a run failed that no scheduler has taken.
NOT_SUBMITTED = "not submitted: "


@dataclass(frozen=True, slots=True)
class Job:
    """A job that was submitted.

    Attributes:
        run: The scheduled run.
        record: What was written down about the job.
        notes: Sentences for the user.
    """

    run: Run
    record: JobRecord
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where jobs go.

    Attributes:
        backend: The backend.
        config: Its options, checked.
        remote: Name of the remote between us and the jobs; None: they work in this repository.
        url: Where that is, without credentials.
    """

    backend: Backend
    config: Mapping[str, object]
    remote: str | None
    url: str | None


def submit(
    repo: Repo,
    request: LaunchRequest,
    *,
    backend: str,
    config: Mapping[str, object] | None = None,
    remote: str | None = None,
    project: ProjectRequest | None = None,
    progress: Progress | None = None,
) -> Job:
    """Let a backend run a program or project, and come back at once.

    Args:
        repo: Where it is recorded.
        request: What to run; of a project what `project_launch` made of it. The
            job starts from the record: of this environment only what the
            backend passes on is there.
        backend: The backend's name.
        config: Its options, as `read_config` read them.
        remote: Name of the remote that the job clones from and pushes to; None: the
            upstream of the runs, or else `origin`.
        project: How a project was asked for: what is to make its environment there.
        progress: Told phase, done and total of the push.

    Raises:
        UsageError: The request or the options are wrong; nothing was recorded.
        RefusedError: A secret would be recorded, or there is no code; likewise.
        GitmlError: The run could not be pushed or submitted; it is marked failed.
    """
    (job,) = submit_many(
        repo, [request], backend=backend, config=config, remote=remote, project=project, progress=progress
    )
    return job


def submit_many(
    repo: Repo,
    requests: Sequence[LaunchRequest],
    *,
    backend: str,
    config: Mapping[str, object] | None = None,
    remote: str | None = None,
    project: ProjectRequest | None = None,
    progress: Progress | None = None,
) -> list[Job]:
    """Let a backend run several programs: one push, and one submission where the backend takes arrays.

    Arguments and errors are those of `submit`. Where jobs are submitted one by one
    and one fails, those before it run, and the rest is marked failed.
    """
    place = find_place(repo, backend, config or {}, remote)
    scheduled: list[Scheduled] = []
    records: list[JobRecord] = []
    try:
        for request in requests:
            in_place = runs_in_place(place, request)
            scheduled.append(
                schedule(repo, request, backend=backend, project=project, needs_code=not in_place)
            )
        if place.remote is not None:
            push_runs(repo, place.remote, progress)
        jobs = [
            _job_request(repo, place, request, one.run)
            for request, one in zip(requests, scheduled, strict=True)
        ]
        for record in _submitted(repo, place, jobs):
            records.append(record)  # noqa: PERF402 - those before a failure are kept
    except BaseException as err:
        _give_up(repo, place, [one.run.id for one in scheduled[len(records) :]], err)
        raise
    return [Job(one.run, record, one.notes) for one, record in zip(scheduled, records, strict=True)]


def find_place(repo: Repo, name: str, given: Mapping[str, object], remote: str | None) -> Place:
    """Find where jobs would go; arguments as of `submit`.

    Raises:
        UsageError: The options are wrong, or there is no remote to clone from.
    """
    backend = find_backend(name)
    config = check_config(name, backend.options, given)
    backend.check(config)
    chosen = find_remote(repo, backend, remote)
    return Place(backend, config, chosen, None if chosen is None else remote_url(repo, chosen))


def find_remote(repo: Repo, backend: Backend, remote: str | None) -> str | None:
    """Name the remote between us and the jobs of a backend; None if they work in this repository.

    Raises:
        UsageError: There is none, or one is given that is not needed.
    """
    name = backend.name
    if not backend.own_clone:
        if remote is not None:
            raise UsageError(f"backend '{name}' works in this repository: it needs no remote")
        return None
    known = likely_remotes(repo)
    chosen = remote if remote is not None else (known[0] if known else None)
    if chosen is None:
        raise UsageError(
            f"a job of backend '{name}' clones from a remote, and this repository has none",
            hint="git remote add origin URL",
        )
    return chosen


def remote_url(repo: Repo, remote: str) -> str:
    """Say where a remote is, in words that hold on another machine or in another folder."""
    url = Remote(repo.git.process, remote).url
    path = Path(url).expanduser()
    if "://" not in url and (path.is_absolute() or ":" not in url.partition("/")[0]):
        base = repo.git.work_tree or repo.git.git_dir
        return str((base / path).resolve())
    return strip_url_credentials(url)


def check_requests(repo: Repo, place: Place, requests: Sequence[LaunchRequest]) -> None:
    """Refuse what `submit_many` would refuse, before anything is recorded.

    Raises:
        UsageError: A request is wrong.
        RefusedError: A secret would be recorded.
    """
    for request in requests:
        check_request(repo, request, needs_code=not runs_in_place(place, request))


def runs_in_place(place: Place, request: LaunchRequest) -> bool:
    """Say whether a job runs in our current folder; code that was laid out for us is gone by then."""
    return not place.backend.own_clone and not isinstance(request.code, CodeState)


def _job_request(repo: Repo, place: Place, request: LaunchRequest, run: Run) -> JobRequest:
    config = place.config
    variables = cast("Mapping[str, str]", config.get("env", {}))
    told = {name: request.environment[name] for name in _TOLD if name in request.environment}
    words = [*_program(place), "jobs", "work", run.id]
    if place.url is not None:
        words += ["--remote", place.url, "--digest", digest_of(run)]
    elif runs_in_place(place, request):
        words += ["--in", str(Path.cwd())]
    return JobRequest(
        run_id=run.id,
        remote=place.url,
        command=tuple(words),
        name=run.name,
        folder=JobRecords(repo.root).folder,
        resources=Resources(
            cpus=cast("int | None", config.get("cpus")),
            gpus=cast("int | None", config.get("gpus")),
            memory_mib=cast("int | None", config.get("memory")),
            time_s=cast("int | None", config.get("time")),
        ),
        # A job here runs in our own environment; anywhere else only what was asked for goes along.
        environment={**(told if place.backend.own_clone else request.environment), **variables},
        config=config,
    )


def _program(place: Place) -> tuple[str, ...]:
    gitml, python = place.config.get("gitml"), place.config.get("python")
    if gitml is not None:
        return (str(gitml),)
    return (str(python), "-m", "gitml") if python is not None else place.backend.program or own_command()


def push_runs(repo: Repo, remote: str, progress: Progress | None = None) -> None:
    """Push runs to where jobs find them.

    Raises:
        GitmlError: They did not get there.
    """
    from gitml.sync.pushing import PushOptions, push

    # Without tags: asking for a job must not publish a promotion.
    push(repo, remote, PushOptions(tags=False), progress=progress)


def _submitted(repo: Repo, place: Place, jobs: Sequence[JobRequest]) -> Iterator[JobRecord]:
    """Submit jobs, all at once where the backend can; each is written down before the next is given."""
    backend, records = place.backend, JobRecords(repo.root)
    records.make_folder()
    if len(jobs) > 1 and isinstance(backend, ArrayBackend):
        ids: Iterator[str] = iter(backend.submit_many(jobs))
    else:
        ids = map(backend.submit, jobs)
    config = {key: value for key, value in place.config.items() if key != "env"}
    for job, id_ in zip(jobs, ids, strict=True):
        now_ms = time.time_ns() // 1_000_000
        record = JobRecord(job.run_id, job.name, backend.name, id_, now_ms, place.url, config)
        try:
            records.add(record)
        except BaseException:  # a job that nobody could find again must not run
            with suppress(GitmlError):
                backend.cancel(records.handle(record))
            raise
        yield record


def _give_up(repo: Repo, place: Place, run_ids: Sequence[str], error: BaseException) -> None:
    """Mark runs failed that no job will take up, there too if they are there."""
    reason = str(error) or type(error).__name__
    ended = [run_id for run_id in run_ids if fail_scheduled(repo, run_id, f"{NOT_SUBMITTED}{reason}")]
    if ended and place.remote is not None:
        with suppress(GitmlError):  # the reason itself, as a rule; the next push brings it
            push_runs(repo, place.remote)
