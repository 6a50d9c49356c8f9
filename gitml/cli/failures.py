"""Errors become a message, a hint and an exit status."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import sys
import traceback
from collections.abc import Mapping, Sequence
from itertools import pairwise

import click

from gitml.cli import advice
from gitml.cli.missing import explain_missing
from gitml.cli.terminal import Session, speaks_unicode, wants_colour
from gitml.errors import GitmlError, NotFoundError, RefusedError, RemoteError, UsageError
from gitml.render.ink import Ink
from gitml.render.text import clean_block

INTERRUPTED = 130
PIPE_CLOSED = 141  # 128 + SIGPIPE, as git gives
BUG = 70

_ROOM = "make room on that disk, or write to another place, and run the command again"
_OS_HINTS = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: _ROOM,
    errno.EROFS: "that disk can only be read: write to another place, or mount it for writing",
    errno.EACCES: "ask for the right to, or choose another place",
    errno.EPERM: "ask for the right to, or choose another place",
    errno.ENOENT: "see whether the name is right, and the disk that it is on is mounted",
    errno.EISDIR: "give the name of a file",
}


class PipeClosedError(Exception):
    """Whoever read the output has gone, as `head` does."""


def report(err: BaseException, asked: Session) -> int:
    """Tell of an error on standard error.

    Returns:
        The exit status that belongs to it.
    """
    if isinstance(err, SystemExit):
        return err.code if isinstance(err.code, int) else int(err.code is not None)
    if isinstance(err, (BrokenPipeError, PipeClosedError)):
        return _pipe_closed()
    if isinstance(err, (KeyboardInterrupt, click.Abort)):
        return INTERRUPTED
    if asked.traceback:
        traceback.print_exception(err, file=sys.stderr)
    message, hint, status = _explain(err, asked)
    _tell(err, message, hint, status, asked)
    return status


def _explain(err: BaseException, asked: Session) -> tuple[str, str | None, int]:
    if isinstance(err, GitmlError):
        return err.message, err.hint, err.exit_code
    if isinstance(err, click.exceptions.NoArgsIsHelpError):
        return *explain_missing(err.ctx), err.exit_code
    if isinstance(err, click.ClickException):
        return *_explain_usage(err, asked), err.exit_code
    if isinstance(err, OSError) and err.strerror:
        where = f": '{err.filename}'" if err.filename is not None else ""
        return err.strerror.lower() + where, _OS_HINTS.get(err.errno or 0), _os_kind(err).exit_code
    return f"this is a bug in gitml ({type(err).__name__}: {err})"[:500], _write_report(err), BUG


def _os_kind(err: OSError) -> type[GitmlError]:
    """Sort a failure of the operating system by what the reader should do next."""
    if err.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFoundError
    if err.errno in (errno.EISDIR, errno.ENAMETOOLONG):
        return UsageError
    return RemoteError if isinstance(err, (ConnectionError, TimeoutError)) else RefusedError


_KINDS = {"integer": "whole number", "float": "number"}
_NOT_OF_KIND = re.compile(r"is not a valid (integer|float)(?: range)?\b")
_NOT_IN_RANGE = re.compile(r"is not in the range (?:(\S+?)<=)?x(?:>=(\S+)|<=(\S+))?")


def _in_words(message: str) -> str:
    """Say what click says of values without its notation."""
    message = _NOT_OF_KIND.sub(lambda match: f"is no {_KINDS[match[1]]}", message)
    match = _NOT_IN_RANGE.search(message)
    if match is None:
        return message
    low, high = match[1] or match[2], match[3]
    limits = f"between {low} and {high}" if low and high else f"at least {low}" if low else f"at most {high}"
    return f"{message[: match.start()]}is not {limits}{message[match.end() :]}"


def _explain_usage(err: click.ClickException, asked: Session) -> tuple[str, str | None]:
    message = err.format_message().rstrip(".").replace("\n", " ")
    message = _in_words(message[:1].lower() + message[1:])
    if isinstance(err, click.NoSuchOption):
        message = f"there is no option '{err.option_name}'"
        before = _before_command(err, asked)
        if before:
            return message, f"it goes before the command: {before}"
        if err.possibilities:
            return message, f"did you mean {' or '.join(sorted(err.possibilities))}?"
    context = err.ctx if isinstance(err, click.UsageError) else None
    help_text = f"{context.command_path if context else 'gitml'} --help"
    # typer and newer versions of click each add what could be meant.
    message, _, close = message.partition(". Did you mean ")
    return (
        message,
        f"did you mean {close.partition('?')[0]}? {help_text or ''}".rstrip() if close else help_text,
    )


def _before_command(err: click.NoSuchOption, asked: Session) -> str | None:
    """Write the command line with an option of gitml itself where it belongs; None if it is none of those."""
    context, name = err.ctx, err.option_name
    root = context.find_root() if context else None
    if context is None or root is None or context is root:
        return None
    option = next((one for one in root.command.params if name in (*one.opts, *one.secondary_opts)), None)
    if option is None:
        return None
    program, _, command = context.command_path.partition(" ")
    return f"{program} {_typed(option, name, asked.arguments)} {command}"


def _typed(option: click.Parameter, name: str, arguments: Sequence[str]) -> str:
    """Find an option as it was typed, its value with it; else write what kind of value it takes."""
    if isinstance(option, click.Option) and option.is_flag:
        return name
    attached = next((word for word in arguments if word.startswith(f"{name}=")), None)
    if attached is not None:
        return shlex.quote(attached)
    value = next((after for word, after in pairwise(arguments) if word == name), None)
    if value is not None:
        return f"{name} {shlex.quote(value)}"
    choices = option.type.choices if isinstance(option.type, click.Choice) else ()
    return f"{name} {option.metavar or '|'.join(map(str, choices))}"


def _tell(err: BaseException, message: str, hint: str | None, status: int, asked: Session) -> None:
    if asked.json_errors or _would_be_json(err):
        facts: Mapping[str, object] = {
            "type": type(err).__name__,
            "message": message,
            "hint": hint,
            "exit_code": status,
        }
        print(json.dumps({"schema": 1, "error": facts}), file=sys.stderr)
        return
    ink = Ink(wants_colour(sys.stderr, asked.colour, os.environ), speaks_unicode(sys.stderr))
    print(ink.paint("error:", "bold red"), ink.sign(clean_block(message)), file=sys.stderr)
    if hint and advice.is_wanted():
        print(ink.paint("hint:", "bold"), ink.sign(clean_block(hint)), file=sys.stderr)


def _would_be_json(err: BaseException) -> bool:
    """Whether a command line that could not be read asked for JSON."""
    context = err.ctx if isinstance(err, click.UsageError) else None
    if context is None:
        return False
    formats = {name for option in context.command.params for name in option.opts} & {"--json", "--jsonl"}
    return not formats.isdisjoint(sys.argv)


def _pipe_closed() -> int:
    # Python flushes standard output once more at exit; give it somewhere to go.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return PIPE_CLOSED


def _write_report(err: BaseException) -> str:
    """Keep the traceback in a file and say where."""
    import platform
    import tempfile

    from gitml.tracking.secrets import redact_command

    lines = [
        f"python: {sys.version}",
        f"platform: {platform.platform()}",
        f"command: {redact_command(sys.argv)[0]}",
        "",
        *traceback.format_exception(err),
    ]
    with tempfile.NamedTemporaryFile(
        "w", prefix="gitml-bug-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as file:
        file.write("\n".join(lines))
    return f"please report it with the file {file.name}"
