"""Optuna says what is tried next; its study stays on this machine.

Only the sweep's own process talks to it. A study that is not here (another
machine, a new clone) is made again from the trials that the runs tell of.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml.entities.run import RunStatus
from gitml.errors import MissingExtraError, UsageError
from gitml.execution.sweeps.optimizers import Trial, TrialResult
from gitml.execution.sweeps.plan import Plan
from gitml.execution.sweeps.space import Dimension, Integers, LogUniform, Uniform, number_text

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study

DEFAULT_SAMPLER = "tpe"
# By name, with the packages that Optuna wants for it.
SAMPLERS: Mapping[str, tuple[str, ...]] = {
    "tpe": (),
    "random": (),
    "cmaes": ("cmaes",),
    "gp": ("scipy", "torch"),
    "qmc": ("scipy",),
}
_STUDY = "sweep"
_SEEDS = 1 << 32


class OptunaOptimizer:
    """Asks a study of Optuna's.

    Args:
        plan: What is searched, and how.
        storage: The file of the study; made if it is not there.
        recorded: The trials that have ended, by what their runs tell.
        jobs: How many trials run at once.

    Raises:
        MissingExtraError: Optuna is not installed.
        UsageError: The plan has no goal, or there is no such sampler.
    """

    def __init__(self, plan: Plan, storage: Path, recorded: Sequence[TrialResult], *, jobs: int) -> None:
        check_optuna(plan)
        import optuna  # a second

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._distributions = {name: _distribution(each) for name, each in plan.dimensions().items()}
        self._study = _open_study(plan, storage, jobs)
        if not self._study.trials:
            for result in recorded:
                self._add(result)
        self._close_abandoned()
        self._left = max(0, plan.trials - len(recorded))
        self._next = max((result.trial.number for result in recorded), default=0) + 1
        self._asked: dict[int, int] = {}  # our numbers to Optuna's, which counts what was given up too

    def ask(self) -> Trial | None:
        """Let Optuna choose."""
        if not self._left:
            return None
        self._left -= 1
        number, self._next = self._next, self._next + 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what is experimental in it
            asked = self._study.ask(self._distributions)
        self._asked[number] = asked.number
        return Trial(number, {name: _text(value) for name, value in asked.params.items()})

    def tell(self, result: TrialResult) -> None:
        """Tell Optuna the value; a trial without one has failed."""
        from optuna.trial import TrialState

        value, number = _usable(result), self._asked.pop(result.trial.number)
        if value is None:
            self._study.tell(number, state=TrialState.FAIL)
        else:
            self._study.tell(number, value)

    def _add(self, result: TrialResult) -> None:
        from optuna.trial import TrialState, create_trial

        value = _usable(result)
        try:
            params = {
                name: _external(distribution, result.trial.values[name])
                for name, distribution in self._distributions.items()
            }
            self._study.add_trial(
                create_trial(
                    params=params,
                    distributions=self._distributions,
                    value=value,
                    state=TrialState.FAIL if value is None else TrialState.COMPLETE,
                )
            )
        except (KeyError, ValueError):
            return  # its run was edited by hand: the search goes on without it

    def _close_abandoned(self) -> None:
        """Give up trials that were running when a sweep was killed: nobody will tell of them."""
        from optuna.trial import TrialState

        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)


def check_optuna(plan: Plan) -> None:
    """Make sure that Optuna can search a plan, without loading it.

    Raises:
        MissingExtraError: It is not installed.
        UsageError: The plan has no goal, or there is no such sampler.
    """
    if plan.goal is None:
        raise UsageError("Optuna must know what is looked for", hint="add --minimize METRIC")
    sampler = plan.sampler or DEFAULT_SAMPLER
    if sampler not in SAMPLERS:
        raise UsageError(f"--sampler '{sampler}' is none of {', '.join(SAMPLERS)}", hint="--sampler tpe")
    if find_spec("optuna") is None:
        raise MissingExtraError("--optimizer optuna", "optuna")
    missing = [package for package in SAMPLERS[sampler] if find_spec(package) is None]
    if missing:
        raise UsageError(
            f"--sampler '{sampler}' needs packages that are not installed",
            hint=f"pip install {' '.join(missing)}",
        )


def _usable(result: TrialResult) -> float | None:
    value = result.value
    return (
        None if result.status is not RunStatus.FINISHED or value is None or value != value else float(value)
    )


def _open_study(plan: Plan, storage: Path, jobs: int) -> Study:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage.parent.mkdir(parents=True, exist_ok=True)
    goal = plan.goal
    study = optuna.create_study(
        study_name=_STUDY,
        storage=JournalStorage(JournalFileBackend(str(storage))),
        direction="maximize" if goal is not None and goal.maximize else "minimize",
        load_if_exists=True,
    )
    # A sampler begins its draws anew when it is made: after a pause they must not be the same ones.
    seed = None if plan.seed is None else (plan.seed + len(study.trials)) % _SEEDS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.sampler = _sampler(plan.sampler or DEFAULT_SAMPLER, seed, jobs)
    return study


def _sampler(name: str, seed: int | None, jobs: int) -> BaseSampler:
    from optuna import samplers

    made: Mapping[str, Any] = {
        # So that trials that run at the same time are not all alike.
        "tpe": lambda: samplers.TPESampler(seed=seed, constant_liar=jobs > 1),
        "random": lambda: samplers.RandomSampler(seed=seed),
        "cmaes": lambda: samplers.CmaEsSampler(seed=seed),
        "gp": lambda: samplers.GPSampler(seed=seed),
        "qmc": lambda: samplers.QMCSampler(seed=seed),
    }
    return made[name]()


def _distribution(dimension: Dimension) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(dimension, Uniform):
        return FloatDistribution(dimension.low, dimension.high)
    if isinstance(dimension, LogUniform):
        return FloatDistribution(dimension.low, dimension.high, log=True)
    if isinstance(dimension, Integers):
        return IntDistribution(dimension.low, dimension.high)
    return CategoricalDistribution(dimension.texts)


def _text(value: Any) -> str:
    if isinstance(value, float):
        text = number_text(value)
        return text if float(text) == value else repr(value)
    return str(value)


def _external(distribution: BaseDistribution, text: str) -> Any:
    """Read a recorded text as the value that Optuna chose."""
    from optuna.distributions import FloatDistribution, IntDistribution

    if isinstance(distribution, FloatDistribution):
        return float(text)
    return int(text) if isinstance(distribution, IntDistribution) else text
