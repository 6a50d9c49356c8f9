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
import threading
import warnings
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gitml.api.active_run import ActiveRun, describe_error, status_of
from gitml.api.client import Client
from gitml.api.client_runs import live_tags, split_tags, start_facts
from gitml.api.command_line import running_command
from gitml.api.connection import local_path
from gitml.api.handles import NOTE_TAG, Experiment, Run
from gitml.api.values import parse_status
from gitml.entities.run import DEFAULT_EXPERIMENT_ID, RunStatus
from gitml.errors import GitmlError, NotFoundError, RefusedError, UsageError

if TYPE_CHECKING:
    from gitml.tracking.live import LiveRun

_FALSE = ("", "0", "false", "no", "off")

# One tuple a context, never changed in place: contexts are copied, not deeply.
_stack: ContextVar[tuple[ActiveRun, ...]] = ContextVar("gitml_runs", default=())
_last_run_id: ContextVar[str | None] = ContextVar("gitml_last_run", default=None)


class RunIncompleteWarning(UserWarning):
    """A run has ended, and something that it logged could not be recorded."""


class RunActiveError(RefusedError):
    """A run was started while another one is active, and not as its child."""

    exit_code = 2

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"run '{run_id[:8]}' is active already",
            hint="end it first with gitml.end_run(), or start a part of it: gitml.start_run(nested=True)",
        )
        self.run_id = run_id


@dataclass(slots=True)
class SystemMetricsSettings:
    """Whether and how the machine is measured while a run lasts."""

    enabled: bool | None = None
    interval_s: float | None = None
    samples_before_logging: int | None = None
    node_id: str | None = None


@dataclass(slots=True)
class _Session:
    """What the process is set to, apart from the current run."""

    location: str | Path | None = None
    client: Client | None = None
    experiment_id: str | None = None
    strict: bool = False
    system_metrics: SystemMetricsSettings = field(default_factory=SystemMetricsSettings)
    open: dict[str, ActiveRun] = field(default_factory=dict)
    joined: str | None = None  # the run named by the environment, once it was joined
    crash: BaseException | None = None
    ends_at_exit: bool = False
    inherited: list[Client | None] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)


_session = _Session(strict=os.environ.get("GITML_STRICT", "").lower() not in _FALSE)


# The repository


def get_client() -> Client:
    """Get the client that the functions of this package use."""
    client = _session.client
    if client is None:
        with _session.lock:
            client = _session.client
            if client is None:
                where = _session.location or os.environ.get("GITML_REPO") or None
                client = _session.client = Client(where, strict=_session.strict)
    return client


def set_tracking_uri(uri: str | Path) -> None:
    """Choose the repository to record into: a path in it, or a `file://` URI.

    Without this it is the one that the current folder is in when gitml is
    first used. The chosen experiment is forgotten; active runs go on.

    Raises:
        NotARepositoryError: The path is in no repository.
        UsageError: It is the address of a server.
    """
    client = Client(local_path(uri) if uri else None, strict=_session.strict)
    with _session.lock:
        _session.inherited.append(_session.client)  # active runs still use it
        _session.location = local_path(uri) if uri else None
        _session.client = client
        _session.experiment_id = None


def get_tracking_uri() -> str:
    """Give the repository in use as a `file://` URI of its folder."""
    git = get_client().repo.git
    return (git.work_tree or git.common_dir).resolve().as_uri()


def is_tracking_uri_set() -> bool:
    """Tell whether a repository was chosen, by a call or by `GITML_REPO`."""
    return _session.location is not None or bool(os.environ.get("GITML_REPO"))


def is_strict() -> bool:
    """Tell whether trouble while logging raises; see `gitml.strict`."""
    return _session.strict


def set_strict(strict: bool) -> None:
    """Choose whether trouble while logging raises; see `gitml.strict`."""
    _session.strict = bool(strict)
    if _session.client is not None:
        _session.client.strict = bool(strict)


# The experiment


def set_experiment(experiment_name: str | None = None, experiment_id: str | None = None) -> Experiment:
    """Choose the experiment of runs started from now on; make it if it is new.

    Processes that this one starts inherit the choice.

    Args:
        experiment_name: Its name, or else
        experiment_id: its id, which must exist.

    Raises:
        RefusedError: It was deleted.
        UsageError: Both were given, or neither.
    """
    if (experiment_name is None) == (experiment_id is None):
        raise UsageError("set_experiment takes a name or an id", hint="gitml.set_experiment('churn')")
    client = get_client()
    if experiment_name is not None:
        experiment = client.ensure_experiment(experiment_name)
    else:
        experiment = client.get_experiment(str(experiment_id))
        if experiment.lifecycle_stage != "active":
            raise RefusedError(f"experiment '{experiment.name}' was deleted", hint="gitml.restore_experiment(…) first")
    _session.experiment_id = experiment.experiment_id
    os.environ["GITML_EXPERIMENT"] = experiment.name
    return experiment


def chosen_experiment() -> dict[str, str]:
    """Name the experiment of a new run in the words of `tracking.start.start_run`."""
    if _session.experiment_id is not None:
        return {"experiment_id": _session.experiment_id}
    for variable in ("GITML_EXPERIMENT", "MLFLOW_EXPERIMENT_NAME"):
        if name := os.environ.get(variable):
            return {"experiment": name}
    if experiment_id := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return {"experiment_id": experiment_id}
    return {}


def current_experiment_id() -> str:
    """Give the id of the experiment that searches look in by default."""
    chosen = chosen_experiment()
    if "experiment" in chosen:
        found = get_client().get_experiment_by_name(chosen["experiment"])
        return DEFAULT_EXPERIMENT_ID if found is None else found.experiment_id
    return chosen.get("experiment_id", DEFAULT_EXPERIMENT_ID)


# Runs


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
        parent_run_id: The run that it is part of, active or not.
        tags: First tags; values become text.
        description: The run's note.
        log_system_metrics: Whether to measure the machine meanwhile; what
            `enable_system_metrics_logging` says if not given.

    Raises:
        RunActiveError: A run is active and `nested` is off.
        NotFoundError: There is no such run or experiment.
        RefusedError: The run or the experiment was deleted.
        NotARepositoryError: The current folder is in no git repository.
    """
    stack = _open_stack()
    if stack and not nested:
        raise RunActiveError(stack[-1].run_id)
    if description is not None:
        if NOTE_TAG in (tags or {}):
            raise UsageError(f"the note was given twice, as 'description' and as tag '{NOTE_TAG}'", hint="give it once")
        tags = {**(tags or {}), NOTE_TAG: description}
    resumed = run_id or (_environment_run_id() if _session.joined is None else None)
    if resumed is not None:
        if any(active.run_id == resumed for active in stack):
            raise RunActiveError(resumed)
        live = get_client().open_runs.resume(resumed)
        live_tags(live, *split_tags({**(tags or {}), **({"mlflow.runName": run_name} if run_name else {})}))
        if run_id is None:
            _session.joined = resumed
    else:
        live = _begin(stack, experiment_id, run_name, parent_run_id, tags)
    # A run that another thread opened here is that thread's to end.
    active = ActiveRun(live, get_client, _end, owned=live.owner and live.run_id not in _session.open)
    _session.open.setdefault(active.run_id, active)
    _stack.set((*stack, active))
    _end_at_exit()
    if _wants_system_metrics(log_system_metrics):
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
    """Get the run to log to, started or joined if there is none."""
    current = active_run()
    if current is None:
        current = _join_environment_run() or start_run()
    live = current.live
    if live is None:  # in a forked child, on its first word
        live = current.live = get_client().open_runs.writer(current.run_id)
    return live


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
        parent = client.get_run(parent_run_id)
        if parent.entity.deleted_ms is not None:
            raise RefusedError(f"run '{parent_run_id[:8]}' was deleted and can't have parts", hint="restore it first")
        facts["parent_id"] = parent.entity.id
    elif stack:
        facts["parent_id"] = stack[-1].run_id
    elif facts["parent_id"] is None:
        facts["parent_id"] = _session.joined  # later runs inside `gitml run` are parts of its run
    home = {"experiment_id": str(experiment_id)} if experiment_id is not None else chosen_experiment()
    return client.open_runs.start(command=running_command(), **home, **facts)


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
    within = stack[stack.index(active) + 1 :] if active in stack else ()
    for part in reversed(within):
        if not part.ended:
            _finish(part, status, error)
    _finish(active, status, error)
    _stack.set(stack[: stack.index(active)] if active in stack else stack)
    _last_run_id.set(active.run_id)


def _finish(active: ActiveRun, status: RunStatus, error: str | None) -> None:
    active.ended, active.live = True, None
    if active.monitor is not None:
        active.monitor.stop()
    if _session.open.get(active.run_id) is active:
        del _session.open[active.run_id]
    if not active.owned or active.pid != os.getpid():
        return
    try:
        live = get_client().open_runs.end(active.run_id, status, error=error)
    except (OSError, GitmlError) as err:
        if _session.strict:
            raise
        _warn(f"run '{active.run_id[:8]}' is over but could not be committed yet: {err}; the next gitml command tries again")
        return
    if live.troubles:
        listed = "; ".join(live.troubles[:5])
        _warn(f"run '{active.run_id[:8]}' is incomplete, {len(live.troubles)} writes failed: {listed}")


def _warn(message: str) -> None:
    warnings.warn(message, RunIncompleteWarning, stacklevel=5)


# The run of a wrapper, named by the environment


def _environment_run_id() -> str | None:
    return os.environ.get("GITML_RUN_ID") or os.environ.get("MLFLOW_RUN_ID") or None


def _join_environment_run() -> ActiveRun | None:
    """Make the wrapper's run the current one of this context for logging."""
    run_id = _environment_run_id()
    if run_id is None:
        return None
    with _session.lock:
        known = _session.open.get(run_id)
        if known is None:
            live = get_client().open_runs.resume(run_id)
            known = _session.open[run_id] = ActiveRun(live, get_client, _end, owned=live.owner)
            _end_at_exit()
        _session.joined = run_id
    return known


# The end of the process


def _end_at_exit() -> None:
    if _session.ends_at_exit:
        return
    _session.ends_at_exit = True
    atexit.register(_end_everything)
    previous = sys.excepthook

    def note_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        _session.crash = error
        previous(kind, error, trace)

    sys.excepthook = note_crash
    util = sys.modules.get("multiprocessing.util")
    if util is not None:  # its children leave without atexit
        util.Finalize(None, _end_everything, exitpriority=0)


def _end_everything() -> None:
    for active in reversed(list(_session.open.values())):
        if not active.ended and active.pid == os.getpid():
            _finish(active, status_of(_session.crash), describe_error(_session.crash))


def _after_fork_in_child() -> None:
    for active in _session.open.values():
        active.disown()
    # Kept alive unused: closing what the parent still uses is not ours to do.
    _session.inherited.append(_session.client)
    _session.client = None
    _session.open = {}
    _session.ends_at_exit = False
    _session.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
