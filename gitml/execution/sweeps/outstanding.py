"""Trials that were handed to a backend, until their jobs are over."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gitml.entities.run import Run, RunStatus
from gitml.execution.backends.contract import JobState, JobStatus
from gitml.execution.backends.jobs import job_statuses
from gitml.execution.backends.records import JobRecord
from gitml.execution.backends.scheduling import fail_scheduled
from gitml.execution.sweeps.optimizers import Trial, TrialResult
from gitml.execution.sweeps.plan import Goal
from gitml.execution.sweeps.record import trial_result
from gitml.repo import Repo
from gitml.sync.pulling import pull
from gitml.tracking.history import get_run, refresh

_ALONE_S = 30.0  # how often runs are pulled that no scheduler can be asked about


@dataclass(frozen=True, slots=True)
class SubmittedTrial:
    """A trial whose run waits for its job, or is worked on.

    Attributes:
        trial: Which one.
        run_id: Its run.
        job: Its job; None if that was submitted from another clone.
    """

    trial: Trial
    run_id: str
    job: JobRecord | None


class OutstandingTrials:
    """Looks after trials that are handed to a backend.

    Args:
        repo: Where they are recorded.
        goal: What is looked for.
        remote: The remote that their jobs push to; None: they work in this repository.
        trials: The trials.
    """

    def __init__(
        self, repo: Repo, goal: Goal | None, remote: str | None, trials: Iterable[SubmittedTrial] = ()
    ) -> None:
        self._repo = repo
        self._goal = goal
        self._remote = remote
        self._trials = list(trials)
        self._over: list[tuple[SubmittedTrial, JobStatus]] = []
        self._states: dict[str, JobState] = {}
        self._pulled_s = time.monotonic()

    def __len__(self) -> int:
        return len(self._trials)

    @property
    def trials(self) -> Sequence[SubmittedTrial]:
        """Those that are not known to be over."""
        return self._trials

    @property
    def running(self) -> list[Trial]:
        """The trials that ran when we looked."""
        return [each.trial for each in self._trials if self._states.get(each.run_id) is JobState.RUNNING]

    @property
    def pending(self) -> list[Trial]:
        """The others."""
        return [each.trial for each in self._trials if self._states.get(each.run_id) is not JobState.RUNNING]

    def add(self, trials: Iterable[SubmittedTrial]) -> None:
        """Look after more."""
        self._trials.extend(trials)

    def look(self) -> list[TrialResult]:
        """Ask how the jobs stand, bring the runs of those that are over, and say what came of them.

        Raises:
            GitmlError: The scheduler or the remote can't be asked; nothing is lost by that.
        """
        known = [each for each in self._trials if each.job is not None]
        statuses = job_statuses(self._repo, [each.job for each in known if each.job is not None])
        over = [(each, now) for each, now in zip(known, statuses, strict=True) if now.state.is_over]
        self._states = {each.run_id: now.state for each, now in zip(known, statuses, strict=True)}
        alone = len(self._trials) > len(known) and time.monotonic() - self._pulled_s >= _ALONE_S
        if not (over or alone):
            return []
        if self._remote is not None:
            pull(self._repo, self._remote)
            self._pulled_s = time.monotonic()
        refresh(self._repo)
        ended = [self._ended(each, now) for each, now in over]
        unknown = [(each, get_run(self._repo, each.run_id)) for each in self._trials if each.job is None]
        ended += [trial_result(self._goal, each.trial, run) for each, run in unknown if run.status.is_final]
        gone = {result.run_id for result in ended}
        self._trials = [each for each in self._trials if each.run_id not in gone]
        return ended

    def _ended(self, submitted: SubmittedTrial, status: JobStatus) -> TrialResult:
        run = get_run(self._repo, submitted.run_id)
        if run.status.is_final:
            return trial_result(self._goal, submitted.trial, run)
        why = f"{status.state.value}: {status.reason}" if status.reason else status.state.value
        return lost(self._repo, submitted.trial, run, f"its job left no record ({why})")


def lost(repo: Repo, trial: Trial, run: Run, reason: str) -> TrialResult:
    """Give a trial up whose job will not tell how it ended: it has to be run again."""
    fail_scheduled(repo, run.id, reason, RunStatus.KILLED)
    return TrialResult(trial, run.id, RunStatus.KILLED, error=reason)
