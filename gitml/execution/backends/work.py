"""What a job does where it runs: take up its run, run the program, push the record.

A job that is stopped and started again (preemption, a lost node) goes on with the
same run: what an earlier attempt pushed is kept, and its metrics and output are
added to. Two that take up one run at the same time both push a record of it; joined,
these are one run with all points of both, by the rules for any run that was changed
in two places.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from gitml.entities.run import Run, RunStatus
from gitml.errors import GitmlError, RefusedError
from gitml.execution.backends.job_facts import JobFacts, digest_of, facts_of_run
from gitml.execution.backends.workplace import (
    bring_run,
    make_workplace,
    push_result,
    sign_as,
    undisturbed,
)
from gitml.execution.cache import cache_dir
from gitml.execution.checkout import check_out
from gitml.formats.names import check_artifact_path
from gitml.launching.child_environment import (
    EXPERIMENT_VARIABLE,
    NAME_VARIABLE,
    REPO_VARIABLE,
    RUN_VARIABLE,
)
from gitml.launching.launch import launch
from gitml.launching.request import LaunchRequest, LaunchResult
from gitml.progress import ShowProgress, no_progress
from gitml.repo import Repo
from gitml.tracking.capture.inherited import CODE_VARIABLE, code_variable
from gitml.tracking.edit import write_record
from gitml.tracking.history import get_run
from gitml.tracking.redaction import redacted_text

if TYPE_CHECKING:
    from gitml.execution.sources import Source

# Of a run around the submission, which is not around the job.
_FOREIGN = (RUN_VARIABLE, REPO_VARIABLE, NAME_VARIABLE, EXPERIMENT_VARIABLE, CODE_VARIABLE)


class NotPushedError(RefusedError):
    """A job ended, but its run did not get to the remote."""

    exit_code = 5

    def __init__(self, run_id: str, folder: Path, error: GitmlError) -> None:
        super().__init__(
            f"run '{run_id[:8]}' is recorded, but could not be pushed: {error}",
            hint=f"it is kept on this machine; push it from there: gitml -C {folder} push origin",
        )
        self.folder = folder


class OtherJobError(RefusedError):
    """The remote's record of a run is not what was submitted."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"run '{run_id[:8]}' is to run something else at the remote than what was submitted: "
            "its command or code was changed since",
            hint="nothing was run; ask who can push there, and submit it again",
        )


class JobInterruptedError(GitmlError):
    """A signal ended a job before its program was started."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by signal {number} before the program was started")
        self.exit_code = 128 + number


@dataclass(frozen=True, slots=True)
class Worked:
    """What came of a job.

    Attributes:
        run: The run that it was about, as it was taken up.
        launched: What came of its program; None: it had finished before.
        notes: Sentences about what the program did not get as it was.
    """

    run: Run
    launched: LaunchResult | None
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """What to exit with: the program's own code."""
        return 0 if self.launched is None else self.launched.exit_code


def work_from_remote(
    run_id: str,
    url: str,
    *,
    digest: str | None = None,
    scratch: Path | None,
    environ: Mapping[str, str],
    progress: ShowProgress = no_progress,
) -> Worked:
    """Do a job from a clone of its own, which is removed when all of it is pushed.

    Args:
        run_id: The run.
        url: The remote that has it.
        digest: `digest_of` the run as it was submitted: whoever can push there could
            change it.
        scratch: Folder to make the clone in; None: the system's one for such.
        environ: Our environment, for the program.
        progress: Shows how far long steps are.

    Raises:
        RunNotFoundError: The remote has no such run.
        OtherJobError: It is not what was submitted; nothing was run.
        NotPushedError: The run did not get there; the clone is kept.
        GitmlError: The program was not started; the run says why.
    """
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"gitml-{run_id[:12]}-", dir=scratch))
    repo = None
    try:
        with _interruptible() as signals:
            clone = folder / "runs.git"
            clone.mkdir()
            repo = make_workplace(url, clone)
            run = bring_run(repo, run_id)
            if digest not in (None, digest_of(run)):
                raise OtherJobError(run_id)
            sign_as(repo, run.user)
            if run.status is RunStatus.FINISHED:
                shutil.rmtree(folder)
                return Worked(run, None)
            worked = _work(repo, run, folder, environ, progress, signals)
    except NotPushedError:
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        if repo is not None:
            repo.close()
    shutil.rmtree(folder, ignore_errors=True)
    return worked


def _work(
    repo: Repo, run: Run, folder: Path, environ: Mapping[str, str], progress: ShowProgress, signals: _Signals
) -> Worked:
    try:
        worked = _run_laid_out(repo, run, folder, environ, progress, signals)
    except JobInterruptedError:
        raise
    except GitmlError as err:
        signals.wait_for_us()
        _record_failure(repo, run, err)
        _push(repo, run.id)
        raise
    _push(repo, run.id)
    return worked


def _push(repo: Repo, run_id: str) -> None:
    with undisturbed():
        try:
            push_result(repo)
        except GitmlError as err:
            raise NotPushedError(run_id, repo.git.git_dir, err) from err


def work_here(
    repo: Repo,
    run_id: str,
    *,
    folder: Path | None,
    environ: Mapping[str, str],
    progress: ShowProgress = no_progress,
) -> Worked:
    """Do a job in this repository.

    Args:
        repo: The repository.
        run_id: The run.
        folder: Where we were when it was submitted, and where it runs; None: in a
            fresh folder with the code of the record.
        environ: Our environment, for the program.
        progress: Shows how far long steps are.

    Raises:
        RunNotFoundError: There is no such run.
        GitmlError: The program was not started; the run says why.
    """
    run = get_run(repo, run_id)
    if run.status is RunStatus.FINISHED:
        return Worked(run, None)
    with _interruptible() as signals:
        try:
            with tempfile.TemporaryDirectory(prefix=f"gitml-{run_id[:12]}-") as scratch:
                if folder is None:
                    return _run_laid_out(repo, run, Path(scratch), environ, progress, signals)
                top = repo.git.work_tree or folder
                place = folder if run.project is None else _below(top, run.directory)
                here = _Place(top, place, folder, Path(scratch), laid_out=False)
                return _run_in(repo, run, here, environ, progress, signals)
        except JobInterruptedError as err:
            _record_failure(repo, run, err, RunStatus.KILLED)
            raise
        except GitmlError as err:
            _record_failure(repo, run, err)
            raise


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a program runs.

    Attributes:
        top: The top of the code.
        folder: Its own folder.
        base: Where paths among a project's values begin.
        storage: Scratch space for what they have downloaded.
        laid_out: Whether the code is that of the record, in a fresh folder.
    """

    top: Path
    folder: Path
    base: Path
    storage: Path
    laid_out: bool


def _run_laid_out(
    repo: Repo, run: Run, scratch: Path, environ: Mapping[str, str], progress: ShowProgress, signals: _Signals
) -> Worked:
    top = scratch / "code"
    laid_out = check_out(
        repo,
        run,
        top,
        artifacts=False,
        cache=cache_dir(environ),
        recurse_submodules=run.project is not None and run.project.submodules,
        progress=progress,
    )
    base = facts_of_run(run).base
    place = _Place(top, _below(top, run.directory), _below(top, base), scratch, laid_out=True)
    return replace(_run_in(repo, run, place, environ, progress, signals), notes=laid_out.notes)


def _below(top: Path, folder: str) -> Path:
    """Give a folder that a record names."""
    return top / check_artifact_path(folder, allow_empty=True)


def _run_in(
    repo: Repo, run: Run, place: _Place, environ: Mapping[str, str], progress: ShowProgress, signals: _Signals
) -> Worked:
    given = {name: text for name, text in environ.items() if name not in _FOREIGN}
    if place.laid_out:
        given |= code_variable(place.top, run.code)
    facts = facts_of_run(run)
    request = LaunchRequest(
        command=run.command,
        environment=given,
        auto_params=facts.auto_params,
        artifacts=facts.artifacts,
        metrics=facts.metrics,
        scalars=facts.scalars,
        recorded_variables=facts.variables,
        directory=run.directory,
        entry_point=run.entry_point,
        run_id=run.id,
    )
    if run.project is not None:
        request = _project_request(repo, run, place, request, facts, progress)
    os.chdir(place.folder)
    signals.wait_for_us()  # from here on a signal is the program's, and afterwards nobody's
    return Worked(run, launch(repo, request, progress=progress))


def _project_request(
    repo: Repo, run: Run, place: _Place, template: LaunchRequest, facts: JobFacts, progress: ShowProgress
) -> LaunchRequest:
    """Make the command of a project's run here: its paths and its environment are this machine's."""
    from gitml.execution.definition import find_entry_point, load_project
    from gitml.execution.opening import OpenedProject, ProjectRequest
    from gitml.execution.running import prepared_environment, project_launch

    state = run.project
    if state is None:
        raise AssertionError("asked for runs of projects only")
    project = load_project(place.folder)
    entry = find_entry_point(project, place.folder, state.entry_point)
    opened = OpenedProject(_source(run, place), project, entry, place.base, place.storage, repo, progress)
    defaults = {parameter.name: parameter.default for parameter in entry.parameters}
    ready = opened.with_values(  # a path that is a default begins elsewhere than one that was given
        {key: text for key, text in state.parameters.items() if defaults.get(key) != text}
    )
    asked = ProjectRequest(
        str(place.folder),
        manager=facts.manager,
        container_options=facts.container_options,
        build_image=facts.build_image,
    )
    environment = prepared_environment(repo, ready, asked, template.environment, progress)
    request = project_launch(ready, environment, template)
    made = request.project
    return replace(request, project=None if made is None else replace(made, backend=state.backend))


def _source(run: Run, place: _Place) -> Source:
    from gitml.execution.sources import Source

    state = run.project
    code = run.code if place.laid_out else None
    uri, version = (None, None) if state is None else (state.uri, state.version)
    submodules = state is not None and state.submodules
    return Source(place.folder, place.top, run.directory, code, uri, version, submodules=submodules)


def _record_failure(repo: Repo, run: Run, error: GitmlError, status: RunStatus = RunStatus.FAILED) -> None:
    """Say in a run why its program was not started; of one that the launch has ended, it says so itself."""
    now = get_run(repo, run.id)
    if now.live or now.commit != run.commit:
        return
    ended = replace(
        now, status=status, error=redacted_text("error", str(error)), end_ms=time.time_ns() // 1_000_000
    )
    write_record(repo, ended, status.value)


class _Signals:
    """What signals that end programs mean to us: an interruption, and later on nothing."""

    def __init__(self) -> None:
        self._ours = False

    def note(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        if not self._ours:
            raise JobInterruptedError(number)

    def wait_for_us(self) -> None:
        """Let no signal interrupt us any more: what is left is to record and push."""
        self._ours = True


@contextmanager
def _interruptible() -> Iterator[_Signals]:
    signals = _Signals()
    before = {
        number: signal.signal(number, signals.note)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
