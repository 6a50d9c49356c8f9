"""From the values of one trial to what is launched."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Protocol

from gitml.entities.run import ParamValue
from gitml.errors import RefusedError, UsageError
from gitml.formats.names import check_name
from gitml.launching.argument_values import read_params
from gitml.launching.arguments import params_from_arguments
from gitml.launching.command_line import parse_command_line
from gitml.launching.request import LaunchRequest
from gitml.tracking.values import same_param

_OPTION_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]*")
_SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh", "fish", "ash", "su", "runuser"))
_SCRIPT_OPTION = re.compile(r"-[A-Za-z]*c")
_HARMLESS = re.compile(r"[A-Za-z0-9_./:=,@%+-]+")
_NUMBER = re.compile(r"[-+]?\.?[0-9].*")


class ShellValueError(RefusedError):
    """A value would become part of a shell's script, and be read as more than a value."""

    def __init__(self, name: str, value: str) -> None:
        super().__init__(
            f"'{name}' is {value!r:.80}, which a shell would read as more than a value",
            hint=f"hand it over as an argument: sh -c 'python train.py \"$1\"' sh {{{name}}}",
        )
        self.name = name
        self.value = value


class Runner(Protocol):
    """What a sweep runs again and again; it is used in several processes."""

    def make_request(self, values: Mapping[str, str]) -> LaunchRequest:
        """Say what to run with these values, by name.

        Raises:
            GitmlError: The values don't fit.
        """
        ...


class CommandRunner:
    """Runs a program with other arguments each time.

    A value takes the place of `{name}` wherever the command has it; else that
    of the value of an option `--name` that is there; else `--name value` is
    added at the end of the options.

    Args:
        request: What to run, with the command as it was given.
    """

    def __init__(self, request: LaunchRequest) -> None:
        self._request = request

    def make_request(self, values: Mapping[str, str]) -> LaunchRequest:
        """Put the values into the command."""
        command = command_with(self._request.command, values)
        # What is read from the arguments gives way where the program logs it itself: it knows that 1 is 1.0.
        seen = (
            params_from_arguments(parse_command_line(command).arguments) if self._request.auto_params else {}
        )
        given = (read_params(check_name("param", name), text) for name, text in values.items())
        params = {name: value for of_one in given for name, value in of_one.items()}
        unseen = {name: value for name, value in params.items() if not _is_seen(name, value, seen)}
        return replace(self._request, command=command, params={**self._request.params, **unseen})


def _is_seen(name: str, value: ParamValue, seen: Mapping[str, ParamValue]) -> bool:
    key = name.replace("-", "_")
    return key in seen and same_param(seen[key], value)


def command_with(command: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Put values into a command line.

    Raises:
        UsageError: A name can be no option.
        ShellValueError: A value would become part of a shell's script.

    Example:
        >>> command_with(["train", "--lr=1", "{opt}"], {"lr": "0.1", "opt": "sgd", "depth": "-2"})
        ('train', '--lr=0.1', 'sgd', '--depth', '-2')
    """
    words = list(command)
    placed = _fill(words, values)
    own = len(words) - len(parse_command_line(words).arguments)
    first = own if own < len(words) else 1  # before that are the options of an interpreter
    for name, value in values.items():
        if name not in placed and not _replace_option(words, first, name, value):
            end = words.index("--", own) if "--" in words[own:] else len(words)
            words[end:end] = _option(name, value)
    return tuple(words)


def _fill(words: list[str], values: Mapping[str, str]) -> set[str]:
    """Replace `{name}` in place, each once, so that no value is read for names; gives those that were there."""
    placed: set[str] = set()
    pattern = re.compile("|".join(re.escape(f"{{{name}}}") for name in values) or r"(?!)")
    scripts = _scripts(words)
    for at, word in enumerate(words):

        def put(match: re.Match[str], at: int = at) -> str:
            name = match.group()[1:-1]
            if at in scripts and not _HARMLESS.fullmatch(values[name]):
                raise ShellValueError(name, values[name])
            placed.add(name)
            return values[name]

        words[at] = pattern.sub(put, word)
    return placed


def _scripts(words: Sequence[str]) -> set[int]:
    """Find the words that a shell is to run: what follows `-c`."""
    return {
        at + 1
        for at, word in enumerate(words)
        if _SCRIPT_OPTION.fullmatch(word) and any(PurePath(before).name in _SHELLS for before in words[:at])
    }


def _replace_option(words: list[str], first: int, name: str, value: str) -> bool:
    """Give an option that is there another value; of several the last one counts, so the others go."""
    spellings = {f"--{name}", f"--{name.replace('_', '-')}", f"--{name.replace('-', '_')}"}
    found = False
    at = first
    while at < len(words) and words[at] != "--":
        word, equals, _ = words[at].partition("=")
        if word not in spellings:
            at += 1
            continue
        end = at + 1
        if (
            not equals
            and end < len(words)
            and (not words[end].startswith("-") or _NUMBER.fullmatch(words[end]))
        ):
            end += 1
        new = [] if found else [f"{word}={value}"] if equals else _spelled(word, value)
        words[at:end] = new
        found, at = True, at + len(new)
    return found


def _option(name: str, value: str) -> list[str]:
    if not _OPTION_NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' can be no option of a program", hint=f"say in the command where it goes: {{{name}}}"
        )
    return _spelled(f"--{name}", value)


def _spelled(option: str, value: str) -> list[str]:
    """Write an option so that its value is never read as another option."""
    if value.startswith("-") and not _NUMBER.fullmatch(value):
        return [f"{option}={value}"]
    return [option, value]
