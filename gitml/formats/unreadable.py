"""Files of text that can't be read: why, in words instead of Python's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

_JSON = {
    "Expecting value": "a value is missing",
    "Expecting property name enclosed in double quotes": "a name in double quotes is missing",
    "Expecting ':' delimiter": "':' is missing",
    "Expecting ',' delimiter": "',' or the closing bracket is missing",
    "Extra data": "more follows where it should end",
    "Unterminated string starting at": "a text has no closing quote",
    "Invalid control character at": "a text has a control character in it",
}


def load_json_lines(lines: Iterable[str]) -> Iterator[tuple[int, Any]]:
    """Read a JSON value a line, each with the number of its line; lines of spaces are passed over.

    Raises:
        JSONDecodeError: A line is no JSON; says which.
    """
    for number, line in enumerate(lines):
        if line.strip():
            try:
                yield number + 1, json.loads(line)
            except json.JSONDecodeError as err:
                # As part of a text in which it is that line.
                raise json.JSONDecodeError(err.msg, "\n" * number + line, number + err.pos) from None


def json_problem(err: json.JSONDecodeError) -> str:
    """Say what keeps a text from being JSON, without the place."""
    return _JSON.get(err.msg, err.msg[:1].lower() + err.msg[1:])


def why_unreadable(err: Exception) -> str:
    r"""Say why a file of JSON, YAML or a table can't be read.

    Args:
        err: What reading or decoding it raised.

    Example:
        >>> why_unreadable(json.JSONDecodeError("Expecting ',' delimiter", "[1 2]", 3))
        "it is no JSON: ',' or the closing bracket is missing, line 1, column 4"
        >>> why_unreadable(json.JSONDecodeError("Expecting value", " ", 1))
        'it is empty'
        >>> why_unreadable(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"))
        'it is not UTF-8 text (byte 0)'
    """
    if isinstance(err, json.JSONDecodeError):
        if not err.doc.strip():
            return "it is empty"
        return f"it is no JSON: {json_problem(err)}, line {err.lineno:,}, column {err.colno:,}"
    if isinstance(err, UnicodeDecodeError):
        return f"it is not UTF-8 text (byte {err.start})"
    if isinstance(err, RecursionError):
        return "it is nested too deep"
    if isinstance(err, OSError) and err.strerror:
        return err.strerror.lower()
    position, reason = getattr(err, "position", None), getattr(err, "reason", None)
    if position is not None and reason is not None:  # PyYAML's reader, which is not loaded for this
        return f"it holds what no text can hold (byte {position}: {reason})"
    return str(err)
