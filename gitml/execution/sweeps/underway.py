"""Wait for a sweep whose trials run elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable

from gitml.entities.run import Run, RunStatus
from gitml.errors import RemoteError
from gitml.execution.sweeps.closing import close_sweep
from gitml.execution.sweeps.optimizers import TrialResult
from gitml.execution.sweeps.outstanding import OutstandingTrials
from gitml.execution.sweeps.record import best_of
from gitml.execution.sweeps.state import SweepRequest, SweepResult, SweepState, Watch
from gitml.repo import Repo

_PAUSE_S = 3.0
_PAUSE_HERE_S = 0.2
_SHARE = 5  # of the time that is spent on waiting, what looking may take
_PATIENCE = 20  # how often in a row the cluster or the remote may not answer


class Underway:
    """A sweep all of whose trials have ended or are handed to a backend.

    Args:
        repo: Where it is recorded.
        request: What it does.
        run: Its run.
        remote: The remote that its jobs push to; None: they work in this repository.
        outstanding: The trials whose jobs may not be over.
        results: What came of the others.
        submitted: How many jobs were submitted just now.
        notes: Sentences for the user.
    """

    def __init__(
        self, repo: Repo, request: SweepRequest, run: Run, remote: str | None, outstanding: OutstandingTrials,
        results: Iterable[TrialResult] = (), *, submitted: int = 0, notes: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.submitted = submitted
        self.notes = notes
        self._repo = repo
        self._remote = remote
        self._outstanding = outstanding
        done = list(results)
        recorded = request.recorded
        # Of those that ended while nobody waited, nobody was told.
        self._news = done if recorded is not None and not recorded.run.status.is_final else []
        self.state = SweepState(
            run.id,
            run.name,
            request.plan,
            request.jobs,
            done,
            outstanding.running,
            best=best_of(request.plan.goal, done),
            earlier=len(done),
            started_s=time.monotonic(),
            pending=outstanding.pending,
        )

    @property
    def is_over(self) -> bool:
        """Whether no job is left to wait for."""
        return not len(self._outstanding)

    def follow(self, watch: Watch) -> SweepResult:
        """Wait until all jobs are over, and end the sweep's run.

        Args:
            watch: Gets to know what happens.

        Raises:
            StillRunningError: Another process ends it just now.
            RemoteError: The cluster or the remote does not answer for long; the jobs go on.
        """
        failures = 0
        for result in self._news:
            watch(self.state, result)
        watch(self.state, None)
        while not self.is_over:
            began_s = time.monotonic()
            try:
                ended = self._outstanding.look()
                failures = 0
            except RemoteError:
                failures += 1
                if failures >= _PATIENCE:
                    raise
                ended = []
            self.state.running, self.state.pending = self._outstanding.running, self._outstanding.pending
            for result in ended:
                self._hear(result, watch)
            watch(self.state, None)
            if not self.is_over:
                pause_s = _PAUSE_HERE_S if self._remote is None else _PAUSE_S
                time.sleep(max(pause_s, _SHARE * (time.monotonic() - began_s)))
        return self.close()

    def close(self) -> SweepResult:
        """End the sweep's run, of which no job is left.

        Raises:
            StillRunningError: Another process does it just now.
        """
        return close_sweep(self._repo, self.state, self._remote)

    def _hear(self, result: TrialResult, watch: Watch) -> None:
        state = self.state
        same = [each for each in state.results if each.trial.number == result.trial.number]
        if any(each.status is RunStatus.FINISHED for each in same):
            return  # it was submitted twice
        state.results = [*(each for each in state.results if each not in same), result]
        state.best = best_of(state.plan.goal, state.results)
        watch(state, result)
