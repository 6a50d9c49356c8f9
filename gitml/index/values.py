"""Params as columns and back: the number to compare, the text to match."""

from __future__ import annotations

import json
import math

from gitml.entities.run import ParamValue
from gitml.index.literals import parse_number, storable

# What a param's value was; text and numbers first, because SQLite stores 0 and 1 in no space.
TEXT, NUMBER, BOOLEAN, NULL, LIST = range(5)

ParamRow = tuple[int, object, str]


def clean(text: str) -> str:
    """Make a text one that UTF-8 can hold: a hand-written escape may be half a character."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def param_row(value: ParamValue) -> ParamRow:
    """Write a param as type, number and text.

    The number is None where there is none and of NaN; a text that spells a
    number has it too, because runs from MLflow hold nothing but texts.
    """
    if isinstance(value, float):
        return (NUMBER, None if math.isnan(value) else value, repr(value))
    if isinstance(value, str):
        return (TEXT, number_in(value), value)
    if isinstance(value, bool):
        return (BOOLEAN, None, "true" if value else "false")
    if isinstance(value, int):
        return (NUMBER, storable(value), str(value))
    if value is None:
        return (NULL, None, "null")
    return (LIST, None, json.dumps(value, ensure_ascii=False))


def number_in(text: str) -> int | float | None:
    """The number that a text spells; None if it spells none, or NaN."""
    if text[:1] not in "+-.0123456789iI":
        return None
    number = parse_number(text)
    return None if number is None or math.isnan(number) else number


def param_value(kind: int, number: float | None, text: str) -> ParamValue:
    """Read a param back from its columns."""
    if kind == TEXT:
        return text
    if kind == NUMBER:
        if number is None:
            return math.nan
        # Integers beyond 64 bits are held as floats, and exactly as text.
        return int(text) if text.lstrip("-").isdigit() else number
    if kind == BOOLEAN:
        return text == "true"
    if kind == NULL:
        return None
    value: ParamValue = json.loads(text)
    return value
