"""Run a program as a tracked run, from start to commit.

The program comes first: once it runs, nothing that goes wrong here stops it or
changes its exit code. What could not be recorded is said at the end. A signal
never leaves half a run: before the program it ends the run, while it runs it is
the program's, and after it the record is completed first.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml.config import CodeMode
from gitml.entities.run import CodeState, ParamValue, RunStatus
from gitml.errors import GitmlError, RefusedError, UsageError
from gitml.launching.arguments import params_from_arguments
from gitml.launching.child_environment import (
    child_environment,
    experiment_of,
    unset_variables,
    wrapper_run_id,
)
from gitml.launching.command_line import CommandLine, parse_command_line
from gitml.launching.outcome import Outcome, interrupted_outcome, not_started_outcome, process_outcome
from gitml.launching.process import run_process
from gitml.launching.signals import SignalRelay
from gitml.repo import Repo
from gitml.tracking.capture import environ_subset
from gitml.tracking.commit import finish_run
from gitml.tracking.live import LiveRun
from gitml.tracking.redaction import SecretRedactedWarning
from gitml.tracking.secrets import redact_command
from gitml.tracking.start import live_facts, resume_run, start_run, what_it_runs_in

if TYPE_CHECKING:
    # At run time only where a request has use for them: `gitml run true` should cost little.
    from gitml.entities.project import ProjectState
    from gitml.launching.metric_files import MetricFiles
    from gitml.launching.outputs import Output
    from gitml.launching.scalars import Rule

_WORKERS = 4


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """What to run, and how to record it.

    Attributes:
        command: Program and arguments.
        environment: The environment to run it in; ours, as a rule.
        experiment: The experiment's name; None: the one that `environment`
            says, or else one that the program chooses, or else the default one.
        name: The run's name; None: one that the program chooses, or else two
            random words.
        recorded_command: The command as it is recorded, where secrets stand that only
            whoever made it can tell; None: as it is, without what looks like one.
        tags: First tags.
        note: First note.
        params: Params given by hand; they win over those of `auto_params`.
        assumed_params: Params that are known before the program runs; where it
            logs one of them itself, its word counts.
        auto_params: Whether to take params from the command's own arguments.
        artifacts: Paths and patterns of files to keep afterwards.
        metrics: Files that the program writes metrics to.
        scalars: Rules that find metrics in what it prints; see `scalars`.
        parent: The run that this one is part of, by any name; None: the run
            that `environment` says we are in.
        code: What to keep of the source, or what it is, where that is known;
            None: the repository's setting.
        recorded_variables: Names of environment variables to record.
        pty: Whether the program gets a pseudo-terminal; None: where we have one.
        entry_point: What to call what is run; None: what the command shows.
        directory: The folder that it runs in, below the root of the code; None:
            where we are. It is our current folder in any case.
        project: How a run of a project was asked for.
        environment_files: What is known of its environment, by file name.
        interpreter: The Python behind the command, where that doesn't show it.
        prefix: Words before the command that say where it runs; not recorded.
        run_id: The run to go on with, which keeps name, code, experiment and place
            among runs that it has; None: a new one.
        new_id: The id of a new run; None: a random one.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    experiment: str | None = None
    name: str | None = None
    recorded_command: tuple[str, ...] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None
    params: Mapping[str, ParamValue] = field(default_factory=dict)
    assumed_params: Mapping[str, ParamValue] = field(default_factory=dict)
    auto_params: bool = True
    artifacts: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    scalars: tuple[str, ...] = ()
    parent: str | None = None
    code: CodeMode | CodeState | None = None
    recorded_variables: tuple[str, ...] = ()
    pty: bool | None = None
    entry_point: str | None = None
    directory: str | None = None
    project: ProjectState | None = None
    environment_files: Mapping[str, bytes] = field(default_factory=dict)
    interpreter: Path | None = None
    prefix: tuple[str, ...] = ()
    run_id: str | None = None
    new_id: str | None = None


@dataclass(frozen=True, slots=True)
class LaunchResult:
    """What came of it.

    Attributes:
        run_id: The run's id.
        name: Its name.
        status: How it ended.
        exit_code: What to exit with: the program's own code, 128 + N for signal N.
        error: Why it did not end well, None if it did.
        hint: What to do about it, if that is known.
        duration_s: Seconds that the program took.
        commit: The commit of the run; None if that failed, and the next gitml
            command makes it.
        warnings: Sentences about what was not recorded.
        redactions: Sentences about secrets that a placeholder was recorded for.
        ends_in_line: Whether the program left an unfinished line on the terminal.
    """

    run_id: str
    name: str
    status: RunStatus
    exit_code: int
    error: str | None
    hint: str | None
    duration_s: float
    commit: str | None
    warnings: tuple[str, ...]
    redactions: tuple[str, ...] = ()
    ends_in_line: bool = False


ShowProgress = Callable[[str, "int | None", str], AbstractContextManager[Callable[[int], None]]]


@contextmanager
def no_progress(label: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:  # noqa: ARG001
    """Show nothing; what shows something is of the same form."""
    yield lambda _: None


def launch(
    repo: Repo, request: LaunchRequest, *, grace_s: float = 1.0, progress: ShowProgress = no_progress
) -> LaunchResult:
    """Run a program on our standard streams and record it.

    Args:
        repo: Where to record.
        request: What to run.
        grace_s: How long output is awaited after the program's end from
            processes it left behind, in seconds.
        progress: Shows how far keeping the program's files is: given a label,
            the total and its unit, a context with a function to count in.

    Raises:
        GitmlError: The request is wrong or a run can't be started; then
            nothing was run. Afterwards nothing is raised for the program's
            failures or ours.
    """
    if not request.command or not request.command[0]:
        raise UsageError("there is no command to run", hint="gitml run python train.py")
    base = Path.cwd()
    rules = _rules(request.scalars)
    patterns = _patterns(request.artifacts, base)
    noticed: list[str] = []
    redacted: list[str] = []
    with SignalRelay() as signals, _warnings_kept(noticed, redacted):
        line = parse_command_line(request.command)
        with signals.held():
            live = start_requested(repo, request, line)
        _notice_secrets(request, redacted)
        noticed += unset_variables(request.recorded_variables, request.environment)
        session = _Session(repo, request, live, signals, noticed, redacted)
        if request.auto_params:
            session.assume_params(line)
        metric_files = _metric_files(request.metrics, base)
        started = time.monotonic()
        outcome = session.run(rules, grace_s)
        duration_s = time.monotonic() - started
        if outcome.started:
            session.keep_metrics(metric_files)
            session.keep_files(patterns, base, progress)
        with signals.held():
            return session.finish(outcome, duration_s)


def _rules(texts: tuple[str, ...]) -> tuple[Rule, ...]:
    if not texts:
        return ()
    from gitml.launching.scalars import compile_rule

    return tuple(compile_rule(text) for text in texts)


def _patterns(texts: tuple[str, ...], base: Path) -> tuple[str, ...]:
    if not texts:
        return ()
    from gitml.launching.outputs import check_pattern

    return tuple(check_pattern(text, base) for text in texts)


def _metric_files(paths: tuple[str, ...], base: Path) -> MetricFiles | None:
    if not paths:
        return None
    from gitml.launching.metric_files import MetricFiles

    return MetricFiles(paths, base)


def start_requested(repo: Repo, request: LaunchRequest, line: CommandLine) -> LiveRun:
    """Begin the run of a request, or go on with the one that it names; nothing is run yet.

    Raises:
        GitmlError: The request is wrong, or the run can't be started.
    """
    live = _begin(repo, request, line) if request.run_id is None else _resume(repo, request, request.run_id)
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
    live_facts(live, request.tags, request.params, request.note)
    if request.project is not None:  # its command has the paths of this machine
        command = redact_command(request.recorded_command or request.command)[0]
        live.update(command=command, project=request.project)
    return live


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


def _notice_secrets(request: LaunchRequest, redacted: list[str]) -> None:
    redacted += (
        f"the command line holds what looks like a secret ({kind}); it is recorded without it"
        for kind in dict.fromkeys(redact_command(request.command)[1])
    )


def _parent_id(repo: Repo, request: LaunchRequest) -> str | None:
    if request.parent is not None:
        from gitml.tracking.resolve import resolve_run  # needs the index, which recording does not

        return resolve_run(repo, request.parent).id
    return wrapper_run_id(repo, request.environment)


class _Session:
    """One program being run, and the live run that records it."""

    def __init__(
        self,
        repo: Repo,
        request: LaunchRequest,
        live: LiveRun,
        signals: SignalRelay,
        noticed: list[str],
        redacted: list[str],
    ) -> None:
        self._repo = repo
        self._request = request
        self._live = live
        self._run = live.to_run()
        self._signals = signals
        self._noticed = noticed
        self._redacted = redacted
        self._ends_in_line = False

    def run(self, rules: tuple[Rule, ...], grace_s: float) -> Outcome:
        """Run the program, unless a signal came first."""
        if self._signals.ending is not None:
            return interrupted_outcome(self._signals.ending)
        scanner = None
        on_output: Callable[[bytes], None] = self._live.append_output
        if rules:
            from gitml.launching.scalars import ScalarScanner

            scanner = ScalarScanner(rules, self._live.log_metric)
            on_output = _both(self._live.append_output, scanner.feed)
        try:
            result = run_process(
                (*self._request.prefix, *self._request.command),
                environment=child_environment(
                    self._repo,
                    self._request.environment,
                    self._run,
                    experiment=self._request.experiment,
                    name=self._request.name,
                    pty=self._request.pty,
                ),
                on_output=on_output,
                signals=self._signals,
                pty=self._request.pty,
                grace_s=grace_s,
            )
        except GitmlError as err:
            return not_started_outcome(err)
        except OSError as err:  # no more processes or descriptors
            return Outcome(
                RunStatus.FAILED,
                126,
                f"'{self._request.command[0]}' can't be run: {err.strerror}",
                started=False,
            )
        if scanner is not None:
            with self._survived("--scalars"):
                self._noticed += scanner.finish()
        self._ends_in_line = result.ends_in_line
        self._noticed += result.problems
        return process_outcome(result, self._signals.last_ending)

    def assume_params(self, line: CommandLine) -> None:
        """Record the params of the command's own arguments.

        Where the program logs one of them itself, its word counts: it may know
        better (`--lr 1` is 1.0 to it).
        """
        with self._survived("params of the command line"):
            self._live.assume_params(params_from_arguments(line.arguments))

    def keep_metrics(self, files: MetricFiles | None) -> None:
        """Record the metrics that the program wrote to files."""
        if files is None:
            return
        with self._survived("--metrics"):
            self._noticed += files.record(self._live.log_metrics)

    def keep_files(self, patterns: tuple[str, ...], base: Path, progress: ShowProgress) -> None:
        """Record the files that the program left, until a signal says to hurry."""
        if not patterns:
            return
        from concurrent.futures import ThreadPoolExecutor

        from gitml.launching.outputs import find_outputs

        outputs = find_outputs(patterns, base)
        self._noticed += outputs.warnings
        asked_before = self._signals.ending_count

        def hurry() -> None:
            if self._signals.ending_count > asked_before:
                raise _HurryError

        def keep(output: Output, advance: Callable[[int], None]) -> None:
            def count(done: int) -> None:
                hurry()
                advance(done)

            hurry()
            with self._survived(f"'{output.name}'"):
                self._live.log_artifact(output.path, output.folder or None, count)

        total = sum(output.path.stat().st_size for output in outputs.files if output.path.is_file())
        try:
            with (
                progress("keeping files", total, "B") as advance,
                ThreadPoolExecutor(min(_WORKERS, len(outputs.files) or 1), "gitml-outputs") as pool,
            ):
                for done in [pool.submit(keep, output, advance) for output in outputs.files]:
                    done.result()
        except _HurryError:
            self._noticed.append("not all files were kept: a signal asked to end")

    def finish(self, outcome: Outcome, duration_s: float) -> LaunchResult:
        """End the run and say what came of it."""
        commit = None
        with self._survived("the run (the next gitml command tries again)"):
            self._run = self._live.to_run()
            commit = finish_run(
                self._repo,
                self._live,
                outcome.status,
                error=outcome.error,
                exit_code=outcome.exit_code,
                duration_s=duration_s,
            )
        notices = [*self._noticed, *(f"not recorded: {trouble}" for trouble in self._live.troubles)]
        return LaunchResult(
            self._run.id,
            self._run.name,
            outcome.status,
            outcome.exit_code,
            outcome.error,
            outcome.hint,
            duration_s,
            commit,
            tuple(dict.fromkeys(notices)),
            tuple(dict.fromkeys(self._redacted)),
            self._ends_in_line,
        )

    @contextmanager
    def _survived(self, what: str) -> Iterator[None]:
        """Turn trouble with recording into a notice: the program's result stands."""
        try:
            yield
        except _HurryError:
            raise
        except GitmlError as err:
            self._noticed.append(f"{what} could not be recorded: {err}")
        except Exception as err:  # noqa: BLE001 - ours, not the program's: it must not look like a failure of that
            self._noticed.append(f"{what} could not be recorded: {type(err).__name__}: {err}")


class _HurryError(Exception):
    """A signal asked us to end while files were being kept."""


def _both(first: Callable[[bytes], None], second: Callable[[bytes], None]) -> Callable[[bytes], None]:
    def call(data: bytes) -> None:
        first(data)
        second(data)

    return call


@contextmanager
def _warnings_kept(notices: list[str], redacted: list[str]) -> Iterator[None]:
    """Collect Python warnings (disk trouble, redactions) instead of printing amid the output."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, SecretRedactedWarning):
            redacted.append(str(message))
        elif not issubclass(category, DeprecationWarning | ResourceWarning):
            notices.append(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield
