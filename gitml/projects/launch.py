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
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitml.config import CodeMode
from gitml.entities.run import ParamValue, Run, RunStatus
from gitml.errors import GitmlError, UsageError
from gitml.projects.arguments import params_from_arguments
from gitml.projects.command_line import CommandLine, parse_command_line
from gitml.projects.metric_files import MetricFiles
from gitml.projects.outcome import Outcome, interrupted_outcome, not_started_outcome, process_outcome
from gitml.projects.outputs import check_pattern, find_outputs
from gitml.projects.process import gets_terminal, run_process
from gitml.projects.scalars import Rule, ScalarScanner, compile_rule
from gitml.projects.signals import SignalRelay
from gitml.projects.spawn import CommandNotStartedError
from gitml.repo import Repo
from gitml.tracking.capture import environ_subset
from gitml.tracking.commit import finish_run
from gitml.tracking.live import LiveRun
from gitml.tracking.start import start_run

RUN_VARIABLE = "GITML_RUN_ID"
REPO_VARIABLE = "GITML_REPO"


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """What to run, and how to record it.

    Attributes:
        command: Program and arguments.
        environment: The environment to run it in; ours, as a rule.
        experiment: The experiment's name; None: the default one.
        name: The run's name; None: two random words.
        tags: First tags.
        note: First note.
        params: Params given by hand; they win over those of `auto_params`.
        auto_params: Whether to take params from the command's own arguments.
        artifacts: Paths and patterns of files to keep afterwards.
        metrics: Files that the program writes metrics to.
        scalars: Rules that find metrics in what it prints; see `scalars`.
        parent: The run that this one is part of, by any name; None: the run
            that `environment` says we are in.
        code: What to keep of the source; None: the repository's setting.
        recorded_variables: Names of environment variables to record.
        pty: Whether the program gets a pseudo-terminal; None: where we have one.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    experiment: str | None = None
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None
    params: Mapping[str, ParamValue] = field(default_factory=dict)
    auto_params: bool = True
    artifacts: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    scalars: tuple[str, ...] = ()
    parent: str | None = None
    code: CodeMode | None = None
    recorded_variables: tuple[str, ...] = ()
    pty: bool | None = None


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
    ends_in_line: bool = False


def launch(repo: Repo, request: LaunchRequest, *, grace_s: float = 1.0) -> LaunchResult:
    """Run a program on our standard streams and record it.

    Args:
        repo: Where to record.
        request: What to run.
        grace_s: How long output is awaited after the program's end from
            processes it left behind, in seconds.

    Raises:
        GitmlError: The request is wrong or a run can't be started; then
            nothing was run. Afterwards nothing is raised for the program's
            failures or ours.
    """
    if not request.command or not request.command[0]:
        raise UsageError("there is no command to run", hint="gitml run python train.py")
    rules = tuple(compile_rule(text) for text in request.scalars)
    base = Path.cwd()
    patterns = tuple(check_pattern(text, base) for text in request.artifacts)
    noticed: list[str] = []
    with SignalRelay() as signals, _warnings_kept(noticed):
        line = parse_command_line(request.command)
        with signals.held():
            live = _start(repo, request, line)
        session = _Session(request, line, live, signals, noticed, grace_s)
        session.metric_files = MetricFiles(request.metrics, base)
        started = time.monotonic()
        outcome = session.run(rules, _child_environment(repo, request, live.update()))
        duration_s = time.monotonic() - started
        with signals.held():
            session.keep(patterns, base)
            return session.finish(repo, outcome, duration_s)


def _start(repo: Repo, request: LaunchRequest, line: CommandLine) -> LiveRun:
    return start_run(
        repo,
        experiment=request.experiment,
        name=request.name,
        parent_id=_parent_id(repo, request),
        tags=request.tags,
        params=request.params,
        note=request.note,
        command=request.command,
        entry_point=line.entry_point,
        code=request.code,
        variables=environ_subset(request.recorded_variables, request.environment),
        wrapped=True,
    )


def _parent_id(repo: Repo, request: LaunchRequest) -> str | None:
    if request.parent is not None:
        from gitml.tracking.resolve import resolve_run  # needs the index, which recording does not

        return resolve_run(repo, request.parent).id
    outer = request.environment.get(RUN_VARIABLE)
    elsewhere = request.environment.get(REPO_VARIABLE, _location(repo)) != _location(repo)
    return None if not outer or elsewhere else outer


def _location(repo: Repo) -> str:
    return str(repo.git.work_tree or repo.git.git_dir)


def _child_environment(repo: Repo, request: LaunchRequest, run: Run) -> dict[str, str]:
    environment = {
        **request.environment,
        RUN_VARIABLE: run.id,
        REPO_VARIABLE: _location(repo),
        "MLFLOW_RUN_ID": run.id,
        "MLFLOW_EXPERIMENT_ID": run.experiment_id,
    }
    if not gets_terminal(request.pty):
        # Python keeps output back when it is no terminal; then neither the
        # user nor the record would see it live, and a crash would lose it.
        environment.setdefault("PYTHONUNBUFFERED", "1")
    return environment


class _Session:
    """One program being run, and the live run that records it."""

    def __init__(
        self,
        request: LaunchRequest,
        line: CommandLine,
        live: LiveRun,
        signals: SignalRelay,
        noticed: list[str],
        grace_s: float,
    ) -> None:
        self.metric_files = MetricFiles((), Path())
        self._request = request
        self._line = line
        self._live = live
        self._signals = signals
        self._noticed = noticed
        self._grace_s = grace_s
        self._ends_in_line = False

    def run(self, rules: tuple[Rule, ...], environment: Mapping[str, str]) -> Outcome:
        """Run the program, unless a signal came first."""
        if self._signals.ending is not None:
            return interrupted_outcome(self._signals.ending)
        scanner = ScalarScanner(rules, self._live.log_metric) if rules else None

        def on_output(data: bytes) -> None:
            self._live.append_output(data)
            if scanner is not None:
                scanner.feed(data)

        try:
            result = run_process(
                self._request.command,
                environment=environment,
                on_output=on_output,
                signals=self._signals,
                pty=self._request.pty,
                grace_s=self._grace_s,
            )
        except CommandNotStartedError as err:
            return not_started_outcome(err)
        except GitmlError as err:  # no pseudo-terminal: nothing was run, and the run says why
            return Outcome(RunStatus.FAILED, err.exit_code, str(err), err.hint)
        if scanner is not None:
            with self._survived("--scalars"):
                self._noticed += scanner.finish()
        self._ends_in_line = result.ends_in_line
        self._noticed += result.problems
        return process_outcome(result, self._signals.last_ending)

    def keep(self, patterns: tuple[str, ...], base: Path) -> None:
        """Record what the program left: its metrics, its files, its own params."""
        if self._request.auto_params:
            with self._survived("params of the command line"):
                self._keep_params()
        with self._survived("--metrics"):
            self._noticed += self.metric_files.record(self._live.log_metrics)
        outputs = find_outputs(patterns, base)
        self._noticed += outputs.warnings
        for output in outputs.files:
            with self._survived(f"'{output.name}'"):
                self._live.log_artifact(output.path, output.folder or None)

    def finish(self, repo: Repo, outcome: Outcome, duration_s: float) -> LaunchResult:
        """End the run and say what came of it."""
        commit = None
        run = self._live.update()
        with self._survived("the run (the next gitml command tries again)"):
            commit = finish_run(
                repo,
                self._live,
                outcome.status,
                error=outcome.error,
                exit_code=outcome.exit_code,
                duration_s=duration_s,
            )
        notices = [*self._noticed, *(f"not recorded: {trouble}" for trouble in self._live.troubles)]
        return LaunchResult(
            run.id,
            run.name,
            outcome.status,
            outcome.exit_code,
            outcome.error,
            outcome.hint,
            duration_s,
            commit,
            tuple(dict.fromkeys(notices)),
            self._ends_in_line,
        )

    def _keep_params(self) -> None:
        # At the end, and only those that the program did not log: it may know
        # better (`--lr 1` is 1.0 to it), and a clash would be an error in it.
        known = self._live.to_run().params
        found = params_from_arguments(self._line.arguments)
        self._live.log_params({key: value for key, value in found.items() if key not in known})

    @contextmanager
    def _survived(self, what: str) -> Iterator[None]:
        """Turn trouble with recording into a notice: the program's result stands."""
        try:
            yield
        except GitmlError as err:
            self._noticed.append(f"{what} could not be recorded: {err}")
        except Exception as err:  # ours, not the program's: it must not look like a failure of that
            self._noticed.append(f"{what} could not be recorded: {type(err).__name__}: {err}")


@contextmanager
def _warnings_kept(notices: list[str]) -> Iterator[None]:
    """Collect Python warnings (redactions, disk trouble) instead of printing amid the output."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if not issubclass(category, DeprecationWarning | ResourceWarning):
            notices.append(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield
