"""From an entry point and values to a line for the shell: values are quoted and never become shell."""

from __future__ import annotations

import shlex
import shutil
import uuid
from collections.abc import Mapping
from functools import cache

from gitml.entities.project import EntryPoint
from gitml.errors import InvalidNameError, InvalidValueError, UsageError
from gitml.execution.shell_text import Scanner
from gitml.formats.command_template import Placeholder, parse_command
from gitml.formats.mlproject import is_parameter_name
from gitml.formats.parameter_text import not_for_programs
from gitml.tracking.secrets import redact_value


class UnquotableError(UsageError):
    """A value with special characters would go where the shell does not take it as it is."""

    def __init__(self, entry: str, name: str, where: str) -> None:
        super().__init__(
            f"the value of '{name}' has characters that are special to the shell, "
            f"and the command of '{entry}' has '{{{name}}}' {where}",
            hint=f"values are quoted already: write {{{name}}} as a word of its own",
        )
        self.name = name


def shell_command(entry: EntryPoint, values: Mapping[str, str]) -> str:
    """Fill an entry point's command with values.

    Declared parameters go where the command has them; others are appended as `--key value`, in
    their order. Every value is one argument, or part of one, whatever it holds.

    Args:
        entry: The entry point.
        values: Texts of all its parameters, and others.

    Raises:
        CommandError: The command has braces that mean nothing.
        InvalidNameError: A key can't be that of a parameter.
        InvalidValueError: A value can't be handed to a program.
        UnquotableError: A value would go where it can't be quoted.
        UsageError: A value of a parameter is missing, or nothing can be appended.
    """
    declared = frozenset(parameter.name for parameter in entry.parameters)
    scanner = Scanner()
    line = ""
    for part in _parts(entry):
        if isinstance(part, str):
            scanner.feed(part)
            line += part
            continue
        if part.name not in values:
            raise UsageError(f"'{entry.name}' lacks a value of '{part.name}'", hint=f"-P {part.name}=VALUE")
        line += _quoted(entry, part.name, values[part.name], scanner.where)
    others = {key: value for key, value in values.items() if key not in declared}
    if others and scanner.where is not None:
        raise UsageError(
            f"'{next(iter(others))}' is no parameter of '{entry.name}', and its command ends {scanner.where}, "
            "where nothing can be appended",
            hint="declare it in the entry point's parameters",
        )
    return " ".join(
        [line, *(f"--{check_key(key)} {_quoted(entry, key, value, None)}" for key, value in others.items())]
    )


def recorded_command(entry: EntryPoint, values: Mapping[str, str]) -> str:
    """Fill an entry point's command as it may be recorded: a value that looks like a secret is left out.

    Args:
        entry: The entry point.
        values: As of `shell_command`, which has taken them.
    """
    placeholders: dict[str, str] = {}
    shown = dict(values)
    for key, value in values.items():
        clean, found = redact_value(key, value)
        if found:  # a word that can go anywhere, quotes or not
            shown[key] = f"gitml{uuid.uuid4().hex}"
            placeholders[shown[key]] = str(clean)
    line = shell_command(entry, shown)
    for word, placeholder in placeholders.items():
        line = line.replace(word, placeholder)
    return line


def between_quotes(entry: EntryPoint) -> dict[str, str]:
    """Tell which parameters' values could not be quoted where the command has them, and what is there.

    Raises:
        CommandError: The command has braces that mean nothing.
    """
    scanner = Scanner()
    found: dict[str, str] = {}
    for part in _parts(entry):
        if isinstance(part, str):
            scanner.feed(part)
        elif scanner.where is not None:
            found[part.name] = scanner.where
    return found


def command_argv(command: str) -> tuple[str, ...]:
    """Say how a line is handed to the shell: bash, as MLflow does, or sh where there is none."""
    return (shell(), "-c", command)


@cache
def shell() -> str:
    """Name the shell of this machine that commands are written for."""
    return "bash" if shutil.which("bash") else "sh"


def check_key(key: str) -> str:
    """Accept the name of a parameter.

    Raises:
        InvalidNameError: It has other characters than letters, digits, '_', '-' and '.'.
    """
    if not is_parameter_name(key):
        raise InvalidNameError(
            "parameter", key, "names have letters, digits, '_', '-' and '.', and no '-' in front"
        )
    return key


def _parts(entry: EntryPoint) -> tuple[str | Placeholder, ...]:
    declared = frozenset(parameter.name for parameter in entry.parameters)
    return parse_command(_without_end(entry.command), declared)


def _without_end(command: str) -> str:
    """Leave out line ends at the end, also continued ones: what is appended belongs to the last line."""
    end = len(command)
    while end and command[end - 1] in " \t\n":
        end -= 1
        if command[end] == "\n" and _is_escaped(command, end):
            end -= 1
    return command[: end + 1] if _is_escaped(command, end) else command[:end]


def _is_escaped(command: str, position: int) -> bool:
    start = position
    while start and command[start - 1] == "\\":
        start -= 1
    return (position - start) % 2 == 1


def _quoted(entry: EntryPoint, name: str, value: str, where: str | None) -> str:
    problem = not_for_programs(value)
    if problem is not None:
        raise InvalidValueError("parameter", name, problem)
    if where is None:
        return shlex.quote(value)
    if value and shlex.quote(value) != value:
        raise UnquotableError(entry.name, name, where)
    return value
