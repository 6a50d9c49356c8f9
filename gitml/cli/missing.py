"""A command that was typed with nothing after it: what it needs, and how it is typed."""

from __future__ import annotations

import re

import click

_OPTIONAL = re.compile(r"\[([^]]+)\](\.\.\.)?")
_EXAMPLE = re.compile(r"Examples?:\s+(gitml .*)")


def explain_missing(context: click.Context) -> tuple[str, str]:
    """Say what a command needs, and what to type."""
    command, path = context.command, context.command_path
    if isinstance(command, click.Group):
        found = {name: command.get_command(context, name) for name in command.list_commands(context)}
        names = ", ".join(name for name, part in found.items() if part is not None and not part.hidden)
        return f"{path} needs a command: {names}", f"{path} --help"
    example = _EXAMPLE.search(command.help or "")
    such_as = f"such as {example[1]}; " if example else ""
    return f"{path} needs {_needed(command, context)}", f"{such_as}{path} --help says all of it"


def _needed(command: click.Command, context: click.Context) -> str:
    arguments = [part for part in command.params if isinstance(part, click.Argument)]
    # One that can be left out is needed where nothing is given: else it would not be an error.
    needed = [part for part in arguments if part.required] or arguments[:1]
    words = [_bare(part.make_metavar(context)) for part in needed]
    words += [part.opts[0] for part in command.params if isinstance(part, click.Option) and part.required]
    return " and ".join(words) or "arguments"


def _bare(metavar: str) -> str:
    optional = _OPTIONAL.match(metavar)  # the first, where others follow it
    return optional[1] + (optional[2] or "") if optional else metavar
