"""Who says what is tried next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from gitml.entities.run import Number, RunStatus
from gitml.execution.sweeps.plan import GRID, LISTED, RANDOM, Plan
from gitml.execution.sweeps.space import draws, grid


@dataclass(frozen=True, slots=True)
class Trial:
    """One try: its number in the sweep, counted from 1, and the value of each parameter."""

    number: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What came of a trial.

    Attributes:
        trial: Which one.
        run_id: The run that recorded it; None if it could not be started.
        status: How that ended.
        value: The last value of the goal's metric; None if there is none.
        duration_s: Seconds that its program took.
        error: Why it did not end well.
        warnings: Sentences about what was not recorded.
        redactions: Sentences about secrets that a placeholder was recorded for.
    """

    trial: Trial
    run_id: str | None
    status: RunStatus
    value: Number | None = None
    duration_s: float = 0.0
    error: str | None = None
    warnings: tuple[str, ...] = ()
    redactions: tuple[str, ...] = ()


class Optimizer(Protocol):
    """Chooses trials; used from one process only."""

    def ask(self) -> Trial | None:
        """Choose what is tried next; None: nothing, at least until a running trial has ended."""
        ...

    def tell(self, result: TrialResult) -> None:
        """Hear what came of a trial."""
        ...


class PlannedTrials:
    """Trials that are known from the start: a grid, draws, or a file's.

    Args:
        trials: Those that are still to be run.
    """

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._waiting = iter(trials)

    def ask(self) -> Trial | None:
        """Give the next one."""
        return next(self._waiting, None)

    def tell(self, result: TrialResult) -> None:
        """Change nothing: results decide nothing here."""


def planned_trials(plan: Plan) -> list[Trial]:
    """Name all trials of a plan that are known from the start."""
    if plan.optimizer == LISTED:
        values: Sequence[Mapping[str, str]] = plan.listed
    elif plan.optimizer == GRID:
        values = list(grid(plan.dimensions()))
    elif plan.optimizer == RANDOM and plan.seed is not None:
        values = list(islice(draws(plan.dimensions(), plan.seed), plan.trials))
    else:
        raise ValueError(f"{plan.optimizer} plans nothing ahead")
    return [Trial(number, each) for number, each in enumerate(values, 1)]
