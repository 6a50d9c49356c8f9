"""The reason that a Python program gave for its end: the line below its last traceback.

It is looked for in what a program wrote last to its standard error, whoever wrote it
there: the program itself, a launcher that it was started by, a shell around both.
"""

from __future__ import annotations

import re
import unicodedata

_LINES_AFTER = 10  # of a message of many lines, or of a launcher that tells of the end
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_RANK = re.compile(r"\[\w{1,20}\]: ?")  # as torchrun writes before each line of a process
_HEADER = "Traceback (most recent call last)"
_FILE = re.compile(r'\s+File ".*", line \d+')
_FRAME = re.compile(r"[\s│╭╰+|]")  # rich draws a box around them
_ERROR = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*(?::|$)")
_IGNORED = "Exception ignored in"  # told while Python ends, about something else


def python_error(tail: bytes) -> str | None:
    r"""Find the line that says what a program was ended by.

    Args:
        tail: What it wrote last to standard error.

    Returns:
        The line, without anything that could move a cursor; None if no traceback is at
        the end.

    Example:
        >>> python_error(b'Traceback (most recent call last):\n  File "t.py", line 3\nValueError: bad loss\n')
        'ValueError: bad loss'
    """
    found, after = None, 0
    inside = ignored = False
    before = ""
    for line in _SEQUENCE.sub("", tail.decode("utf-8", "replace")).splitlines():
        text = line[match.end() :] if (match := _RANK.match(line)) else line
        if not text.strip():
            continue
        if _HEADER in text:
            inside, ignored = True, before.startswith(_IGNORED)
        elif _FRAME.match(text):
            inside = inside or _FILE.match(text) is not None  # a syntax error has no header
        elif inside:
            inside = False
            if not ignored and _ERROR.match(text):
                found, after = text.rstrip(), 0
        else:
            after += not ignored
            ignored = False
        before = text
    return None if found is None or after > _LINES_AFTER else _harmless(found)


def _harmless(text: str) -> str:
    """Escape what moves a cursor or reorders letters."""
    return "".join(
        letter if unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else _escaped(letter)
        for letter in text
    )


def _escaped(letter: str) -> str:
    return " " if letter == "\t" else f"\\x{ord(letter):02x}" if letter < "\x80" else ascii(letter)[1:-1]
