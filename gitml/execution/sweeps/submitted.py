"""What this repository knows of the jobs of a sweep, to go on with it.

Beside the jobs' own records that is the file `sweeps/RUN/submitted` in gitml's folder: which
runs were submitted from here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from gitml.errors import UsageError
from gitml.execution.backends.options import config_again
from gitml.execution.backends.records import JobRecord, JobRecords
from gitml.execution.backends.registry import find_backend
from gitml.execution.backends.submission import remote_url
from gitml.execution.sources.locks import private_folder, try_lock
from gitml.execution.sweeps.optimizers import planned_trials
from gitml.execution.sweeps.outstanding import SubmittedTrial, lost
from gitml.execution.sweeps.record import RecordedSweep, StillRunningError, is_settled, trial_number
from gitml.repo import Repo


def submitted_jobs(repo: Repo, recorded: RecordedSweep) -> dict[str, JobRecord]:
    """The jobs of a sweep's trials that were submitted from here, the newest first."""
    ids = {run.id for run in recorded.children}
    return {record.run_id: record for record in JobRecords(repo.root).all() if record.run_id in ids}


def remote_of(repo: Repo, recorded: RecordedSweep) -> str | None:
    """Name the remote that its jobs were submitted with; None if it has no name here."""
    urls = {record.remote for record in submitted_jobs(repo, recorded).values()}
    return next((name for name in repo.settings.remotes if remote_url(repo, name) in urls), None)


def config_of(backend: str, jobs: Mapping[str, JobRecord]) -> Mapping[str, object]:
    """Give the options that the newest of these jobs was submitted with, but for `env`, which is not kept."""
    newest = next(iter(jobs.values()), None)
    return {} if newest is None else config_again(find_backend(backend).options, newest.config)


def check_variables(recorded: RecordedSweep, config: Mapping[str, object]) -> None:
    """Refuse jobs without the variables that others of the sweep had.

    Raises:
        UsageError: One is missing.
    """
    given = config.get("env", {})
    names = recorded.plan.launch.get("backend_variables", ())
    missing = [str(name) for name in names if not isinstance(given, Mapping) or name not in given]
    if missing:
        raise UsageError(
            f"the jobs of this sweep had variables of their own, which are not kept: {', '.join(missing)}",
            hint=f"give them again: -c env.{missing[0]}=...",
        )


def not_over(
    repo: Repo, recorded: RecordedSweep, jobs: Mapping[str, JobRecord], done: set[int]
) -> Iterator[SubmittedTrial]:
    """Find the trials whose jobs may still run."""
    trials = {trial.number: trial for trial in planned_trials(recorded.plan)}
    ours = _read_ids(repo, recorded.run.id)
    for run in recorded.children:
        trial = trials.get(trial_number(run))
        if trial is None or trial.number in done or is_settled(run.status, run.error):
            continue
        if run.id in jobs:
            yield SubmittedTrial(trial, run.id, jobs[run.id])
        elif not run.status.is_final and run.id in ours:
            lost(repo, trial, run, "its submission was interrupted")
        elif not run.status.is_final:
            yield SubmittedTrial(trial, run.id, None)


def write_ids(repo: Repo, sweep: str, ids: Sequence[str]) -> None:
    """Write down which runs are submitted from here: one without a job then never got there."""
    folder = private_folder(repo.root / "sweeps" / sweep)
    with (folder / "submitted").open("a", encoding="ascii") as file:
        file.writelines(f"{run_id}\n" for run_id in ids)


def _read_ids(repo: Repo, sweep: str) -> frozenset[str]:
    try:
        return frozenset((repo.root / "sweeps" / sweep / "submitted").read_text("ascii").split())
    except FileNotFoundError:
        return frozenset()


@contextmanager
def alone(repo: Repo, sweep: str) -> Iterator[None]:
    """Let no other process of this machine submit trials of a sweep meanwhile.

    Raises:
        StillRunningError: One does.
    """
    lock = try_lock(private_folder(repo.root / "sweeps" / sweep) / "lock")
    if lock is None:
        raise StillRunningError(sweep)
    try:
        yield
    finally:
        os.close(lock)
