"""What the output is: a terminal or a pipe, how wide, with which letters and colours."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TextIO

from gitml.render.ink import Ink


class ColourMode(str, Enum):
    """When to write in colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass
class Session:
    """The command line, and what its options before the command ask for; one for each start of gitml."""

    arguments: tuple[str, ...] = ()

    colour: ColourMode = ColourMode.AUTO
    paging: bool = True
    traceback: bool = False
    json_errors: bool = False


class Screen(NamedTuple):
    """What standard output can show.

    Attributes:
        ink: Colours and letters.
        cells: Its width; None where nothing limits a line, as in a pipe.
        lines: Its height; None in a pipe.
        paging: Whether a pager may come in between.
    """

    ink: Ink
    cells: int | None = None
    lines: int | None = None
    paging: bool = False

    @property
    def interactive(self) -> bool:
        """Whether a person looks at it."""
        return self.cells is not None


def session() -> Session:
    """Find what the global options of the running command said."""
    import click  # loaded already wherever a command runs

    context = click.get_current_context(silent=True)
    found = context.find_object(Session) if context else None
    return found or Session()


def screen() -> Screen:
    """Look at standard output."""
    asked = session()
    ink = Ink(wants_colour(sys.stdout, asked.colour, os.environ), speaks_unicode(sys.stdout))
    if not sys.stdout.isatty():
        return Screen(ink)
    size = shutil.get_terminal_size()
    return Screen(ink, size.columns, size.lines, asked.paging and os.environ.get("TERM") != "dumb")


def wants_colour(stream: TextIO, mode: ColourMode, environ: Mapping[str, str]) -> bool:
    """Decide whether to write in colour: the option, then the environment, then the stream."""
    if mode is not ColourMode.AUTO:
        return mode is ColourMode.ALWAYS
    if any(environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def speaks_unicode(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether who reads a stream has all letters.

    In the C locale Python writes UTF-8, lest names be lost that are not ASCII. But who sets that
    locale wants plain signs, as other programs write them then; where none is set, Python has
    put C.UTF-8 in its place.
    """
    if not (stream.encoding or "ascii").lower().replace("-", "").startswith("utf"):
        return False
    if environ.get("PYTHONIOENCODING") or environ.get("PYTHONUTF8") == "1":
        return True
    locale = next(filter(None, map(environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    return locale not in ("C", "POSIX")


def signs(text: str, stream: TextIO) -> str:
    """Write gitml's own signs with the letters that a stream has."""
    return Ink(unicode=speaks_unicode(stream)).sign(text)
