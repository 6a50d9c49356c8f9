"""The run of a sweep: what it says of the plan and the best trial, and how it is read back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gitml.entities.run import Run, RunStatus
from gitml.errors import NotFoundError, RefusedError
from gitml.execution.sweeps.optimizers import Trial, TrialResult, planned_trials
from gitml.execution.sweeps.plan import OPTUNA, PLAN_FILE, Goal, Plan, decode_plan, encode_plan
from gitml.execution.sweeps.space import MAX_TRIALS
from gitml.execution.sweeps.workers import TRIAL_TAG, VALUES_TAG
from gitml.index import Query
from gitml.launching.beginning import start_requested
from gitml.launching.command_line import parse_command_line
from gitml.launching.request import LaunchRequest
from gitml.repo import Repo
from gitml.tracking.history import open_artifact, refresh
from gitml.tracking.live import LiveRun
from gitml.tracking.resolve import resolve_run
from gitml.tracking.secrets import redact_text, redact_value

_MARK = "sweep.optimizer"
_DIGEST = "sweep.plan"
_SIGNALLED = re.compile(r" after SIG[A-Z0-9+-]+$")  # of a program that made an exit code of a signal


class NotASweepError(NotFoundError):
    """The run is there, but it is no sweep."""

    def __init__(self, run: Run) -> None:
        part = run.parent_id if TRIAL_TAG in run.tags else None
        super().__init__(
            f"run '{run.id[:8]}' ({run.name}) is no sweep",
            hint=f"it is part of one: gitml sweep --resume {part[:8]}"
            if part
            else f"gitml log -f 'tags.`{_MARK}` IS NOT NULL'",
        )
        self.run_id = run.id


class StillRunningError(RefusedError):
    """The sweep is being run by another process."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"sweep '{run_id[:8]}' is still running", hint=f"gitml show {run_id[:8]}")
        self.run_id = run_id


@dataclass(frozen=True, slots=True)
class RecordedSweep:
    """A sweep as its runs tell of it.

    Attributes:
        run: Its run.
        plan: What it is to do.
        results: The trials that ended by themselves, each once, by number; a
            killed one has to be run again.
        children: The runs of all trials, the newest first.
    """

    run: Run
    plan: Plan
    results: tuple[TrialResult, ...]
    children: tuple[Run, ...] = ()


def plan_tags(plan: Plan) -> dict[str, str]:
    """Say in tags what a sweep does, for people and filters."""
    goal = plan.goal
    tags = {
        _MARK: plan.optimizer,
        "sweep.space": " ".join(f"{name}={text}" for name, text in plan.space.items()) or None,
        "sweep.trials": str(plan.trials),
        _DIGEST: plan.digest,
        "sweep.sampler": plan.sampler,
        "sweep.backend": plan.backend,
        "sweep.seed": None if plan.seed is None else str(plan.seed),
        "sweep.goal": None
        if goal is None
        else f"{'maximize' if goal.maximize else 'minimize'} {goal.metric}",
    }
    return {name: text for name, text in tags.items() if text is not None}


def start_sweep_run(repo: Repo, launch: LaunchRequest, plan: Plan, run_id: str, name: str) -> LiveRun:
    """Begin the run of a sweep, with its plan.

    Raises:
        GitmlError: It can't be started.
    """
    whole = replace(launch, name=name, new_id=run_id, tags={**launch.tags, **plan_tags(plan)})
    live = start_requested(repo, whole, parse_command_line(launch.command))
    live.log_bytes(encode_plan(plan), PLAN_FILE)
    return live


def record_best(live: LiveRun, goal: Goal, best: TrialResult) -> None:
    """Say in the sweep's run which trial is the best so far."""
    if best.value is None or best.run_id is None:
        return
    # Under a name of its own: asked for the best run, gitml is to find the trial.
    live.log_metric(f"best/{goal.metric}", best.value, step=best.trial.number)
    values = {f"sweep.best.{name}": text for name, text in best.trial.values.items()}
    live.set_tags({"sweep.best_run": best.run_id, **values})


def count_tags(results: Sequence[TrialResult]) -> dict[str, str]:
    """Say in tags how many trials ended how."""
    return {
        f"sweep.{status.value}": str(sum(result.status is status for result in results))
        for status in (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED)
    }


def result_line(result: TrialResult) -> str:
    """Write what came of a trial, for the log of the sweep's run, which keeps no secrets."""
    parts = [f"trial {result.trial.number} {result.status.value}"]
    values = {name: redact_value(name, text)[0] for name, text in result.trial.values.items()}
    parts.append(" ".join(f"{name}={text}" for name, text in values.items()))
    if result.value is not None:
        parts.append(repr(result.value))
    if result.error is not None:
        parts.append(f"({redact_text(result.error)[0]})")
    return "  ".join(parts)


def best_of(goal: Goal | None, results: Sequence[TrialResult]) -> TrialResult | None:
    """Find the best of the trials that finished; of equals the one with the lowest number."""
    ranked = [] if goal is None else ranked_trials(goal, results)
    return ranked[0] if ranked else None


def ranked_trials(goal: Goal, results: Sequence[TrialResult]) -> list[TrialResult]:
    """Sort the trials that finished with a value, the best one first."""
    known = [
        (-result.value if goal.maximize else result.value, result.trial.number, result)
        for result in results
        if result.status is RunStatus.FINISHED and result.value is not None and result.value == result.value
    ]
    return [result for *_, result in sorted(known, key=lambda item: item[:2])]


def unfinished_sweep(repo: Repo, plan: Plan) -> Run | None:
    """Find the newest sweep of the same plan that was killed, or whose jobs may still run."""
    refresh(repo)
    query = Query(filter=f"tags.`{_DIGEST}` = '{plan.digest}' AND status IN ('killed', 'scheduled')", limit=1)
    return next(iter(repo.index.search(query)), None)


def read_sweep(repo: Repo, name: str) -> RecordedSweep:
    """Find a sweep by a name of its run, to go on with it.

    Raises:
        NotFoundError: There is no such run, or it is no sweep.
        RefusedError: It is still running, or deleted, or held a secret.
        DamagedError: Its plan can't be read.
    """
    run = resolve_run(repo, name)
    if _MARK not in run.tags:
        raise NotASweepError(run)
    if run.live:
        raise StillRunningError(run.id)
    try:
        with open_artifact(repo, run, PLAN_FILE) as file:
            plan = decode_plan(file.read())
    except NotFoundError:
        raise NotASweepError(run) from None
    if plan.secret:
        raise RefusedError(
            f"sweep '{run.id[:8]}' can't be gone on with: a secret of its command is not recorded",
            hint="start it again, with the secret in an environment variable",
        )
    children = tuple(repo.index.children(run.id, 10 * MAX_TRIALS))
    return RecordedSweep(run, plan, _results(plan, children), children)


def _results(plan: Plan, children: Sequence[Run]) -> tuple[TrialResult, ...]:
    if plan.optimizer == OPTUNA:
        values: dict[int, Mapping[str, str]] = {trial_number(run): _values(run) for run in children}
    else:
        values = {trial.number: trial.values for trial in planned_trials(plan)}
    found: dict[int, TrialResult] = {}
    for run in sorted(children, key=lambda run: (run.status is RunStatus.FINISHED, run.start_ms)):
        number = trial_number(run)
        if number in values and is_settled(run.status, run.error):
            found[number] = trial_result(plan.goal, Trial(number, values[number]), run)
    return tuple(found[number] for number in sorted(found))


def is_settled(status: RunStatus, error: str | None) -> bool:
    """Say whether a trial ended by itself, well or not; one that did not has to be run again."""
    if status is RunStatus.FAILED:
        from gitml.execution.backends.submission import NOT_SUBMITTED  # 20 ms, and new sweeps don't ask

        return not (_SIGNALLED.search(error or "") or (error or "").startswith(NOT_SUBMITTED))
    return status is RunStatus.FINISHED


def trial_number(run: Run) -> int:
    """Read which trial of its sweep a run is; 0 if it is none."""
    text = run.tags.get(TRIAL_TAG, "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def trial_result(goal: Goal | None, trial: Trial, run: Run) -> TrialResult:
    """Read from the run of a trial what came of it."""
    summary = None if goal is None else run.metrics.get(goal.metric)
    return TrialResult(
        trial, run.id, run.status, None if summary is None else summary.last, run.duration_s or 0.0, run.error
    )


def _values(run: Run) -> dict[str, str]:
    """Read the values that a run says its trial had; none if a person changed that."""
    try:
        found = json.loads(run.tags.get(VALUES_TAG, ""))
        return {str(name): str(text) for name, text in found.items()}
    except (ValueError, AttributeError):
        return {}
