"""Begin the run that a request asks for, or go on with the one that it names; nothing is run yet."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from gitml.errors import InvalidNameError, NotFoundError, RefusedError
from gitml.launching.child_environment import RUN_VARIABLE, experiment_of, wrapper_run_id
from gitml.launching.command_line import CommandLine
from gitml.launching.request import LaunchRequest
from gitml.repo import Repo
from gitml.tracking.capture import environ_subset
from gitml.tracking.live import LiveRun
from gitml.tracking.secrets import redact_command
from gitml.tracking.start import (
    check_facts,
    live_facts,
    resume_run,
    start_run,
    what_it_runs_in,
    withdrawn_on_error,
)


def start_requested(repo: Repo, request: LaunchRequest, line: CommandLine) -> LiveRun:
    """Begin the run of a request, or go on with the one that it names; nothing is run yet.

    Raises:
        GitmlError: The request is wrong, or the run can't be started.
    """
    check_facts(request.tags, request.params, request.note)
    check_facts(None, request.assumed_params, None)
    # What somebody else's live run holds is never taken away, that of a dead process included.
    is_new = request.run_id is None or not repo.journal.folder(request.run_id).exists()
    live = _begin(repo, request, line) if request.run_id is None else _resume(repo, request, request.run_id)
    with withdrawn_on_error(repo, live) if is_new else nullcontext():
        if request.run_id is not None:
            _add_to(live, request)
        if request.assumed_params:
            live.assume_params(request.assumed_params)
    return live


def _begin(repo: Repo, request: LaunchRequest, line: CommandLine) -> LiveRun:
    return start_run(
        repo,
        experiment=experiment_of(request.experiment, request.environment),
        name=request.name,
        run_id=request.new_id,
        parent_id=_parent_id(repo, request),
        tags=request.tags,
        params=request.params,
        note=request.note,
        command=request.recorded_command or request.command,
        entry_point=request.entry_point or line.entry_point,
        code=request.code,
        directory=request.directory,
        project=request.project,
        variables=environ_subset(request.recorded_variables, request.environment),
        environment=_known_files(request),
        interpreter=request.interpreter,
        wrapped=True,
    )


def _resume(repo: Repo, request: LaunchRequest, run_id: str) -> LiveRun:
    environment = what_it_runs_in(
        repo,
        request.command,
        wrapped=True,
        interpreter=request.interpreter,
        known=_known_files(request),
        variables=environ_subset(request.recorded_variables, request.environment),
    )
    live = resume_run(repo, run_id, environment=environment)
    if not live.owner:
        live.close()
        raise RefusedError(
            f"run '{run_id[:8]}' is running in another process", hint=f"gitml watch {run_id[:8]}"
        )
    return live


def _add_to(live: LiveRun, request: LaunchRequest) -> None:
    live_facts(live, request.tags, request.params, request.note)
    if request.project is not None:  # its command has the paths of this machine
        command = redact_command(request.recorded_command or request.command)[0]
        live.update(command=command, project=request.project)


def _known_files(request: LaunchRequest) -> Mapping[str, bytes]:
    """What is recorded beside what can be seen: also what was asked for, so that it can be asked for again."""
    by_hand = tuple(request.params)
    auto_params = request.auto_params or request.project is not None  # a project's params are its parameters
    if auto_params and not (request.artifacts or request.metrics or request.scalars or by_hand):
        return request.environment_files
    from gitml.formats.recording import RECORDING_FILE, Recording, encode_recording

    base = Path.cwd()
    asked = Recording(
        tuple(_below(text, base) for text in request.artifacts),
        tuple(_below(text, base) for text in request.metrics),
        request.scalars,
        by_hand,
        auto_params,
    )
    return {RECORDING_FILE: encode_recording(asked), **request.environment_files}


def _below(text: str, base: Path) -> str:
    """Write a path without the folder that it is in, which is another one next time."""
    path = Path(text)
    return path.relative_to(base).as_posix() if path.is_absolute() and path.is_relative_to(base) else text


def _parent_id(repo: Repo, request: LaunchRequest) -> str | None:
    if request.parent is not None:
        from gitml.tracking.resolve import resolve_run  # needs the index, which recording does not

        return resolve_run(repo, request.parent).id
    return _wrapper(repo, request)


def _wrapper(repo: Repo, request: LaunchRequest) -> str | None:
    """Find the run that the environment says we are in; one that is not there is told, and none."""
    outer = wrapper_run_id(repo, request.environment)
    if outer is None:
        return None
    try:
        if not repo.journal.folder(outer).exists():
            from gitml.tracking.history import get_run  # needs the index

            get_run(repo, outer)
    except (NotFoundError, InvalidNameError):
        warnings.warn(
            f"{RUN_VARIABLE} says that this is part of run '{outer}', which is not here; it is no part of one",
            UserWarning,
            stacklevel=2,
        )
        return None
    return outer
