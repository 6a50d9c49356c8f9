"""What a sweep is asked for, how far it is, and what comes of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gitml.entities.run import RunStatus
from gitml.execution.sweeps.optimizers import Trial, TrialResult
from gitml.execution.sweeps.plan import Plan
from gitml.execution.sweeps.record import RecordedSweep
from gitml.execution.sweeps.runner import Runner
from gitml.launching.request import LaunchRequest


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """What to sweep, and how to record the sweep's own run.

    Attributes:
        plan: What is tried.
        runner: Makes a request of each trial's values.
        launch: The request that the sweep's own run begins with; its command is the one
            that was given, before values.
        jobs: How many trials run at the same time.
        fail_fast: Whether the first failed trial ends the sweep.
        retry_failed: Whether failed trials of a recorded sweep are run again.
        recorded: The sweep to go on with; None: a new one.
    """

    plan: Plan
    runner: Runner
    launch: LaunchRequest
    jobs: int = 1
    fail_fast: bool = False
    retry_failed: bool = False
    recorded: RecordedSweep | None = None


@dataclass(slots=True)
class SweepState:
    """How far a sweep is.

    Attributes:
        run_id: Its run.
        name: The name of that.
        plan: What is tried.
        jobs: How many trials run at the same time.
        results: What came of the trials that ended, in that order.
        running: The trials that run now.
        best: The best so far.
        earlier: How many of the results are from before the sweep was gone on with.
        started_s: When it began, by `time.monotonic`.
        pending: The trials whose jobs wait for room.
    """

    run_id: str
    name: str
    plan: Plan
    jobs: int
    results: list[TrialResult] = field(default_factory=list)
    running: Sequence[Trial] = ()
    best: TrialResult | None = None
    earlier: int = 0
    started_s: float = 0.0
    pending: Sequence[Trial] = ()

    @property
    def failed(self) -> int:
        """How many trials did not end well."""
        return sum(result.status is not RunStatus.FINISHED for result in self.results)

    @property
    def remaining_s(self) -> float | None:
        """How long it may still take, in seconds; None while nobody can know."""
        done = len(self.results) - self.earlier
        if not done:
            return None
        return (time.monotonic() - self.started_s) / done * (self.plan.trials - len(self.results))


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What came of a sweep.

    Attributes:
        state: All trials and the best.
        status: How its run ended.
        exit_code: What to exit with: 1 if a trial failed, 128 + N for signal N.
        error: Why it did not end well.
        duration_s: Seconds that it took.
    """

    state: SweepState
    status: RunStatus
    exit_code: int
    error: str | None
    duration_s: float


class Watch(Protocol):
    """Shows how far a sweep is."""

    def __call__(self, state: SweepState, ended: TrialResult | None) -> None:
        """Show it: because a trial ended, or because time has passed."""
        ...
