"""Commands with `{parameter}` where values go, as MLflow has them: Python's braces without its expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitml.errors import UsageError

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_EXPRESSION = re.compile(r"[.\[!:]")


class CommandError(UsageError):
    """A command has braces that mean nothing."""

    def __init__(self, problem: str, hint: str | None = None) -> None:
        super().__init__(f"the command {problem}", hint=hint)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Where the value of a parameter goes."""

    name: str


def parse_command(command: str, known: frozenset[str]) -> tuple[str | Placeholder, ...]:
    """Take a command apart: text as it is, and parameters' places.

    Args:
        command: `python train.py --lr {lr}`; `{{` and `}}` are braces themselves.
        known: The parameters that there are.

    Raises:
        CommandError: A brace has no partner, or what is in braces is no parameter.

    Example:
        >>> parse_command("echo {{a}} {lr}", frozenset(["lr"]))
        ('echo {a} ', Placeholder(name='lr'))
    """
    parts: list[str | Placeholder] = []
    text, end = "", 0
    for match in _BRACES.finditer(command):
        text += command[end : match.start()]
        end = match.end()
        if match.group() in ("{{", "}}"):
            text += match.group()[0]
        elif match[1] is None:
            raise CommandError(
                f"has a lone '{match.group()}'", f"for the brace itself write '{match.group() * 2}'"
            )
        else:
            _check_before(match[1], text)
            _check(match[1], known)
            parts += [text, Placeholder(match[1])]
            text = ""
    return tuple(part for part in (*parts, text + command[end:]) if part != "")


def _check_before(name: str, text: str) -> None:
    """The shell would not take the value as it is."""
    shown = f"{{{name[:100]}}}"
    if text.endswith("$"):
        raise CommandError(
            f"has '${shown}', which is neither a parameter nor a variable of the shell",
            f"write '{shown}' for the parameter, '${{{shown}}}' for the variable",
        )
    if (len(text) - len(text.rstrip("\\"))) % 2:
        raise CommandError(
            f"has a backslash before '{shown}'", f"for the braces themselves write '{{{shown}}}'"
        )


def _check(name: str, known: frozenset[str]) -> None:
    shown = f"{{{name[:100]}}}"
    if name in known:
        return
    if not name:
        raise CommandError("has '{}', which names no parameter", "for the braces themselves write '{{}}'")
    if _EXPRESSION.search(name):
        raise CommandError(
            f"has '{shown}'; in braces only a parameter's name can stand, no expression and no format",
            f"for the braces themselves write '{{{shown}}}'",
        )
    import difflib

    close = difflib.get_close_matches(name, sorted(known), n=1) if _NAME.fullmatch(name) else []
    there = f"it has {', '.join(sorted(known))}" if known else "it has none"
    raise CommandError(
        f"has '{shown}', but the entry point has no parameter of that name",
        f"did you mean '{{{close[0]}}}'?"
        if close
        else f"{there}; for the braces themselves write '{{{shown}}}'",
    )


def placeholders(command: str, known: frozenset[str]) -> frozenset[str]:
    """Name the parameters that a command has places for.

    Raises:
        CommandError: As `parse_command`.
    """
    return frozenset(part.name for part in parse_command(command, known) if isinstance(part, Placeholder))
