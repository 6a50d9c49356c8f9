"""A sweep whose trials a backend runs: all are recorded, pushed and submitted at once.

No process of ours lasts as long as such a sweep, so its run is not a live one: it is
`scheduled` from the submission on, until somebody who waits, or goes on with it, finds
all jobs over and ends it. What is not known then can be asked: the trials are its
children, their jobs are in `.git/gitml/jobs/`, and the runs come by a pull.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from gitml.entities.run import CodeState, Run, RunStatus
from gitml.errors import GitmlError, RefusedError, UsageError
from gitml.execution.backends.records import JobRecords
from gitml.execution.backends.registry import find_backend
from gitml.execution.backends.scheduling import fail_scheduled
from gitml.execution.backends.submission import (
    NOT_SUBMITTED,
    Place,
    check_requests,
    find_place,
    find_remote,
    push_runs,
    submit_many,
)
from gitml.execution.sweeps.destination import Destination, limited
from gitml.execution.sweeps.optimizers import Trial, planned_trials
from gitml.execution.sweeps.outstanding import OutstandingTrials, SubmittedTrial
from gitml.execution.sweeps.plan import OPTUNA, PLAN_FILE, encode_plan
from gitml.execution.sweeps.record import (
    RecordedSweep,
    StillRunningError,
    is_settled,
    plan_tags,
    read_sweep,
    start_sweep_run,
)
from gitml.execution.sweeps.state import SweepRequest
from gitml.execution.sweeps.submitted import (
    alone,
    check_variables,
    config_of,
    not_over,
    remote_of,
    submitted_jobs,
    write_ids,
)
from gitml.execution.sweeps.sweep import settled_trials
from gitml.execution.sweeps.underway import Underway
from gitml.execution.sweeps.workers import TRIAL_TAG, TRIAL_VARIABLE, trial_name
from gitml.formats.names import check_name
from gitml.launching.child_environment import REPO_VARIABLE, RUN_VARIABLE
from gitml.launching.request import LaunchRequest
from gitml.repo import Repo
from gitml.sync.pulling import pull
from gitml.tracking.commit import commit_live
from gitml.tracking.history import get_run
from gitml.tracking.live import LiveRun
from gitml.tracking.start import resume_run
from gitml.tracking.words import random_name

if TYPE_CHECKING:
    from gitml.git.remote import Progress

_MOST_HERE = 32  # jobs on this machine that all begin at once


def start_elsewhere(
    repo: Repo, request: SweepRequest, where: Destination, *, progress: Progress | None = None
) -> Underway:
    """Record a sweep and all its trials, push them, and submit them.

    Args:
        repo: Where it is recorded.
        request: What to do.
        where: Where the trials run.
        progress: Told phase, done and total of the push.

    Raises:
        UsageError: The request is wrong; nothing was recorded.
        RefusedError: A secret would be recorded, or there is no code; likewise.
        GitmlError: It could not be pushed or submitted; its run says so.
    """
    plan = request.plan
    where = limited(where)
    place = find_place(repo, where.backend, where.config, where.remote)
    name = request.launch.name or random_name()
    check_name("run", trial_name(name, plan.trials))
    trials = _planned(request, place)
    requests = _checked(repo, place, request, trials)
    live = start_sweep_run(repo, request.launch, plan, uuid.uuid4().hex, name)
    run = _let_go(repo, live)
    if place.backend.own_clone:  # one sweep, one code
        requests = [
            each if isinstance(each.code, CodeState) else replace(each, code=run.code) for each in requests
        ]
    outstanding = OutstandingTrials(repo, plan.goal, place.remote)
    notes = _submit(repo, run, where, trials, requests, outstanding, progress)
    return Underway(repo, request, run, place.remote, outstanding, submitted=len(trials), notes=notes)


def bring_sweep(
    repo: Repo, recorded: RecordedSweep, remote: str | None, *, progress: Progress | None = None
) -> tuple[RecordedSweep, str | None]:
    """Pull what the jobs of a sweep pushed, and read it again.

    Returns:
        The sweep, and the name of the remote; None if its jobs work in this repository.

    Raises:
        GitmlError: It can't be pulled or read.
    """
    backend = find_backend(recorded.plan.backend or "")
    chosen = find_remote(repo, backend, remote or remote_of(repo, recorded))
    if chosen is None:
        return recorded, None
    pull(repo, chosen, progress=progress)
    return read_sweep(repo, recorded.run.id), chosen


def go_on_elsewhere(
    repo: Repo, request: SweepRequest, where: Destination, *, progress: Progress | None = None
) -> Underway:
    """Submit the trials of a sweep that have not ended and whose jobs are over; arguments as above.

    Raises:
        StillRunningError: Another process does so just now.
        GitmlError: As of `start_elsewhere`.
    """
    recorded = request.recorded
    if recorded is None:
        raise AssertionError("asked for recorded sweeps only")
    plan, run = request.plan, recorded.run
    jobs = submitted_jobs(repo, recorded)
    where = limited(replace(where, config={**config_of(where.backend, jobs), **where.config}))
    place = find_place(repo, where.backend, where.config, where.remote)
    with alone(repo, run.id):
        results = list(settled_trials(request))
        done = {result.trial.number for result in results}
        outstanding = OutstandingTrials(repo, plan.goal, place.remote, not_over(repo, recorded, jobs, done))
        for result in outstanding.look():
            again = request.retry_failed and result.status is RunStatus.FAILED
            if is_settled(result.status, result.error) and not again:
                results.append(result)
        busy = {result.trial.number for result in results}
        busy |= {each.trial.number for each in outstanding.trials}
        missing = [trial for trial in _planned(request, place) if trial.number not in busy]
        notes: tuple[str, ...] = ()
        if missing:
            check_variables(recorded, where.config)
            requests = _checked(repo, place, request, missing)
            run = _open_again(repo, request, recorded)
            notes = _submit(repo, run, where, missing, requests, outstanding, progress)
    return Underway(
        repo,
        request,
        run,
        place.remote,
        outstanding,
        results,
        submitted=len(missing),
        notes=notes,
    )


def _planned(request: SweepRequest, place: Place) -> list[Trial]:
    name = place.backend.name
    if request.plan.optimizer == OPTUNA:
        raise UsageError(
            f"Optuna chooses a trial by what came of those before, and backend '{name}' is given all at once",
            hint="leave --backend out, or draw values: --optimizer random",
        )
    if request.fail_fast:
        raise UsageError(
            f"--fail-fast is not for backend '{name}': its jobs go on when nobody here watches",
            hint="gitml jobs cancel RUN ends all jobs of a sweep",
        )
    return planned_trials(request.plan)


def _checked(repo: Repo, place: Place, request: SweepRequest, trials: Sequence[Trial]) -> list[LaunchRequest]:
    """Make the requests of trials; what is wrong with one is told before anything is recorded."""
    requests = [request.runner.make_request(trial.values) for trial in trials]
    check_requests(repo, place, requests)
    if not place.backend.own_clone and len(trials) > _MOST_HERE:
        raise RefusedError(
            f"backend '{place.backend.name}' would begin all {len(trials)} trials at once on this machine, "
            f"and at most {_MOST_HERE} are let",
            hint="gitml sweep --jobs N, without --detach, runs N at a time",
        )
    return requests


def _submit(
    repo: Repo,
    sweep: Run,
    where: Destination,
    trials: Sequence[Trial],
    requests: Sequence[LaunchRequest],
    outstanding: OutstandingTrials,
    progress: Progress | None,
) -> tuple[str, ...]:
    """Hand trials to the backend; gives sentences for the user."""
    surroundings = {RUN_VARIABLE: sweep.id, REPO_VARIABLE: str(repo.git.work_tree or repo.git.git_dir)}
    asked = [
        replace(
            each,
            parent=None,
            note=None,
            name=trial_name(sweep.name, trial.number),
            new_id=uuid.uuid4().hex,
            tags={**each.tags, TRIAL_TAG: str(trial.number)},
            environment={**each.environment, **surroundings, TRIAL_VARIABLE: str(trial.number)},
        )
        for each, trial in zip(requests, trials, strict=True)
    ]
    write_ids(repo, sweep.id, [str(each.new_id) for each in asked])
    try:
        jobs = submit_many(
            repo,
            asked,
            backend=where.backend,
            config=where.config,
            remote=where.remote,
            project=where.project,
            progress=progress,
        )
    except BaseException as err:
        known = {record.run_id for record in JobRecords(repo.root).all()}
        if not outstanding.trials and known.isdisjoint(each.new_id for each in asked):
            _give_up(repo, sweep, where, err)
        raise
    outstanding.add(
        SubmittedTrial(trial, job.run.id, job.record) for trial, job in zip(trials, jobs, strict=True)
    )
    return tuple(dict.fromkeys(note for job in jobs for note in job.notes))


def _give_up(repo: Repo, sweep: Run, where: Destination, error: BaseException) -> None:
    """Mark the sweep failed, of which nothing runs."""
    fail_scheduled(repo, sweep.id, f"{NOT_SUBMITTED}{str(error) or type(error).__name__}")
    with suppress(GitmlError):  # the reason itself, as a rule; the next push brings it
        place = find_place(repo, where.backend, where.config, where.remote)
        if place.remote is not None:
            push_runs(repo, place.remote)


def _let_go(repo: Repo, live: LiveRun) -> Run:
    """Record the sweep's run as one that nobody here works on."""
    try:
        live.update(status=RunStatus.SCHEDULED)
        live.flush()
        commit_live(repo, live.run_id)
    finally:
        live.close()
    return get_run(repo, live.run_id)


def _open_again(repo: Repo, request: SweepRequest, recorded: RecordedSweep) -> Run:
    live = resume_run(repo, recorded.run.id)
    if not live.owner:
        live.close()
        raise StillRunningError(recorded.run.id)
    if request.plan != recorded.plan:  # more trials
        live.set_tags(plan_tags(request.plan))
        live.log_bytes(encode_plan(request.plan), PLAN_FILE)
    live.update(start_ms=recorded.run.start_ms)
    return _let_go(repo, live)
