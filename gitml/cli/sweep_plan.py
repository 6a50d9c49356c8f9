"""From the options of `gitml sweep` to its plan."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gitml.cli.run_values import read_parameters
from gitml.errors import UsageError
from gitml.formats.names import check_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitml.execution.sweeps.plan import Goal, Plan

_SEEDS = 1 << 32


class Search(NamedTuple):
    """What the options say about what is searched."""

    params: list[str]
    from_file: str | None
    trials: int | None
    seed: int | None
    minimize: str | None
    maximize: str | None
    optimizer: str | None
    sampler: str | None


def make_plan(search: Search) -> Plan:
    """Read the options; what is run is not in the plan yet.

    Raises:
        UsageError: They mean nothing, or contradict each other.
        NotFoundError: There is no such file.
        MissingExtraError: Optuna is asked for and not installed.
    """
    from gitml.execution.sweeps.plan import GRID, OPTUNA, RANDOM, Plan, choose_optimizer

    goal = _goal(search)
    if search.optimizer not in (None, GRID, RANDOM, OPTUNA):
        raise UsageError(
            f"--optimizer '{search.optimizer}' is none of {GRID}, {RANDOM}, {OPTUNA}", hint="leave it out"
        )
    if search.sampler is not None and search.optimizer != OPTUNA:
        raise UsageError("--sampler is one of Optuna's", hint="add --optimizer optuna")
    if search.from_file is not None:
        return _listed(search, search.from_file, goal)
    space = read_parameters(search.params)
    if not space:
        raise UsageError("there is nothing to try", hint="gitml sweep -P lr=0.1,0.01 python train.py")
    bare = Plan(space, search.optimizer or GRID, 0)
    optimizer, trials = choose_optimizer(bare.dimensions(), search.trials, search.optimizer)
    seed = search.seed
    if optimizer == GRID:
        if seed is not None:
            raise UsageError("--seed is for draws, and a grid has none", hint="leave it out")
    elif seed is None:
        seed = secrets.randbelow(_SEEDS)
    plan = Plan(space, optimizer, trials, goal, seed, search.sampler)
    if optimizer == OPTUNA:
        from gitml.execution.sweeps.optuna_optimizer import check_optuna

        check_optuna(plan)
    return plan


def example_values(plan: Plan) -> Mapping[str, str]:
    """Give values that a trial may have."""
    from gitml.execution.sweeps.plan import OPTUNA
    from gitml.execution.sweeps.space import draws

    if plan.optimizer == OPTUNA:
        return next(draws(plan.dimensions(), plan.seed or 0))
    from gitml.execution.sweeps.optimizers import planned_trials

    return planned_trials(plan)[0].values


def _goal(search: Search) -> Goal | None:
    from gitml.execution.sweeps.plan import Goal

    if search.minimize is not None and search.maximize is not None:
        raise UsageError("--minimize and --maximize contradict each other", hint="give one of them")
    metric = search.maximize if search.minimize is None else search.minimize
    return None if metric is None else Goal(check_name("metric", metric), search.minimize is None)


def _listed(search: Search, file: str, goal: Goal | None) -> Plan:
    from gitml.execution.sweeps.plan import LISTED, Plan
    from gitml.execution.sweeps.trials_file import read_trials

    beside = {
        "-P": search.params,
        "--trials": search.trials,
        "--seed": search.seed,
        "--optimizer": search.optimizer,
    }
    for name, value in beside.items():
        if value not in (None, []):
            raise UsageError(f"--from and {name} can't be combined", hint="the file has all values")
    listed = read_trials(Path(file))
    return Plan({}, LISTED, len(listed), goal, listed=listed)
