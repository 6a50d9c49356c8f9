"""Begin a run, join one of another process, or go on with one that ended."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gitml.config import CodeMode
from gitml.entities.run import DEFAULT_EXPERIMENT, DEFAULT_EXPERIMENT_ID, CodeState, Run, RunStatus
from gitml.errors import DeletedError, RefusedError, UsageError
from gitml.formats import run_tree, yaml
from gitml.formats.names import check_name, check_run_id
from gitml.formats.pointer import decode_pointer
from gitml.journal import BASE_FILE, METRICS_FILE, NotLiveError
from gitml.repo import LIVE_REFS, Repo
from gitml.tracking import experiments
from gitml.tracking.capture import (
    REQUIREMENTS,
    capture_code,
    capture_command_environment,
    capture_environment,
    current_directory,
    inherited_code,
    kept_files,
)
from gitml.tracking.commit import check_branch, forget_live, rescue_orphans
from gitml.tracking.live import LiveRun
from gitml.tracking.redaction import redacted_text
from gitml.tracking.secrets import redact_command
from gitml.tracking.values import clean_text, flatten_params, to_tag
from gitml.tracking.words import random_name

if TYPE_CHECKING:
    from gitml.entities.project import ProjectState

_T = TypeVar("_T")


class NotWritableError(RefusedError):
    """Nothing can be recorded: the repository can't be written to."""

    def __init__(self, folder: Path, err: OSError) -> None:
        super().__init__(
            f"no run can be recorded in '{folder}': {(err.strerror or str(err)).lower()}",
            hint="make the repository writable (rights, space), or record in another one",
        )
        self.folder = folder


def start_run(  # noqa: PLR0913 - the facts that a run can begin with, all by name
    repo: Repo,
    *,
    experiment: str | None = None,
    experiment_id: str | None = None,
    name: str | None = None,
    run_id: str | None = None,
    parent_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    note: str | None = None,
    command: Sequence[str] = (),
    entry_point: str | None = None,
    code: CodeMode | CodeState | None = None,
    directory: str | None = None,
    project: ProjectState | None = None,
    variables: Mapping[str, str] | None = None,
    environment: Mapping[str, bytes] | None = None,
    interpreter: Path | None = None,
    wrapped: bool = False,
    strict: bool = False,
) -> LiveRun:
    """Begin a run: record code, environment and command, and make it live.

    Args:
        repo: Where to record.
        experiment: The experiment's name; `Default` if neither it nor its id is given.
        experiment_id: The experiment's id.
        name: The run's name; two random words if not given.
        run_id: The id to use; a new random one if not given.
        parent_id: The id of the run that this one is part of.
        tags: First tags.
        params: First params.
        note: First note.
        command: The command line, program first; secrets in it are redacted.
        entry_point: What the project calls it.
        code: What to keep of the source, or what it is, where that is known;
            the repository's setting if not given. Objects of a state must be here.
        directory: The folder that the command runs in, below the root of the
            code; where we are, if not given.
        project: How a run of a project was asked for.
        variables: Environment variables to record.
        environment: Files about the environment, by name, that say more
            than what can be seen of it.
        interpreter: The Python behind `command`, where that doesn't show it.
        wrapped: Whether `command` is another program, so that its packages
            are recorded instead of those of this process.
        strict: Whether trouble with the disk raises while the run lasts.

    Returns:
        The live run, owned by the caller: `finish_run` ends it.

    Raises:
        InvalidNameError: A name can't be used.
        InvalidValueError: A value can't be recorded.
        NotFoundError: There is no such experiment.
        RefusedError: The experiment was deleted, or there is a run of that id.
    """
    check_facts(tags, params, note)
    check_branch(repo)
    rescue_orphans(repo)
    home = _experiment(repo, experiment, experiment_id)
    run_id = check_run_id(run_id) if run_id else uuid.uuid4().hex
    state = code if isinstance(code, CodeState) else _capture(repo, code)
    run = Run(
        id=run_id,
        name=redacted_text("run's name", check_name("run", name)) if name else random_name(),
        experiment_id=home[0],
        experiment=home[1],
        status=RunStatus.RUNNING,
        start_ms=time.time_ns() // 1_000_000,
        parent_id=check_run_id(parent_id) if parent_id else None,
        user=repo.settings.author,
        host=_host() if repo.settings.record_host else None,
        entry_point=entry_point,
        command=redact_command(command)[0],
        code=state,
        directory=current_directory(repo.git) if directory is None else directory,
        project=project,
    )
    seen = what_it_runs_in(
        repo, command, wrapped=wrapped, interpreter=interpreter, known=environment, variables=variables
    )
    files = {run_tree.RUN_FILE: run_tree.encode_run_file(run), **_in_their_folder(seen)}
    try:
        _pin(repo, run_id, state, given=state is code)
        folder, lock = repo.journal.create(run_id, files, _in_their_folder(kept_files(_cache(repo), seen)))
    except FileExistsError:
        raise RefusedError(f"there is a live run of the id '{run_id}' already") from None
    except OSError as err:
        raise NotWritableError(repo.root, err) from err
    live = LiveRun(repo, run_id, folder, lock, owner=True, strict=strict)
    with withdrawn_on_error(repo, live):
        live_facts(live, tags, params, note)
    return live


@contextmanager
def withdrawn_on_error(repo: Repo, live: LiveRun) -> Iterator[None]:
    """Take a live run away again where what is done here to begin it fails, so that nobody records it."""
    try:
        yield
    except BaseException:
        try:
            if live.owner:
                forget_live(repo, live.run_id)
        finally:
            live.close()
        raise


def what_it_runs_in(
    repo: Repo,
    command: Sequence[str],
    *,
    wrapped: bool,
    interpreter: Path | None,
    known: Mapping[str, bytes] | None,
    variables: Mapping[str, str] | None,
) -> dict[str, bytes]:
    """Make the files of a run's `environment/` folder, by name; arguments as of `start_run`."""
    cache = _cache(repo)
    if wrapped and interpreter is None:
        seen = capture_command_environment(cache, command)
    else:
        seen = capture_environment(cache, interpreter)
    seen |= known or {}
    if variables:
        seen["variables.yaml"] = yaml.dump_mapping(variables).encode()
    return seen


def _cache(repo: Repo) -> Path:
    return repo.root / "cache"


def _in_their_folder(environment: Mapping[str, _T]) -> dict[str, _T]:
    return {f"{run_tree.ENVIRONMENT}/{file}": content for file, content in environment.items()}


def check_facts(tags: Mapping[str, Any] | None, params: Mapping[str, Any] | None, note: str | None) -> None:
    """Refuse first tags, params or a note that can't be recorded, before there is a run of them.

    Raises:
        InvalidNameError: A name can't be used.
        InvalidValueError: A value can't be recorded.
    """
    for key, value in (tags or {}).items():
        to_tag(check_name("tag", key), value)
    for _ in flatten_params(params or {}):
        pass
    if note:
        clean_text(note)


def live_facts(
    live: LiveRun, tags: Mapping[str, Any] | None, params: Mapping[str, Any] | None, note: str | None
) -> None:
    """Record the first tags, params and note of a run, if there are any."""
    if tags:
        live.set_tags(tags)
    if params:
        live.log_params(params)
    if note:
        live.set_note(note)


def attach_run(repo: Repo, run_id: str, *, strict: bool = False) -> LiveRun:
    """Join a live run of another process; ending the handle does not end the run.

    Raises:
        NotLiveError: It is not live (any more).
    """
    folder, lock = repo.journal.join(run_id)
    return LiveRun(repo, run_id, folder, lock, owner=False, strict=strict)


def add_python(repo: Repo, live: LiveRun) -> None:
    """Record the Python of this process for a run whose command did not show one, such as a shell script."""
    environment = live.folder / run_tree.ENVIRONMENT
    if environment.is_dir() and not (environment / REQUIREMENTS).exists():
        live.add_environment(capture_environment(_cache(repo)))


def resume_run(
    repo: Repo, run_id: str, *, environment: Mapping[str, bytes] | None = None, strict: bool = False
) -> LiveRun:
    """Go on with a run, whether it ended, lives, or lost its process.

    A run that lives in another process is joined. One that ended becomes live
    again, on top of its last record, with start, params and curves kept. One that
    was only scheduled starts now.

    Args:
        repo: Where it is recorded.
        run_id: The run's id.
        environment: Files about what it runs in now, by name, in place of those it
            had; those stay if not given.
        strict: Whether trouble with the disk raises while the run lasts.

    Raises:
        RunNotFoundError: There is no such run.
        DeletedError: It was deleted, itself or with its experiment.
    """
    with suppress(NotLiveError):
        return _take_or_join(repo, run_id, strict)
    from gitml.tracking.history import get_run, read_output  # the index: only to find an ended run

    run = get_run(repo, run_id)
    if run.deleted_ms is not None:
        raise DeletedError("run", run_id, f"gitml runs restore {run_id[:8]}")
    if (home := experiments.deleted_experiments(repo).get(run.experiment_id)) is not None:
        experiments.refuse_deleted(home)
    from gitml.tracking.united import settle

    run = settle(repo, run)
    base = run.commit
    if base is None:
        raise UsageError(f"run '{run_id}' has no record to go on from")
    running = replace(run, status=RunStatus.RUNNING, end_ms=None, duration_s=None, exit_code=None, error=None)
    if run.status is RunStatus.SCHEDULED:
        running = replace(running, start_ms=time.time_ns() // 1_000_000)
    files = run_tree.encode_run(running) | _in_their_folder(environment or {})
    files.pop(run_tree.METRICS_FILE, None)
    files[BASE_FILE] = base.encode()
    files[METRICS_FILE] = "".join(f"{key}\n" for key in run.metrics).encode()
    for entry in repo.git.list_tree(base, run_tree.HISTORY):
        data = repo.git.read_blob(entry.oid)
        pointer = decode_pointer(data)
        if pointer is not None:
            with repo.objects.open(pointer) as stream:
                data = stream.read()
        files[f"{run_tree.HISTORY}/{entry.path}"] = data
    output = read_output(repo, run)
    if output:
        files[run_tree.OUTPUT_FILE] = output
    _pin(repo, run_id, run.code)
    try:
        folder, lock = repo.journal.create(run_id, files)
    except FileExistsError:  # another process resumed it first
        return attach_run(repo, run_id, strict=strict)
    return LiveRun(repo, run_id, folder, lock, owner=True, strict=strict)


def _take_or_join(repo: Repo, run_id: str, strict: bool) -> LiveRun:
    orphaned = repo.journal.is_orphaned(run_id)
    folder, lock = repo.journal.join(run_id)
    return LiveRun(repo, run_id, folder, lock, owner=orphaned, strict=strict)


def _experiment(repo: Repo, name: str | None, experiment_id: str | None) -> tuple[str, str]:
    if experiment_id in (None, DEFAULT_EXPERIMENT_ID) and name in (None, DEFAULT_EXPERIMENT):
        return DEFAULT_EXPERIMENT_ID, DEFAULT_EXPERIMENT
    found = (
        experiments.get_experiment(repo, experiment_id)
        if experiment_id is not None
        else experiments.experiment_named(repo, check_name("experiment", name))
    )
    experiments.refuse_deleted(found)
    return found.id, found.name


def _capture(repo: Repo, mode: CodeMode | None) -> CodeState:
    mode = mode or repo.settings.code
    laid_out = inherited_code()
    if laid_out is None or (laid_out.code.tree and not repo.git.has_object(laid_out.code.tree)):
        return capture_code(repo.git, mode, max_file_size=repo.settings.snapshot_limit)
    if mode == "tree":
        return laid_out.code
    return replace(laid_out.code, tree=None) if mode == "commit" else CodeState()


def _pin(repo: Repo, run_id: str, code: CodeState, *, given: bool = False) -> None:
    """Keep code that no branch has from `git gc` while only the live run knows of it."""
    if code.tree is not None and (code.dirty or given):
        ref = LIVE_REFS + run_id
        repo.git.move_ref(ref, repo.git.tip(ref), code.tree)


def _host() -> str:
    import socket

    return socket.gethostname()
