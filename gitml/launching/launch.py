"""Run a program as a tracked run, from start to commit.

The program comes first: once it runs, nothing that goes wrong here stops it or
changes its exit code. What could not be recorded is said at the end. A signal
never leaves half a run: before the program it ends the run, while it runs it is
the program's, and after it the record is completed first.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml.entities.run import RunStatus
from gitml.errors import GitmlError, UsageError
from gitml.launching.arguments import params_from_arguments
from gitml.launching.beginning import start_requested
from gitml.launching.child_environment import (
    child_environment,
    unset_variables,
)
from gitml.launching.command_line import CommandLine, parse_command_line
from gitml.launching.outcome import Outcome, interrupted_outcome, not_started_outcome, process_outcome
from gitml.launching.process import run_process
from gitml.launching.request import LaunchRequest, LaunchResult
from gitml.launching.signals import SignalRelay
from gitml.progress import Advance, ShowProgress, no_progress
from gitml.repo import Repo
from gitml.tracking import left_out
from gitml.tracking.commit import finish_run
from gitml.tracking.live import LiveRun
from gitml.tracking.redaction import SecretRedactedWarning
from gitml.tracking.secrets import redact_command

if TYPE_CHECKING:
    # At run time only where a request has use for them: `gitml run true` should cost little.
    from gitml.launching.metric_files import MetricFiles
    from gitml.launching.outputs import Output
    from gitml.launching.scalars import Rule

_WORKERS = 4
_NAMED = 3


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
        if request.run_id is None:
            session.notice_left_out()
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


def _notice_secrets(request: LaunchRequest, redacted: list[str]) -> None:
    redacted += (
        f"the command line holds what looks like a secret ({kind}); it is recorded without it"
        for kind in dict.fromkeys(redact_command(request.command)[1])
    )


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
        self._losses: tuple[str, ...] = ()

    def notice_left_out(self) -> None:
        """Name files that the snapshot of the code lacks."""
        shown, more = left_out.first_of(left_out.missed(self._run.code.left_out), _NAMED)
        if shown:
            others = f" and {more:,} more" if more else ""
            self._noticed.append(f"left out of the recorded code: {', '.join(shown)}{others}")

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
        self._losses = result.losses
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

        def keep(output: Output, advance: Advance) -> None:
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
        notices = [*self._noticed, *(f"not recorded: {trouble}" for trouble in self._live.lost)]
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
            self._losses,
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
