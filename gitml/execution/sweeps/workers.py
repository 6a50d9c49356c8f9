"""Processes that run trials, forked from this one, which has loaded all they need.

Each has a session of its own, so that signals reach a trial by one way only:
from the sweep's process to the worker, and from there to the program. When the
sweep's process dies, however it dies, its workers end their trials and go.
"""

from __future__ import annotations

import json
import os
import select
import signal
import threading
import traceback
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml.entities.run import Number, RunStatus
from gitml.errors import GitmlError
from gitml.execution.sweeps.optimizers import Trial, TrialResult
from gitml.execution.sweeps.runner import Runner
from gitml.launching.child_environment import REPO_VARIABLE, RUN_VARIABLE
from gitml.launching.launch import launch
from gitml.launching.signals import ENDING, SignalRelay, signal_name
from gitml.repo import Repo
from gitml.tracking.history import read_record

if TYPE_CHECKING:
    from typing_extensions import Self

TRIAL_TAG = "sweep.trial"
VALUES_TAG = "sweep.values"
SLOT_VARIABLE = "GITML_SWEEP_SLOT"
TRIAL_VARIABLE = "GITML_SWEEP_TRIAL"


@dataclass(frozen=True, slots=True)
class Job:
    """What all trials of a sweep have in common.

    Attributes:
        runner: Makes requests of values.
        folder: The repository that records: its work tree, or its git folder if it has none.
        parent_id: The sweep's run.
        name: Its name, with which those of the trials begin.
        metric: The goal's metric, None without a goal.
        tell_values: Whether runs say the values of their trial, which no plan says.
    """

    runner: Runner
    folder: Path
    parent_id: str
    name: str
    metric: str | None
    tell_values: bool = False


@dataclass(slots=True)
class _Worker:
    pid: int
    tasks: int
    results: int
    trial: Trial | None = None
    received: bytearray = field(default_factory=bytearray)


class WorkerPool:
    """Worker processes; a context manager that ends them.

    Args:
        job: What they work on.
        count: How many.
    """

    def __init__(self, job: Job, count: int) -> None:
        self._workers: list[_Worker] = []
        life_read, self._life = os.pipe()
        try:
            for slot in range(count):
                self._workers.append(_fork(job, slot, life_read, self._life, self._workers))
        finally:
            os.close(life_read)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            self._bury(worker)
        os.close(self._life)

    @property
    def running(self) -> list[Trial]:
        """The trials that run now."""
        return [worker.trial for worker in self._workers if worker.trial is not None]

    @property
    def has_idle(self) -> bool:
        """Whether a worker waits for a trial."""
        return any(worker.trial is None for worker in self._workers)

    @property
    def is_alive(self) -> bool:
        """Whether there is a worker left."""
        return bool(self._workers)

    def start(self, trial: Trial) -> None:
        """Give a trial to a worker that waits."""
        worker = next(worker for worker in self._workers if worker.trial is None)
        worker.trial = trial
        with suppress(BrokenPipeError):  # it died while it waited: that is seen when its result is read
            _write(worker.tasks, {"number": trial.number, "values": dict(trial.values)})

    def forward(self, number: int) -> bool:
        """Hand a signal to the programs that run."""
        for worker in self._workers:
            if worker.trial is not None:
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, number)
        return True

    def wait(self, timeout_s: float, wakeup_fd: int | None) -> list[TrialResult]:
        """Wait for results, a signal, or some time.

        Args:
            timeout_s: In seconds.
            wakeup_fd: Readable when a signal has come.
        """
        by_fd = {worker.results: worker for worker in self._workers if worker.trial is not None}
        readable = select.select([*by_fd, *([] if wakeup_fd is None else [wakeup_fd])], [], [], timeout_s)[0]
        found = (
            self._receive(worker, worker.trial)
            for worker in (by_fd[fd] for fd in readable if fd in by_fd)
            if worker.trial is not None
        )
        return [result for result in found if result is not None]

    def _receive(self, worker: _Worker, trial: Trial) -> TrialResult | None:
        data = os.read(worker.results, 1 << 16)
        if not data:
            return self._lost(worker, trial)
        worker.received += data
        if not data.endswith(b"\n"):
            return None
        document, worker.received = json.loads(worker.received), bytearray()
        worker.trial = None
        return TrialResult(
            trial,
            document["run_id"],
            RunStatus(document["status"]),
            document["value"],
            document["duration_s"],
            document["error"],
            tuple(document["warnings"]),
            tuple(document["redactions"]),
        )

    def _lost(self, worker: _Worker, trial: Trial) -> TrialResult:
        """Do without a worker that died; the next gitml command commits the run that it left."""
        self._workers.remove(worker)
        status = self._bury(worker)
        code = os.waitstatus_to_exitcode(status)
        how = signal_name(-code) if code < 0 else f"exit {code}"
        return TrialResult(trial, None, RunStatus.KILLED, error=f"its worker process died ({how})")

    @staticmethod
    def _bury(worker: _Worker) -> int:
        os.close(worker.tasks)
        os.close(worker.results)
        return os.waitpid(worker.pid, 0)[1]


def trial_name(sweep: str, number: int) -> str:
    """Name the run of a trial."""
    return f"{sweep}-{number}"


def _fork(job: Job, slot: int, life_read: int, life_write: int, others: Sequence[_Worker]) -> _Worker:
    (tasks_read, tasks_write), (results_read, results_write) = os.pipe(), os.pipe()
    # Until the worker has a session and handlers of its own, a Ctrl-C waits for it.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(tasks_read)
        os.close(results_write)
        return _Worker(pid, tasks_write, results_read)
    code = 1
    try:
        # A copy that stays open here would keep others from seeing the end.
        os.close(life_write)
        for tasks, results in ((tasks_write, results_read), *((w.tasks, w.results) for w in others)):
            os.close(tasks)
            os.close(results)
        _work(job, slot, mask, life_read, tasks_read, results_write)
        code = 0
    except BaseException:  # noqa: BLE001 - nothing of the process that we were forked from may run here
        traceback.print_exc()
    finally:
        os._exit(code)


def _work(job: Job, slot: int, mask: Iterable[int], life: int, tasks_fd: int, results_fd: int) -> None:
    """Be a worker until there are no more tasks."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    with SignalRelay() as signals, os.fdopen(tasks_fd, "rb") as tasks:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        threading.Thread(target=_end_with, args=(life,), name="gitml-sweep-life", daemon=True).start()
        repo = Repo.open(job.folder)
        for line in tasks:
            task = json.loads(line)
            trial = Trial(task["number"], task["values"])
            if signals.ending is None:
                answer = _run(repo, job, trial, slot)
            else:
                answer = _answer(error=f"{signal_name(signals.ending)} before the program was started")
            with suppress(BrokenPipeError):  # nobody waits for it any more
                _write(results_fd, answer)


def _end_with(life: int) -> None:
    """End what runs here when the sweep's process is gone."""
    os.read(life, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _run(repo: Repo, job: Job, trial: Trial, slot: int) -> dict[str, Any]:
    try:
        request = job.runner.make_request(trial.values)
        surroundings = {
            RUN_VARIABLE: job.parent_id,  # so it is part of that, without looking it up
            REPO_VARIABLE: str(job.folder),
            SLOT_VARIABLE: str(slot),
            TRIAL_VARIABLE: str(trial.number),
        }
        result = launch(
            repo,
            replace(
                request,
                parent=None,
                note=None,
                name=trial_name(job.name, trial.number),
                tags={**request.tags, **_tags(job, trial)},
                environment={**request.environment, **surroundings},
            ),
        )
    except GitmlError as err:
        return _answer(RunStatus.FAILED, error=str(err))
    except Exception as err:  # noqa: BLE001 - ours: the sweep tells of it and goes on
        return _answer(RunStatus.FAILED, error=f"{type(err).__name__}: {err}")
    value: Number | None = None
    if job.metric is not None and result.commit is not None:
        summary = read_record(repo, result.commit).metrics.get(job.metric)
        value = None if summary is None else summary.last
    return {
        "run_id": result.run_id,
        "status": result.status.value,
        "value": value,
        "duration_s": result.duration_s,
        "error": result.error,
        "warnings": (*result.warnings, *result.losses),
        "redactions": result.redactions,
    }


def _tags(job: Job, trial: Trial) -> dict[str, str]:
    tags = {TRIAL_TAG: str(trial.number)}
    if job.tell_values:
        tags[VALUES_TAG] = json.dumps(dict(trial.values), ensure_ascii=False)
    return tags


def _answer(status: RunStatus = RunStatus.KILLED, *, error: str) -> dict[str, Any]:
    return {
        "run_id": None, "status": status.value, "value": None, "duration_s": 0.0, "error": error,
        "warnings": [], "redactions": [],
    }  # fmt: skip


def _write(fd: int, document: dict[str, Any]) -> None:
    data = json.dumps(document).encode() + b"\n"
    while data:
        data = data[os.write(fd, data) :]
