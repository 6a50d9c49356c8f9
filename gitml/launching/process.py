"""Run a program as if it had been started directly, and see what it prints.

What it prints goes on at once and unchanged, and a copy goes to a callback. Where
our output is a terminal the program gets a pseudo-terminal, so that it keeps its
colours and progress bars; otherwise pipes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gitml.errors import UsageError
from gitml.launching.output_log import OutputLog
from gitml.launching.relay import Relay, Source
from gitml.launching.signals import SignalRelay
from gitml.launching.spawn import Placement, spawn
from gitml.launching.streams import ensure_standard_streams
from gitml.launching.terminal import UserTerminal

STDIN, STDOUT, STDERR = 0, 1, 2


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """How a program ended.

    Attributes:
        exit_code: Its own, or 128 + N when signal N ended it.
        signal: The signal that ended it, None if it exited by itself.
        ends_in_line: Whether the last thing on the terminal was an unfinished line.
        problems: Sentences about what could not be relayed or recorded.
        losses: Sentences about output that nobody gets to see.
        error_tail: What came last from its standard error.
    """

    exit_code: int
    signal: int | None = None
    ends_in_line: bool = False
    problems: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    error_tail: bytes = b""


@dataclass(frozen=True, slots=True)
class _Stage:
    """The descriptors a program is started with, and our ends of them."""

    streams: Mapping[int, int]
    sources: tuple[Source, ...]
    terminal: UserTerminal | None = None
    terminal_path: str | None = None
    terminal_streams: tuple[int, ...] = ()
    child_ends: tuple[int, ...] = ()

    def close_child_ends(self) -> None:
        """Close what only the program needs, so that its end is seen as one."""
        for fd in self.child_ends:
            os.close(fd)

    def close_all(self) -> None:
        """Close everything, for a program that could not be started."""
        self.close_child_ends()
        for source in self.sources:
            os.close(source.fd)
            if source.slave is not None:
                os.close(source.slave)


def run_process(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    on_output: Callable[[bytes], None],
    signals: SignalRelay,
    pty: bool | None = None,
    grace_s: float = 1.0,
) -> ProcessResult:
    """Run `command` to its end on our standard streams.

    Args:
        command: Program and arguments; no shell is involved.
        environment: The program's whole environment.
        on_output: Gets everything printed, in the order of arrival, from
            another thread. It may be slow and may raise: neither is felt by
            the program.
        signals: Entered by the caller; what arrives is handed to the program.
        pty: Whether the program gets a pseudo-terminal. None: for each of
            stdout and stderr that is a terminal of ours.
        grace_s: How long output is awaited after the program's end from
            processes it left behind, in seconds.

    Raises:
        CommandNotStartedError: Nothing was run.
        UsageError: `command` is empty, or a pseudo-terminal was asked for
            and there is none.
    """
    if not command:
        raise UsageError("there is no command to run", hint="gitml run python train.py")
    ensure_standard_streams()
    stage = _set_stage(pty)
    placement = _placement(stage)
    try:
        pid = spawn(
            command,
            environment,
            streams=stage.streams,
            terminal=stage.terminal_path,
            terminal_streams=stage.terminal_streams,
            placement=placement,
        )
    except BaseException:
        stage.close_all()
        raise
    stage.close_child_ends()
    log = OutputLog(on_output)
    relay = Relay(
        pid,
        placement,
        sources=stage.sources,
        terminal=stage.terminal,
        signals=signals,
        log=log.put,
        grace_s=grace_s,
    )
    try:
        status = relay.run()
    finally:
        missing = log.close()
    problems = tuple(relay.problems) + ((missing,) if missing else ())
    code = os.waitstatus_to_exitcode(status)
    number = -code if code < 0 else None
    return ProcessResult(
        code if number is None else 128 + number, number, relay.ends_in_line, problems, tuple(relay.losses),
        relay.error_tail,
    )  # fmt: skip


def stdout_is_terminal(pty: bool | None) -> bool:
    """Whether a program's stdout would be a pseudo-terminal; `pty` as in `run_process`."""
    return os.isatty(STDOUT) if pty is None else pty


def _set_stage(pty: bool | None) -> _Stage:
    wanted = tuple(fd for fd in (STDOUT, STDERR) if (os.isatty(fd) if pty is None else pty))
    if wanted:
        try:
            return _terminal_stage(wanted)
        except OSError as err:
            if pty:
                raise UsageError(
                    f"no pseudo-terminal can be had: {(err.strerror or str(err)).lower()}",
                    hint="use --no-pty",
                ) from err
    return _pipe_stage((STDOUT, STDERR))


def _pipe_stage(outputs: Sequence[int]) -> _Stage:
    streams, sources = {}, []
    for number in outputs:
        ours, theirs = os.pipe()
        streams[number] = theirs
        sources.append(Source(ours, number, has_errors=number == STDERR))
    return _Stage(streams, tuple(sources), child_ends=tuple(streams.values()))


def _terminal_stage(outputs: tuple[int, ...]) -> _Stage:
    window = next((fd for fd in outputs if os.isatty(fd)), None)
    # With stdout elsewhere the keys may belong to who reads it (`| less`).
    keys = STDIN if os.isatty(STDIN) and os.isatty(STDOUT) else None
    terminal = UserTerminal(keys, window)
    master, slave = os.openpty()
    try:
        path = os.ttyname(slave)
        terminal.prepare(slave)
        os.set_blocking(master, False)
        pipes = _pipe_stage([fd for fd in (STDOUT, STDERR) if fd not in outputs])
    except BaseException:
        os.close(master)
        os.close(slave)
        raise
    shown_on = window if window is not None else STDOUT
    return _Stage(
        pipes.streams,
        (
            Source(
                master, shown_on, is_terminal=True, adds_returns=keys is not None,
                has_errors=STDERR in outputs, slave=slave,
            ),
            *pipes.sources,
        ),
        terminal,
        path,
        ((STDIN, *outputs) if keys is not None else outputs),
        pipes.child_ends,
    )  # fmt: skip


def _placement(stage: _Stage) -> Placement:
    if stage.terminal is not None:
        return Placement.SESSION
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return Placement.GROUP  # nobody types here, so every signal is one for us to hand on
    return Placement.OURS
