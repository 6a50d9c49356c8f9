"""End the run of a sweep whose trials ran elsewhere, when all their jobs are over."""

from __future__ import annotations

from contextlib import suppress

from gitml.entities.run import Run, RunStatus
from gitml.errors import GitmlError
from gitml.execution.backends.submission import push_runs
from gitml.execution.sweeps.plan import Goal
from gitml.execution.sweeps.record import StillRunningError, best_of, count_tags, record_best, result_line
from gitml.execution.sweeps.state import SweepResult, SweepState
from gitml.formats import run_tree
from gitml.repo import Repo
from gitml.tracking.commit import finish_run
from gitml.tracking.history import get_run
from gitml.tracking.live import LiveRun
from gitml.tracking.start import resume_run


def close_sweep(repo: Repo, state: SweepState, remote: str | None) -> SweepResult:
    """Say in the sweep's run what came of it, and push that.

    Args:
        repo: Where it is recorded.
        state: All trials.
        remote: Where its trials are pushed to; None: nowhere.

    Raises:
        StillRunningError: Another process does it just now.
    """
    status, code, error = _outcome(state)
    run = get_run(repo, state.run_id)
    if _is_closed(run, state, status):
        return SweepResult(state, status, code, error, run.duration_s or 0.0)
    live = resume_run(repo, run.id)
    if not live.owner:
        live.close()
        raise StillRunningError(run.id)
    duration_s = _duration_s(repo, run, state)
    _write(live, run, state)
    finish_run(repo, live, status, error=error, exit_code=code, duration_s=duration_s)
    if remote is not None:
        with suppress(GitmlError):  # the next push brings it
            push_runs(repo, remote)
    return SweepResult(state, status, code, error, duration_s)


def _outcome(state: SweepState) -> tuple[RunStatus, int, str | None]:
    killed = sum(result.status is RunStatus.KILLED for result in state.results)
    if killed:
        return RunStatus.KILLED, 1, f"{killed} of {state.plan.trials} trials were killed"
    if state.failed:
        return RunStatus.FAILED, 1, f"{state.failed} of {state.plan.trials} trials failed"
    return RunStatus.FINISHED, 0, None


def _is_closed(run: Run, state: SweepState, status: RunStatus) -> bool:
    """Whether the run says it all already."""
    best = state.best.run_id if state.best is not None else None
    counts = count_tags(state.results)
    return (
        run.status is status
        and run.tags.get("sweep.best_run") == best
        and all(run.tags.get(name) == text for name, text in counts.items())
    )


def _write(live: LiveRun, run: Run, state: SweepState) -> None:
    live.update(start_ms=run.start_ms)  # it began when it was submitted
    output = live.folder / run_tree.OUTPUT_FILE
    known = output.read_text("utf-8", "replace").splitlines() if output.exists() else []
    lines = [result_line(result) for result in state.results]
    text = "".join(f"{line}\n" for line in lines if line not in known)
    live.append_output(text.encode("utf-8", "replace"))
    if state.plan.goal is not None:
        _write_best(live, run, state, state.plan.goal)
    live.set_tags(count_tags(state.results))


def _write_best(live: LiveRun, run: Run, state: SweepState, goal: Goal) -> None:
    """Record each trial that was the best so far, in the order in which they ended."""
    noted = run.tags.get("sweep.best_run")
    best = next((result for result in state.results if result.run_id == noted), None)
    for result in state.results:
        if result is not best and best_of(goal, [*filter(None, [best]), result]) is result:
            best = result
            record_best(live, goal, result)


def _duration_s(repo: Repo, run: Run, state: SweepState) -> float:
    """Count from the submission to the end of the last trial, in seconds."""
    ids = [result.run_id for result in state.results if result.run_id is not None]
    ends = [get_run(repo, run_id).end_ms or run.start_ms for run_id in ids]
    return max(0, max(ends, default=run.start_ms) - run.start_ms) / 1000
