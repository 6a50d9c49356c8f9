"""How a program ended, in the words of a run."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from gitml.entities.run import RunStatus
from gitml.errors import GitmlError
from gitml.launching.process import ProcessResult
from gitml.launching.signals import signal_name
from gitml.tracking.redaction import redacted_text

_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: The run's status.
        exit_code: What to exit with.
        error: Why it did not end well.
        hint: What to do about it.
        started: Whether there was a program at all.
    """

    status: RunStatus
    exit_code: int
    error: str | None = None
    hint: str | None = None
    started: bool = True


def process_outcome(result: ProcessResult, requested: int | None) -> Outcome:
    """Read a program's end.

    Args:
        result: How it ended.
        requested: The signal that we handed on to end it, if any.
    """
    code = result.exit_code
    if result.signal is not None:
        return Outcome(RunStatus.KILLED, code, _described(result.signal))
    if code == 0:
        return Outcome(RunStatus.FINISHED, 0)
    if requested is not None and code == 128 + requested:
        # A shell between us and what the signal ended: it reports it this way.
        return Outcome(RunStatus.KILLED, code, signal_name(requested))
    reason = f"exit {code}"
    if requested is not None:
        reason += f" after {signal_name(requested)}"
    elif 128 < code < 128 + signal.NSIG and code - 128 in set(signal.Signals):
        reason += f": {_described(code - 128)}"
    else:
        reason = _python_error(result.error_tail) or reason
    return Outcome(RunStatus.FAILED, code, reason)


def interrupted_outcome(number: int) -> Outcome:
    """Say that a signal came before the program was started."""
    return Outcome(
        RunStatus.KILLED, 128 + number, f"{signal_name(number)} before the program was started", started=False
    )


def not_started_outcome(error: GitmlError) -> Outcome:
    """Say that the program could not be started; the error's exit code is a shell's where it knows it."""
    return Outcome(RunStatus.FAILED, error.exit_code, str(error), error.hint, started=False)


def _python_error(tail: bytes) -> str | None:
    from gitml.launching.python_error import python_error  # only for what failed

    line = python_error(tail)
    if line is None:
        return None
    clean = redacted_text("error", line)  # before it is cut: of half a secret nobody would know
    return clean if len(clean) <= _LONGEST else clean[: _LONGEST - 1] + "…"


def _described(number: int) -> str:
    name = signal_name(number)
    return f"{name} (perhaps out of memory)" if number == signal.SIGKILL else name
