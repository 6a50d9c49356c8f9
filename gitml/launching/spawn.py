"""Start a program with its standard streams where we want them.

`posix_spawn` throughout: it is the fastest, it is safe in a process with
threads, and it reports a program that can't be started as an error here.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path

from gitml.errors import GitmlError


class Placement(Enum):
    """Where a child stands among the processes, and so who gets which signal."""

    SESSION = "session"  # leads a session whose terminal is its pseudo-terminal
    GROUP = "group"  # leads a process group: signals to ours don't reach it
    OURS = "ours"  # stays in our group: the terminal's Ctrl-C reaches both of us


class CommandNotStartedError(GitmlError):
    """The program can't be started; `exit_code` is a shell's: 127 not found, 126 otherwise."""

    def __init__(self, program: str, code: int, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"'{program}' can't be run: {reason}", hint=hint)
        self.program = program
        self.exit_code = code


def spawn(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    streams: Mapping[int, int],
    terminal: str | None = None,
    terminal_streams: Sequence[int] = (),
    placement: Placement,
) -> int:
    """Start `command` and return its process id.

    Args:
        command: Program and arguments; no shell is involved.
        environment: The whole environment of the program. The program is
            searched in our own `PATH`.
        streams: Which of our descriptors become its 0, 1 or 2.
        terminal: Path of a pseudo-terminal, which becomes the session's terminal.
        terminal_streams: Which of 0, 1, 2 are that terminal. What is in neither
            is inherited.
        placement: See `Placement`.

    Raises:
        CommandNotStartedError: The program is not there or can't be run.
    """
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = []
    if terminal is not None and terminal_streams:
        first, *others = terminal_streams
        # The first terminal that the leader of a session opens becomes its own.
        actions.append((os.POSIX_SPAWN_OPEN, first, terminal, os.O_RDWR, 0))
        actions.extend((os.POSIX_SPAWN_DUP2, first, other) for other in others)
    actions.extend((os.POSIX_SPAWN_DUP2, ours, number) for number, ours in streams.items())
    arguments = list(command)
    # Python ignores SIGPIPE for itself; programs expect to die of it.
    defaults = [signal.SIGPIPE, signal.SIGXFSZ]
    environment = dict(environment)
    try:
        if placement is Placement.SESSION:
            return os.posix_spawnp(
                arguments[0], arguments, environment, file_actions=actions, setsigdef=defaults, setsid=True
            )
        if placement is Placement.GROUP:
            return os.posix_spawnp(
                arguments[0], arguments, environment, file_actions=actions, setsigdef=defaults, setpgroup=0
            )
        return os.posix_spawnp(arguments[0], arguments, environment, file_actions=actions, setsigdef=defaults)
    except (OSError, ValueError) as err:
        raise _not_started(arguments[0], err, environment.get("PATH")) from err


def _not_started(program: str, error: OSError | ValueError, search: str | None) -> CommandNotStartedError:
    if isinstance(error, ValueError):
        return CommandNotStartedError(program, 126, f"{error}")
    path = _where(program, search)
    if error.errno == errno.ENOENT:
        if path is not None:
            return CommandNotStartedError(
                program,
                126,
                "the interpreter that its first line names does not exist",
                hint=f"head -n 1 {path}",
            )
        return CommandNotStartedError(program, 127, "it was not found", hint=_not_found_hint(program))
    if path is not None and path.is_dir():
        return CommandNotStartedError(program, 126, "it is a folder")
    if error.errno == errno.EACCES:
        return CommandNotStartedError(
            program, 126, "it is not executable", hint=f"chmod +x {program}" if path is not None else None
        )
    if error.errno == errno.ENOEXEC:
        return CommandNotStartedError(
            program,
            126,
            "it is neither a program nor a script that says what runs it",
            hint="begin the script with a line like '#!/bin/sh'",
        )
    return CommandNotStartedError(program, 126, (error.strerror or str(error)).lower())


def _where(program: str, search: str | None) -> Path | None:
    import shutil  # loads compression libraries, and is only needed to explain a failure

    found = program if os.sep in program else shutil.which(program, path=search)
    return Path(found) if found and Path(found).exists() else None


def _not_found_hint(program: str) -> str:
    if " " in program:
        return "give program and arguments as separate words: gitml run python train.py"
    if os.sep not in program and Path(program).is_file():
        return f"programs of this folder need a path: gitml run ./{program}"
    return "check the spelling, or whether its environment is active"
