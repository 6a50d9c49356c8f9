"""The root of the command line: global options, lazy commands, errors to exit codes."""

from __future__ import annotations

import importlib
import io
import os
import re
import sys
import warnings
from typing import Annotated, Any

import click
import typer
from click.shell_completion import CompletionItem
from typer.core import TyperGroup
from typer.main import get_command, get_group

from gitml.cli import failures
from gitml.cli.commands import COMMANDS, HIDDEN
from gitml.cli.terminal import ColourMode, Session
from gitml.errors import NotFoundError, UsageError

PROGRAM = "gitml"
COMPLETE = "_GITML_COMPLETE"
_SCRIPT_OPTIONS = ("--install-completion", "--show-completion")  # typer's
HELP_NAMES = {"help_option_names": ["-h", "--help"]}


class UnknownCommandError(UsageError):
    """There is no command of that name."""

    def __init__(self, name: str) -> None:
        import difflib  # 10 ms, only for who mistyped

        close = difflib.get_close_matches(name, [c for c in COMMANDS if COMMANDS[c] not in HIDDEN], n=2)
        hint = (
            f"did you mean {' or '.join(f'gitml {c}' for c in close)}?"
            if close
            else "gitml --help lists them"
        )
        super().__init__(f"there is no command '{name}'", hint=hint)


class FolderNotFoundError(NotFoundError):
    """The folder of `-C` is not there."""

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"there is no folder '{folder}'", hint="give -C a folder that is there, or leave it out"
        )


class LazyGroup(TyperGroup):
    """A group whose commands are loaded when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, in the order of the help."""
        del ctx
        return [name for name in COMMANDS if COMMANDS[name] not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        del ctx
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        part = typer.Typer(rich_markup_mode=None, add_completion=False, context_settings=HELP_NAMES)
        importlib.import_module(f"gitml.cli.{entry.module}").register(part)
        return prepared(get_group(part).commands[cmd_name])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with.

        Raises:
            UnknownCommandError: There is no such command.
        """
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UnknownCommandError(args[0])
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            PipeClosedError: The reader of standard output has gone.
        """
        try:
            return super().invoke(ctx)
        except click.UsageError as err:
            name = ctx.invoked_subcommand
            command = self.get_command(ctx, name) if err.ctx is None and name else None
            if command is not None:  # click leaves out whose option lacks a value
                err.ctx = click.Context(command, parent=ctx, info_name=name)
            raise
        except BrokenPipeError as err:  # click would end the process with a status of its own
            raise failures.PipeClosedError from err

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview of all commands without loading them."""
        from gitml.cli.overview import overview

        del ctx
        formatter.write(overview())

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command's name without loading the commands."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=COMMANDS[name].summary)
            for name in self.list_commands(ctx)
            if name.startswith(incomplete)
        ]


def prepared(command: click.Command) -> click.Command:
    """Give a command and those below it `-h`, and keep the lines of examples in its help."""
    command.context_settings = {**HELP_NAMES, **command.context_settings}
    if command.help:
        command.help = re.sub(r"(?m)^(Examples?:\n)", "\b\n\\1", command.help)
    for part in command.commands.values() if isinstance(command, click.Group) else ():
        prepared(part)
    return command


def _version(value: bool) -> None:
    if value:
        from gitml import __version__

        print(PROGRAM, __version__)
        raise typer.Exit


def _root(
    ctx: typer.Context,
    folder: Annotated[
        str | None, typer.Option("-C", metavar="DIR", help="Run as if started in this folder.")
    ] = None,
    colour: Annotated[
        ColourMode, typer.Option("--color", "--colour", help="When to write in colour.")
    ] = ColourMode.AUTO,
    no_pager: Annotated[bool, typer.Option("--no-pager", "-P", help="Never start a pager.")] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where in the code an error came from.")
    ] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """MLflow tracking with no server: every run is a git commit."""
    asked = ctx.ensure_object(Session)
    asked.colour, asked.paging, asked.traceback = colour, not no_pager, traceback
    if folder:
        try:
            os.chdir(folder)
        except (FileNotFoundError, NotADirectoryError):
            raise FolderNotFoundError(folder) from None
    if ctx.invoked_subcommand is None and not ctx.resilient_parsing:
        from gitml.cli.overview import first_screen

        sys.stdout.write(first_screen())


def build() -> click.Command:
    """Make the root command."""
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, context_settings=HELP_NAMES)
    app.callback(cls=LazyGroup, invoke_without_command=True)(_root)
    return get_command(app)


def run(argv: list[str] | None = None) -> int:
    """Run gitml and give its exit status.

    Args:
        argv: The arguments without the program's name; those of the process if not given.
    """
    arguments = sys.argv[1:] if argv is None else argv
    asked = Session(tuple(arguments))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = _show_warning
            root = build()
            _prepare_completion(arguments)
            status: Any = root(args=argv, prog_name=PROGRAM, standalone_mode=False, obj=asked)
        sys.stdout.flush()
    except BaseException as err:  # noqa: BLE001 - the outermost frame: each becomes an exit status
        return failures.report(err, asked)
    return status if isinstance(status, int) else 0


def _prepare_completion(argv: list[str]) -> None:
    if COMPLETE in os.environ or any(word.startswith(_SCRIPT_OPTIONS) for word in argv[:1]):
        from gitml.cli import complete_shell  # only where a shell asks

        complete_shell.use()


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Say what the library warns of as everything else is said, without a line of its code."""
    from gitml.cli.output import warn

    warn(str(message))
