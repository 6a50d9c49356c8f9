"""Colour and marks: what a status looks like, with colour or without."""

from __future__ import annotations

from typing import NamedTuple

from gitml.entities.run import RunStatus

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}

_MARKS = {
    RunStatus.RUNNING: ("●", "*"),
    RunStatus.SCHEDULED: ("◌", "o"),
    RunStatus.FINISHED: ("✓", "+"),
    RunStatus.FAILED: ("✗", "x"),
    RunStatus.KILLED: ("■", "#"),
}

STATUS_STYLE = {
    RunStatus.RUNNING: "cyan",
    RunStatus.SCHEDULED: "dim",
    RunStatus.FINISHED: "green",
    RunStatus.FAILED: "red",
    RunStatus.KILLED: "yellow",
}

# What stands in for gitml's own signs where the locale has no such letters.
_ASCII = str.maketrans(
    {
        "…": "~",
        "–": "-",
        "·": "|",
        "→": "->",
        "↑": "^",
        "↓": "v",
        "▲": "+",
        "▼": "-",
        "±": "+/-",
        "○": "o",
        "│": "|",
        "─": "-",
        "←": "<-",
        "●": "*",
        "◌": "o",
        "✓": "+",
        "✗": "x",
        "■": "#",
    }
)


class Ink(NamedTuple):
    """How to write on one output.

    Attributes:
        colour: Whether styles become ANSI sequences.
        unicode: Whether the output's encoding is a Unicode one.
    """

    colour: bool = False
    unicode: bool = True

    def paint(self, text: str, style: str = "") -> str:
        """Wrap text in a style: words such as "bold green", or nothing."""
        if not self.colour or not style or not text:
            return text
        codes = ";".join(_CODES[word] for word in style.split())
        return f"\x1b[{codes}m{text}\x1b[0m"

    def sign(self, text: str) -> str:
        """Write gitml's own signs with the letters that this output has."""
        return text if self.unicode else text.translate(_ASCII)

    def mark(self, status: RunStatus) -> str:
        """Give a status its one-letter mark, uncoloured."""
        return _MARKS[status][0 if self.unicode else 1]


PLAIN = Ink()
