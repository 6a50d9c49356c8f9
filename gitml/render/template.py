"""Templates like git's: `--format '%h %s %(metrics.acc)'`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gitml.entities.run import Run
from gitml.errors import UsageError
from gitml.index.expressions import Kind
from gitml.render.fields import (
    SHORT_ID,
    Names,
    UnknownColumnError,
    field_value,
    find_field,
    kind_of_name,
)
from gitml.render.numbers import format_age, format_duration, format_param, utc_text
from gitml.render.text import clean, clean_block

# git's letters where git has one for the same thing.
_LETTERS: Mapping[str, Callable[[Run], str]] = {
    "H": lambda run: run.id,
    "h": lambda run: run.id[:SHORT_ID],
    "s": lambda run: run.name,
    "e": lambda run: run.experiment,
    "S": lambda run: run.status.value,
    "C": lambda run: run.code.commit or "",
    "c": lambda run: (run.code.commit or "")[:SHORT_ID],
    "an": lambda run: run.user or "",
    "ad": lambda run: utc_text(run.start_ms),
    "ar": lambda run: format_age(run.start_ms, int(time.time() * 1000)),
    "at": lambda run: str(run.start_ms // 1000),
    "d": lambda run: format_duration(run.duration_s),
    "N": lambda run: run.note,
}
_PLACEHOLDER = re.compile(
    r"%(?:\((?P<field>[^()]*(?:\([^()]*\)[^()]*)*)\)|x(?P<hex>[0-9a-fA-F]{2})|(?P<letter>a[a-z]|.|$))",
    re.DOTALL,
)
_KEYED = (Kind.METRIC, Kind.PARAM, Kind.TAG)
Part = Callable[[Run], str]


class FormatError(UsageError):
    """A template that can't be read."""

    def __init__(self, what: str, hint: str | None = None) -> None:
        super().__init__(f"--format has {what}", hint=hint or "gitml help formats lists what it can have")


@dataclass(frozen=True, slots=True)
class Template:
    """A text with placeholders, read: literal pieces, and what stands for something that a run has."""

    parts: tuple[str | Part, ...]

    def fill(self, run: Run, *, safe: bool = False) -> str:
        """Fill it from a run.

        Args:
            run: The run.
            safe: Whether what the run holds is made safe to look at on a terminal.
        """
        shown = clean_block if safe else str
        return "".join(part if isinstance(part, str) else shown(part(run)) for part in self.parts)


def parse_template(text: str, names: Callable[[], Names | None]) -> Template:
    r"""Read a template with git-like placeholders.

    `%h` `%H` `%s` … and `%(metrics.acc)`, `%(lr)`, `%(tags.team)`, `%(status)`; `%n` is a line
    end, `%x09` a byte by its number, `%%` a percent sign.

    Args:
        text: The template.
        names: Gives the metrics, params and tags that there are; None where there is no run yet, so that no
            name can be told from a mistake. Asked only if the template names a field.

    Raises:
        FormatError: A placeholder means nothing.
    """
    known = cache(names)
    parts: list[str | Part] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        parts += [text[end : match.start()], _part(match, known)]
        end = match.end()
    return Template((*parts, text[end:]))


def _part(match: re.Match[str], names: Callable[[], Names | None]) -> str | Part:
    if match["field"] is not None:
        return _field(match["field"], names())
    if match["hex"] is not None:
        return chr(int(match["hex"], 16))
    letter = match["letter"]
    if letter in ("n", "%"):
        return "\n" if letter == "n" else "%"
    if letter not in _LETTERS:
        raise FormatError(f"the unknown placeholder '%{letter}'")
    return _LETTERS[letter]


def _field(name: str, names: Names | None) -> Part:
    kind, key = kind_of_name(name)
    try:
        field = name if names is None else find_field(name, (), names)
    except UnknownColumnError as err:
        if kind not in _KEYED:
            raise FormatError(f"the unknown field '%({clean(name)})'", err.hint) from None
        field = f"{kind.value}.{key}"  # no run has it, which a script can't know: each gives an empty text
    return lambda run: _text(field_value(run, field))


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else format_param(value)
