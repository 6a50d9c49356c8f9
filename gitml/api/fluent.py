"""The current run, and the only globals of the library.

Each thread and each asyncio task has its own stack of runs; a task sees the
runs of the code that started it. A forked child logs to its parent's runs but
never ends them. Inside `gitml run` the run belongs to the wrapper: code joins
it and never ends it.

Logging without a run starts one, as in MLflow; what is open when the process
ends is ended then.
"""

from __future__ import annotations

import atexit
import os
import sys
import warnings
from collections.abc import Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gitml.api.active_run import ActiveRun, describe_error, status_of
from gitml.api.client_runs import live_tags, split_tags, start_facts
from gitml.api.command_line import running_command
from gitml.api.handles import Run
from gitml.api.inputs import input_record, record_inputs
from gitml.api.reserved import NOTE_TAG, RUN_NAME_TAG
from gitml.api.session import Session
from gitml.api.values import DONE, Done, parse_status
from gitml.errors import DeletedError, GitmlError, RefusedError, UsageError

if TYPE_CHECKING:
    from gitml.api.client import Client
    from gitml.entities.run import RunStatus
    from gitml.tracking.live import LiveRun

session = Session(os.environ)

# One tuple a context, never changed in place: contexts are copied, not deeply.
_stack: ContextVar[tuple[ActiveRun, ...]] = ContextVar("gitml_runs", default=())
_last_run_id: ContextVar[str | None] = ContextVar("gitml_last_run", default=None)
_open: dict[ActiveRun, None] = {}  # of all contexts, oldest first
_joined: str | None = None  # the wrapper's run, once this process joined it
_crash: BaseException | None = None
_ends_at_exit = False


_LISTED = 5  # of what a run lacks


class RunIncompleteWarning(UserWarning):
    """A run has ended, and something that it logged could not be recorded."""


class RunActiveError(RefusedError):
    """A run was started while another one is active, and not as its part."""

    exit_code = 2

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"run '{run_id[:8]}' is active already",
            hint="end it first with gitml.end_run(), or start a part of it: gitml.start_run(nested=True)",
        )
        self.run_id = run_id


def get_client() -> Client:
    """Get the client that the functions of this package use."""
    return session.client


def start_run(
    run_id: str | None = None,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    log_system_metrics: bool | None = None,
) -> ActiveRun:
    """Begin a run and make it the current one, or go on with one.

    As a context manager it ends the run: as finished, as failed with the
    error's text if an exception leaves the block, as killed on Ctrl-C.

    Args:
        run_id: Go on with this run. If another process writes to it, it is
            joined, and ending it here does not end it.
        experiment_id: The experiment's id; the chosen one if not given.
        run_name: Its name; two random words if not given.
        nested: Whether it is part of the active run.
        parent_run_id: The run that it is part of; the active one if there is one.
        tags: First tags; values become text.
        description: The run's note.
        log_system_metrics: Whether to measure the machine meanwhile; what
            `enable_system_metrics_logging` says if not given.

    Raises:
        RunActiveError: A run is active and `nested` is off.
        NotFoundError: There is no such run or experiment.
        DeletedError: The run or the experiment was deleted.
        NotARepositoryError: The current folder is in no git repository.
        UsageError: `parent_run_id` is not the active run, or `run_id` not in the experiment that was chosen.
    """
    global _joined
    stack = _open_stack()
    is_late = False
    if stack and not nested:
        raise RunActiveError(stack[-1].run_id)
    if description is not None:
        if NOTE_TAG in (tags or {}):
            raise UsageError(
                f"the note was given twice, as 'description' and as tag '{NOTE_TAG}'", hint="give it once"
            )
        tags = {**(tags or {}), NOTE_TAG: description}
    _check_parent(stack, parent_run_id)
    to_join = session.run_id_to_join
    wrapper_id = to_join or session.wrapper_run_id
    resumed_id = run_id or to_join
    if resumed_id is not None:
        if resumed_id == wrapper_id and session.is_wrapper_run_named:
            run_name, tags = None, {key: value for key, value in (tags or {}).items() if key != RUN_NAME_TAG}
        is_late = resumed_id == wrapper_id and not get_client().open_runs.is_live(resumed_id)
        if resumed_id != wrapper_id:
            _check_experiment(resumed_id)
        live = _resume(resumed_id, run_name, tags, is_late=is_late)
        if resumed_id == to_join:
            _joined = session.wrapper_run_id
            session.note_joined()
            _settle_experiment(live, experiment_id)
            if not is_late:
                get_client().open_runs.add_python(live)
    else:
        live = _begin(stack, experiment_id, run_name, parent_run_id, tags)
    # What another thread has open already is that thread's to end.
    is_ours = live.owner and not is_late and all(other.run_id != live.run_id for other in _open)
    active = ActiveRun(live, get_client, _end, owned=is_ours)
    _end_at_exit()
    _open[active] = None
    _stack.set((*stack, active))
    if session.wants_system_metrics(log_system_metrics):
        _watch_machine(active, live)
    return active


def active_run() -> ActiveRun | None:
    """Get the current run of this thread or task; None if there is none."""
    stack = _open_stack()
    return stack[-1] if stack else None


def last_active_run() -> Run | None:
    """Get the current run, or else the one that ended last in this thread or task."""
    current = active_run()
    if current is not None:
        return current
    run_id = _last_run_id.get()
    return None if run_id is None else get_client().get_run(run_id)


def end_run(status: str = "FINISHED") -> None:
    """End the current run; does nothing if there is none.

    The run becomes a commit. If something it logged could not be written, a
    warning says so, and the run is marked incomplete.

    Args:
        status: 'FINISHED', 'FAILED' or 'KILLED'.

    Raises:
        UsageError: It is no status that ends a run.
    """
    ending = parse_status(status)
    if not ending.is_final:
        raise UsageError(f"status '{status}' does not end a run", hint="use FINISHED, FAILED or KILLED")
    current = active_run()
    if current is not None:
        _end(current, ending, None)


def current_live() -> LiveRun:
    """Get the run to log to; if there is none, one is started or joined."""
    current = active_run() or start_run(run_id=session.run_id_to_join or session.wrapper_run_id)
    live = current.live
    if live is None:  # the first word in a forked child
        live = current.live = get_client().open_runs.writer(current.run_id)
    return live


def live_of(run_id: str | None) -> LiveRun:
    """Get the run of an id to log to; the current one if it is None."""
    return current_live() if run_id is None else get_client().writer(run_id)


def log_metric(
    key: str,
    value: float,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
    run_id: str | None = None,
    model_id: str | None = None,
    dataset: object = None,
) -> Done | None:
    """Log one value of a metric.

    Args:
        key: The metric's name; '/' groups.
        value: A number: Python's, NumPy's or a tensor with one element. NaN,
            infinities and integers of any size are kept exactly.
        step: An integer position, the fraction of another number is cut, with a
            warning; one more than the last if not given.
        synchronous: The value is written when the call returns in any case;
            with False something is returned that can be waited for.
        timestamp: UTC milliseconds since 1970; now if not given.
        run_id: Log to this run rather than the current one.
        model_id: Has no effect; models are artifacts here.
        dataset: What it was measured on; recorded as an input of the run.

    Raises:
        InvalidNameError: The name can't be used.
        InvalidValueError: The value is no number.
    """
    del model_id
    if run_id is None:
        stack = _stack.get()
        live = stack[-1].live if stack else None
        (live or current_live()).log_metric(key, value, step, timestamp)
    else:
        get_client().log_metric(run_id, key, value, timestamp, step)
    if dataset is not None:
        record_inputs(live_of(run_id), [input_record(dataset)])
    return DONE if synchronous is False else None


def _resume(run_id: str, run_name: str | None, tags: Mapping[str, Any] | None, *, is_late: bool) -> LiveRun:
    runs = get_client().open_runs
    # A process that `gitml run` left behind adds to the run; how that ended stays.
    live = runs.writer(run_id) if is_late else runs.resume(run_id)
    named = {RUN_NAME_TAG: str(run_name)} if run_name is not None and str(run_name) else {}
    live_tags(live, *split_tags({**(tags or {}), **named}))
    return live


def _check_parent(stack: tuple[ActiveRun, ...], parent_run_id: str | None) -> None:
    if stack and parent_run_id is not None and parent_run_id != stack[-1].run_id:
        raise UsageError(
            f"run '{stack[-1].run_id[:8]}' is active, so a run within it can't be part of "
            f"'{parent_run_id[:8]}'",
            hint="leave out parent_run_id, or end the active run first: gitml.end_run()",
        )


def _check_experiment(run_id: str) -> None:
    chosen_id = session.chosen_experiment_id
    if chosen_id is None:
        return
    run = get_client().get_run(run_id).entity
    if run.experiment_id != chosen_id:
        raise UsageError(
            f"run '{run_id[:8]}' is in experiment '{run.experiment}', which is not the chosen one",
            hint=f"gitml.set_experiment({run.experiment!r}) first",
        )


def _settle_experiment(live: LiveRun, experiment_id: str | None) -> None:
    """Move the wrapper's run to the experiment chosen here, unless `gitml run` was told one."""
    chosen_id = experiment_id if experiment_id is not None else session.chosen_experiment_id
    if live.owner or chosen_id is None:
        return
    now = live.facts()
    if str(chosen_id) == now.experiment_id:
        return
    chosen = get_client().get_experiment(str(chosen_id))
    if session.given_experiment is None:
        live.update(experiment=chosen.name, experiment_id=chosen.experiment_id)
        return
    warnings.warn(
        f"the run stays in experiment '{now.experiment}', which it was started in; "
        f"'{chosen.name}' is for other runs of this program",
        UserWarning,
        stacklevel=3,
    )


def _begin(
    stack: tuple[ActiveRun, ...],
    experiment_id: str | None,
    run_name: str | None,
    parent_run_id: str | None,
    tags: Mapping[str, Any] | None,
) -> LiveRun:
    client = get_client()
    facts = start_facts(tags, run_name)
    if parent_run_id is not None:
        parent = client.get_run(parent_run_id).entity
        if parent.deleted_ms is not None:
            raise DeletedError("run", parent.id, f"gitml runs restore {parent.id[:8]}")
        facts["parent_id"] = parent.id
    elif stack:
        facts["parent_id"] = stack[-1].run_id
    elif facts["parent_id"] is None:
        facts["parent_id"] = _joined  # later runs inside `gitml run` are parts of its run
    home = {"experiment_id": str(experiment_id)} if experiment_id is not None else session.experiment
    return client.open_runs.start(command=running_command(), **home, **facts)


def _watch_machine(active: ActiveRun, live: LiveRun) -> None:
    from gitml.tracking.system_metrics import SystemMetricsMonitor  # psutil, and only where it is wanted

    try:
        interval_s, samples, node_id = session.system_metrics
        monitor = SystemMetricsMonitor(live.log_metrics, interval_s, samples, node_id=node_id)
    except GitmlError as err:  # as in MLflow, the run goes on without them
        hint = f" ({err.hint})" if err.hint else ""
        warnings.warn(f"system metrics are not recorded: {err}{hint}", RuntimeWarning, stacklevel=3)
        return
    monitor.start()
    active.monitor = monitor


def _open_stack() -> tuple[ActiveRun, ...]:
    """The runs of this context, less those that were ended elsewhere."""
    stack = _stack.get()
    if stack and stack[-1].ended:
        while stack and stack[-1].ended:
            stack = stack[:-1]
        _stack.set(stack)
    return stack


def _end(active: ActiveRun, status: RunStatus, error: str | None) -> None:
    """End a run, after those that were started within it and are still open."""
    stack = _stack.get()
    at = stack.index(active) if active in stack else len(stack)
    try:
        for part in reversed(stack[at + 1 :]):
            if not part.ended:
                _finish(part, status, error)
        _finish(active, status, error)
    finally:
        _stack.set(stack[:at])
        _last_run_id.set(active.run_id)


def _finish(active: ActiveRun, status: RunStatus, error: str | None) -> None:
    active.ended, active.live = True, None
    _open.pop(active, None)
    if active.monitor is not None:
        active.monitor.stop()
    if not active.owned or active.pid != os.getpid():
        return
    handle = active.client.open_runs.find(active.run_id)
    try:
        live = active.client.open_runs.end(active.run_id, status, error=error)
    except (OSError, GitmlError) as err:
        if session.strict:
            raise
        lost = handle.lost if handle is not None else []
        kept = f"not written: {'; '.join(lost[:_LISTED])}; the rest" if lost else "everything it logged"
        _warn(
            f"run '{active.run_id[:8]}' is over but could not be committed: {err}; "
            f"{kept} is kept, and the next gitml command tries again"
        )
        return
    lost = live.lost
    if lost:
        more = f"; and {len(lost) - _LISTED:,} more" if len(lost) > _LISTED else ""
        _warn(f"run '{active.run_id[:8]}' is incomplete, not written: {'; '.join(lost[:_LISTED])}{more}")


def _warn(message: str) -> None:
    warnings.warn(message, RunIncompleteWarning, stacklevel=5)


# The end of the process, and its children


def _end_at_exit() -> None:
    global _ends_at_exit
    if _ends_at_exit:
        return
    _ends_at_exit = True
    atexit.register(_end_everything)
    previous = sys.excepthook

    def note_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        global _crash
        _crash = error
        previous(kind, error, trace)

    sys.excepthook = note_crash
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:  # its children leave without atexit
        util.Finalize(None, _end_everything, exitpriority=0)


def _end_everything() -> None:
    for active in reversed(list(_open)):
        if active.pid == os.getpid():
            _finish(active, status_of(_crash), describe_error(_crash))


def _after_fork_in_child() -> None:
    global _ends_at_exit
    for active in _open:
        active.disown()
    _open.clear()
    _ends_at_exit = False
    session.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
