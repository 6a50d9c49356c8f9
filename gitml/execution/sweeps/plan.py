"""The plan of a sweep: all that is needed to go on with it, as its run keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gitml.errors import DamagedError, UsageError
from gitml.execution.sweeps.expressions import parse_dimension
from gitml.execution.sweeps.space import MAX_TRIALS, Space, grid_size, random_names
from gitml.formats import yaml
from gitml.formats.names import check_name
from gitml.tracking.secrets import redact_command, redact_value

PLAN_FILE = "sweep.yaml"  # an artifact of the sweep's run
GRID, RANDOM, LISTED, OPTUNA = "grid", "random", "listed", "optuna"


@dataclass(frozen=True, slots=True)
class Goal:
    """Which metric is to become small, or large; a trial's value is the last one that it logged."""

    metric: str
    maximize: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sweep does.

    Attributes:
        space: The values of each parameter, as they were written.
        optimizer: `grid`, `random`, `listed` (by a file) or `optuna`.
        trials: How many trials.
        goal: What is looked for; None: nothing.
        seed: What the draws follow from; None where nothing is drawn.
        sampler: Which of Optuna's.
        listed: The values of each trial, where a file gave them.
        launch: How to make a request of values again, for whoever made it.
        secret: Whether a secret was left out of the record, so that nobody can go on with it.
    """

    space: Mapping[str, str]
    optimizer: str
    trials: int
    goal: Goal | None = None
    seed: int | None = None
    sampler: str | None = None
    listed: tuple[Mapping[str, str], ...] = ()
    launch: Mapping[str, Any] = field(default_factory=dict)
    secret: bool = False

    def dimensions(self) -> Space:
        """Read the space."""
        return {name: parse_dimension(name, text) for name, text in self.space.items()}

    @property
    def backend(self) -> str | None:
        """The backend that its trials are handed to; None: they run where the sweep does."""
        name = self.launch.get("backend")
        return name if isinstance(name, str) else None

    @property
    def digest(self) -> str:
        """What plans of the same have in common, whatever is drawn."""
        return hashlib.sha256(encode_plan(replace(self, seed=None))).hexdigest()[:16]

    def longer(self, trials: int) -> Plan:
        """Plan more trials of the same.

        Raises:
            UsageError: Its trials are not drawn, or it has more already.
        """
        if self.optimizer not in (RANDOM, OPTUNA):
            raise UsageError(
                f"the sweep has {self.trials:,} trials, all of its {self.optimizer}",
                hint="leave --trials out",
            )
        if not self.trials <= trials <= MAX_TRIALS:
            raise UsageError(
                f"--trials {trials} is not between {self.trials} and {MAX_TRIALS}", hint="leave it out"
            )
        return replace(self, trials=trials)


def choose_optimizer(space: Space, trials: int | None, optimizer: str | None) -> tuple[str, int]:
    """Say how a space is searched, and in how many trials.

    Raises:
        UsageError: It is unlimited and no number was given, or the numbers contradict.
    """
    drawn = random_names(space)
    if optimizer is None:
        optimizer = RANDOM if drawn else GRID
    if optimizer == GRID:
        if drawn:
            raise UsageError(
                f"'{drawn[0]}' is drawn at random, so there is no grid", hint="leave --optimizer out"
            )
        size = grid_size(space)
        if trials not in (None, size):
            raise UsageError(
                f"the grid has {size:,} trials, not {trials:,}",
                hint="leave --trials out, or draw from it: --optimizer random",
            )
        trials = size
    if trials is None:
        reason = f"'{drawn[0]}' is drawn at random" if drawn else f"--optimizer {optimizer} has no end"
        raise UsageError(f"{reason}, so it must be said how often", hint="add --trials 50")
    if not 1 <= trials <= MAX_TRIALS:
        raise UsageError(
            f"a sweep has 1 to {MAX_TRIALS:,} trials, not {trials:,}",
            hint="shorten the lists, or draw from them",
        )
    return optimizer, trials


def encode_plan(plan: Plan) -> bytes:
    """Write a plan as YAML, without secrets."""
    goal = plan.goal
    document: dict[str, Any] = {
        "space": dict(plan.space),
        "optimizer": plan.optimizer,
        "trials": plan.trials,
        "seed": plan.seed,
        "sampler": plan.sampler,
        "goal": None if goal is None else {"metric": goal.metric, "maximize": goal.maximize},
        "listed": [dict(values) for values in plan.listed] or None,
        "launch": dict(plan.launch),
    }
    found: list[str] = []
    known = {key: _redacted(key, value, found) for key, value in document.items() if value is not None}
    if found or plan.secret:
        known["secret"] = True
    return yaml.dump_mapping(known, block_depth=2).encode()


def _redacted(key: str, value: Any, found: list[str]) -> Any:
    """Take secrets out of a part of the plan; their kinds go to `found`."""
    if isinstance(value, Mapping):
        return {name: _redacted(name, item, found) for name, item in value.items()}
    if key == "command":
        words, kinds = redact_command(value)
        found += kinds
        return list(words)
    if isinstance(value, list | tuple):
        return [_redacted(key, item, found) for item in value]
    if isinstance(value, str):
        clean, kinds = redact_value(key, value)
        found += kinds
        return clean
    return value


def decode_plan(data: bytes) -> Plan:
    """Read a plan.

    Raises:
        DamagedError: It is none.
    """
    document = yaml.load_mapping(data, source=PLAN_FILE)
    try:
        goal = document.get("goal")
        return Plan(
            space=_texts(document["space"]),
            optimizer=_one_of(document["optimizer"], (GRID, RANDOM, LISTED, OPTUNA)),
            trials=_whole(document["trials"]),
            goal=None
            if goal is None
            else Goal(check_name("metric", goal["metric"]), goal["maximize"] is True),
            seed=None if document.get("seed") is None else _whole(document["seed"]),
            sampler=document.get("sampler"),
            listed=tuple(map(_texts, document.get("listed") or ())),
            launch=dict(document["launch"]),
            secret=document.get("secret") is True,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise DamagedError(f"'{PLAN_FILE}' is no plan of a sweep: {type(err).__name__} {err}") from None


def _texts(value: Any) -> dict[str, str]:
    if not all(isinstance(text, str) for pair in value.items() for text in pair):
        raise TypeError("values of parameters are texts")
    return dict(value)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r:.40} is no integer")
    return value


def _one_of(value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{value!r:.40} is none of {', '.join(known)}")
    return str(value)
