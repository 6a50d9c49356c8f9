"""Give a recorded command line other values: `lr=0.2` in place of `--lr 0.1`.

Which words a param was read from is found by reading them again, so that what
is changed is what was recorded.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gitml.entities.run import ParamValue
from gitml.errors import UsageError
from gitml.launching.arguments import MAX_ITEMS, params_from_arguments
from gitml.launching.command_line import parse_command_line

_REDACTED = re.compile(r"\[redacted(?:: [^\]]*)?\]")
_NUMBER = re.compile(r"-[0-9.]")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class UnknownParameterError(UsageError):
    """A value is given for what the run has no parameter of."""

    def __init__(self, name: str, known: Sequence[str], *, logged: bool = False) -> None:
        close = difflib.get_close_matches(name, known, n=3)
        why = "the program set it by itself, and no word of its command line does"
        super().__init__(
            f"--set '{name}': {why if logged else 'the run has no parameter of that name'}",
            hint=f"did you mean {', '.join(close)}?" if close
            else f"it can set {', '.join(sorted(known)[:12]) or 'nothing: its command has no named arguments'}",
        )  # fmt: skip
        self.name = name


class RedactedCommandError(UsageError):
    """A word of the recorded command is a placeholder for a secret."""

    def __init__(self, word: str, name: str | None) -> None:
        super().__init__(
            f"the recorded command has '{word}' in place of a secret",
            hint=f"give it: --set {name}=…" if name
            else "that word has no name to give it by: run the command yourself, from gitml checkout",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Argument:
    """A param and the words of a command line, `[start, end)`, that it was read from."""

    name: str
    value: ParamValue
    start: int
    end: int


def find_arguments(command: Sequence[str]) -> list[Argument]:
    """Find the named arguments of a command line; never fails.

    Example:
        >>> [(found.name, found.start, found.end) for found in find_arguments(["prog", "--lr", "1", "x", "b=2"])]
        [('lr', 1, 3), ('b', 4, 5)]
    """
    words = list(command)
    at = len(words) - len(parse_command_line(words).arguments)
    found = []
    while at < len(words) and words[at] != "--":
        end = at + 1
        params = params_from_arguments(words[at:end])
        while len(params) == 1 and end < len(words):
            longer = params_from_arguments(words[at : end + 1])
            again = params_from_arguments(words[end : end + 1]).keys() == params.keys()  # given once more
            if again or len(longer) != 1 or repr(longer) == repr(params):
                break
            params, end = longer, end + 1
        found += [Argument(name, value, at, end) for name, value in params.items()]
        at = end
    return found


def change_command(
    command: Sequence[str], changes: Mapping[str, str], logged: Sequence[str] = ()
) -> tuple[str, ...]:
    """Put other values into a command line.

    An argument keeps its form. Of one with several values (`--layers 64 32`)
    the new ones are separated by spaces. A flag is taken away by the opposite
    of what it says.

    Args:
        command: The words, as recorded.
        changes: The new value of each argument to change.
        logged: Names of params that the run has, from wherever.

    Raises:
        UnknownParameterError: No argument of the command has that name.
        UsageError: It is there several times, or is a flag and the value is no truth value.
        RedactedCommandError: A secret is left that was not recorded.
    """
    arguments = find_arguments(command)
    words = [[word] for word in command]
    for name, text in changes.items():
        matching = [argument for argument in arguments if argument.name == name]
        if not matching:
            raise UnknownParameterError(name, [found.name for found in arguments], logged=name in logged)
        argument = matching[0]
        if len(matching) > 1 or (isinstance(argument.value, list) and len(argument.value) >= MAX_ITEMS):
            raise UsageError(
                f"--set '{name}': the command gives it several times, or too many values for it",
                hint="run the command yourself, from gitml checkout",
            )
        old = command[argument.start : argument.end]
        words[argument.start : argument.end] = [_changed(argument, old, text), *([[]] * (len(old) - 1))]
    changed = tuple(word for group in words for word in group)
    _refuse_redacted(changed)
    return changed


def _changed(argument: Argument, old: Sequence[str], text: str) -> list[str]:
    first = old[0]
    if len(old) > 1:
        values = text.split() if len(old) > 2 else [text]
        if len(values) == 1 and text.startswith("-") and not _NUMBER.match(text) and first.startswith("--"):
            return [f"{first}={text}"]  # apart, it would be an option itself
        return [first, *values]
    if "=" in first:
        return [f"{first.partition('=')[0]}={text}"]
    if not isinstance(argument.value, bool):
        return [f"{first[:2]}{text}"]  # `-j4`
    if text.lower() not in (*_TRUE, *_FALSE):
        raise UsageError(
            f"--set '{argument.name}': it is a flag, and '{text}' is neither true nor false",
            hint=f"--set {argument.name}={str(not argument.value).lower()}",
        )
    return [first] if (text.lower() in _TRUE) == argument.value else []


def _refuse_redacted(command: Sequence[str]) -> None:
    for at, word in enumerate(command):
        if _REDACTED.search(word):
            names = (found.name for found in find_arguments(command) if found.start <= at < found.end)
            raise RedactedCommandError(word, next(names, None))


def is_redacted(text: str) -> bool:
    """Whether a text holds a placeholder for a secret."""
    return _REDACTED.search(text) is not None
