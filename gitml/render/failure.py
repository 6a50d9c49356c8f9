"""Why a run did not end well, in a line."""

from __future__ import annotations

from gitml.entities.run import RunStatus


def failure_text(error: str | None, exit_code: int | None) -> str:
    """Say why a run did not end well: its program's exit code, and what is known besides.

    Example:
        >>> failure_text("ValueError: bad loss", 1)
        'exit 1: ValueError: bad loss'
        >>> failure_text("exit 9 after SIGTERM", 9)
        'exit 9 after SIGTERM'
    """
    code = f"exit {exit_code}" if exit_code else ""
    if not error or not code or error.startswith(code):
        return error or code
    return f"{code}: {error}"


def short_failure_text(status: RunStatus, error: str | None, exit_code: int | None) -> str:
    """Say it beside the status: what killed a run says its exit code too.

    Example:
        >>> short_failure_text(RunStatus.KILLED, "SIGTERM", 143)
        'SIGTERM'
    """
    return error if error and status is RunStatus.KILLED else failure_text(error, exit_code)
