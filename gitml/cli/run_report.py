"""What `gitml run` says at the end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gitml.cli.terminal import signs
from gitml.render.failure import short_failure_text

if TYPE_CHECKING:
    from gitml.launching.request import LaunchResult


def report_run(result: LaunchResult, *, quiet: bool) -> None:
    """Say on stderr what came of a run."""
    if result.ends_in_line and sys.stderr.isatty():
        print(file=sys.stderr)
    not_run = result.exit_code in (126, 127) and result.hint is not None
    if not_run:
        print(
            f"error: {printable(result.error or '')}\nhint: {printable(result.hint or '')}", file=sys.stderr
        )
    recorded = result.commit is not None
    # That something is not in the record as it was given, or not on the screen, is said in any case.
    for text in (*result.redactions, *result.losses, *(() if quiet and recorded else result.warnings)):
        print(f"warning: {printable(text)}", file=sys.stderr)
    if quiet:
        return
    short = result.run_id[:7]
    failure = short_failure_text(result.status, result.error, result.exit_code)
    reason = f" ({printable(failure)})" if failure and not not_run else ""
    print(
        f"run {short} {printable(result.name)} {result.status.value}{reason} in {format_duration(result.duration_s)}"
        f"{signs('  ·', sys.stderr)}  gitml show {short}",
        file=sys.stderr,
    )


def format_duration(seconds: float) -> str:
    """Say how long something took, with two units at most.

    Example:
        >>> [format_duration(s) for s in (0.034, 2.5, 362, 7384, 200000)]
        ['34ms', '2.5s', '6m 02s', '2h 03m', '2d 07h']
    """
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02}h"
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m {rest:02}s"


def printable(text: str) -> str:
    """Keep control characters in names and values away from the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
