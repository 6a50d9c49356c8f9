"""Run a sweep: one run that stands for all, and a run for each trial.

Its run is live as long as it lasts. A sweep that was killed is gone on with
from what the runs tell: the plan is in its own, the trials that ended are its
children. Each trial is launched as `gitml run` does it, and records the code
that it ran with.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from signal import SIGTERM, SIGTSTP

from gitml.entities.run import RunStatus
from gitml.errors import GitmlError
from gitml.execution.sweeps.optimizers import Optimizer, PlannedTrials, TrialResult, planned_trials
from gitml.execution.sweeps.plan import OPTUNA, PLAN_FILE, encode_plan
from gitml.execution.sweeps.record import (
    RecordedSweep,
    StillRunningError,
    best_of,
    count_tags,
    plan_tags,
    record_best,
    result_line,
    start_sweep_run,
)
from gitml.execution.sweeps.state import SweepRequest, SweepResult, SweepState, Watch
from gitml.execution.sweeps.workers import Job, WorkerPool, trial_name
from gitml.formats.names import check_name
from gitml.launching.signals import SignalRelay, signal_name
from gitml.repo import Repo
from gitml.tracking.commit import finish_run
from gitml.tracking.live import LiveRun
from gitml.tracking.start import resume_run
from gitml.tracking.words import random_name

MAX_JOBS = 256
_ENDED = (RunStatus.FINISHED, RunStatus.FAILED)
_TICK_S = 0.5  # how often a display is brought up to date while nothing happens


def run_sweep(folder: Path, request: SweepRequest, watch: Watch) -> SweepResult:
    """Run a sweep to its end.

    Args:
        folder: A folder of the repository that records. It must not be open
            here, as this process is forked.
        request: What to do.
        watch: Gets to know what happens.

    Raises:
        GitmlError: The request is wrong or no run can be started; then nothing was run.
    """
    recorded = request.recorded
    done = settled_trials(request)
    if recorded is not None and recorded.run.status in _ENDED and len(done) >= request.plan.trials:
        return _nothing_left(request, recorded, done)
    name = recorded.run.name if recorded else request.launch.name or random_name()
    check_name("run", trial_name(name, request.plan.trials))
    if request.plan.optimizer != OPTUNA:
        for trial in planned_trials(request.plan):  # a value that does not fit is told before anything runs
            request.runner.make_request(trial.values)
    job = Job(
        request.runner,
        folder,
        recorded.run.id if recorded else uuid.uuid4().hex,
        name,
        request.plan.goal.metric if request.plan.goal else None,
        tell_values=request.plan.optimizer == OPTUNA,
    )
    with WorkerPool(job, min(request.jobs, request.plan.trials)) as pool, SignalRelay() as signals:
        repo = Repo.open(folder)
        try:
            optimizer = _optimizer(repo, request, job.parent_id, done)
            with signals.held():
                live = _start(repo, request, job)
            state = SweepState(
                job.parent_id, job.name, request.plan, request.jobs, list(done), (),
                best_of(request.plan.goal, done), len(done), time.monotonic(),
            )  # fmt: skip
            return _Sweep(repo, request, live, state, optimizer, pool, signals, watch).run()
        finally:
            repo.close()


def _nothing_left(
    request: SweepRequest, recorded: RecordedSweep, done: tuple[TrialResult, ...]
) -> SweepResult:
    run = recorded.run
    state = SweepState(
        run.id,
        run.name,
        request.plan,
        request.jobs,
        list(done),
        (),
        best_of(request.plan.goal, done),
        len(done),
    )
    return SweepResult(state, run.status, run.exit_code or 0, run.error, run.duration_s or 0.0)


def study_path(repo: Repo, run_id: str) -> Path:
    """Where Optuna's study of a sweep is."""
    return repo.root / "sweeps" / run_id / "optuna.log"


def settled_trials(request: SweepRequest) -> tuple[TrialResult, ...]:
    """The trials that need not be run any more."""
    if request.recorded is None:
        return ()
    return tuple(
        result
        for result in request.recorded.results
        if not (request.retry_failed and result.status is RunStatus.FAILED)
    )


def _optimizer(repo: Repo, request: SweepRequest, run_id: str, done: Sequence[TrialResult]) -> Optimizer:
    if request.plan.optimizer != OPTUNA:
        settled = {result.trial.number for result in done}
        return PlannedTrials([t for t in planned_trials(request.plan) if t.number not in settled])
    from gitml.execution.sweeps.optuna_optimizer import OptunaOptimizer

    return OptunaOptimizer(request.plan, study_path(repo, run_id), done, jobs=request.jobs)


def _start(repo: Repo, request: SweepRequest, job: Job) -> LiveRun:
    if request.recorded is not None:
        live = resume_run(repo, job.parent_id)
        if not live.owner:
            live.close()
            raise StillRunningError(job.parent_id)
        if request.plan != request.recorded.plan:  # more trials
            live.set_tags(plan_tags(request.plan))
            live.log_bytes(encode_plan(request.plan), PLAN_FILE)
        return live
    return start_sweep_run(repo, request.launch, request.plan, job.parent_id, job.name)


class _Sweep:
    """A sweep that runs."""

    def __init__(
        self,
        repo: Repo,
        request: SweepRequest,
        live: LiveRun,
        state: SweepState,
        optimizer: Optimizer,
        pool: WorkerPool,
        signals: SignalRelay,
        watch: Watch,
    ) -> None:
        self._repo = repo
        self._request = request
        self._live = live
        self._state = state
        self._optimizer = optimizer
        self._pool = pool
        self._signals = signals
        self._watch = watch
        self._stopped: str | None = None

    def run(self) -> SweepResult:
        """Run the trials and end the sweep's run."""
        self._signals.forward_to(self._pool.forward)
        trouble: str | None = None
        try:
            self._loop()
        except Exception as err:
            trouble = str(err) if isinstance(err, GitmlError) else f"{type(err).__name__}: {err}"
            self._pool.forward(SIGTERM)
            raise
        finally:
            self._signals.forward_to(None)
            with self._signals.held():
                result = self._end(trouble)
        return result

    def _loop(self) -> None:
        while True:
            self._start_trials()
            self._watch(self._state, None)
            if not self._state.running:
                return
            for result in self._pool.wait(_TICK_S, self._signals.wakeup_fd):
                self._hear(result)
            if SIGTSTP in self._signals.take_in_turn():
                self._signals.stop_ourselves(whole_group=False)

    def _start_trials(self) -> None:
        while self._pool.has_idle and self._stopped is None and self._signals.ending is None:
            trial = self._optimizer.ask()
            if trial is None:
                break
            self._pool.start(trial)
        self._state.running = self._pool.running

    def _hear(self, result: TrialResult) -> None:
        state, goal = self._state, self._request.plan.goal
        self._optimizer.tell(result)
        state.running = self._pool.running
        if result.status is not RunStatus.FINISHED and self._is_ending:
            return  # it is run again when the sweep is gone on with
        state.results.append(result)
        if goal is not None and best_of(goal, [*filter(None, [state.best]), result]) is result:
            state.best = result
            record_best(self._live, goal, result)
        if result.run_id is None and (result.status is RunStatus.FAILED or not self._pool.is_alive):
            self._stop(f"trial {result.trial.number} could not be run: {result.error}")
        elif self._request.fail_fast and result.status is not RunStatus.FINISHED:
            self._stop(f"trial {result.trial.number} {result.status.value}: {result.error}")
        self._live.append_output(f"{result_line(result)}\n".encode("utf-8", "replace"))
        self._watch(state, result)

    @property
    def _is_ending(self) -> bool:
        return self._stopped is not None or self._signals.ending is not None

    def _stop(self, reason: str) -> None:
        if self._stopped is None:
            self._stopped = reason
            self._pool.forward(SIGTERM)

    def _end(self, trouble: str | None) -> SweepResult:
        status, code, error = self._outcome()
        if trouble is not None:
            status, code, error = RunStatus.FAILED, 1, trouble
        duration_s = time.monotonic() - self._state.started_s
        self._live.set_tags(count_tags(self._state.results))
        finish_run(self._repo, self._live, status, error=error, exit_code=code)
        return SweepResult(self._state, status, code, error, duration_s)

    def _outcome(self) -> tuple[RunStatus, int, str | None]:
        results, ending = self._state.results, self._signals.last_ending
        if ending is not None:
            return RunStatus.KILLED, 128 + ending, signal_name(ending)
        if self._stopped is not None:
            return RunStatus.FAILED, 1, self._stopped
        bad = [result for result in results if result.status is not RunStatus.FINISHED]
        if bad:
            return RunStatus.FAILED, 1, f"{len(bad)} of {self._request.plan.trials} trials failed"
        return RunStatus.FINISHED, 0, None
