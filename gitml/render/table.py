"""Tables that never wrap: what doesn't fit is left out, and named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gitml.render.ink import PLAIN, Ink
from gitml.render.text import clip, pad, width

GAP = "  "


class Cell(NamedTuple):
    """A piece of text with a style. The text is clean already."""

    text: str
    style: str = ""


class Column(NamedTuple):
    """How a column is set.

    Attributes:
        title: Its heading, clean already.
        right: Whether it is aligned to the right, as numbers are.
        drop: When it goes if the table is too wide: 0 never, the highest first.
        narrowest: The cells below which it may not be clipped; None for never clipped.
        name: What to call it when it was left out; "" for not to be mentioned.
    """

    title: str
    right: bool = False
    drop: int = 0
    narrowest: int | None = None
    name: str = ""


class Table(NamedTuple):
    """Columns and rows of cells, each row as long as there are columns."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    heading: bool = True


class Drawing(NamedTuple):
    """A table's lines, and the names of the columns that had no room."""

    lines: list[str]
    left_out: list[str]


def draw(table: Table, *, cells: int | None = None, ink: Ink = PLAIN) -> Drawing:
    """Set a table.

    Args:
        table: What to set.
        cells: How wide it may be; None for as wide as it needs.
        ink: How to write.
    """
    widths = [
        max([width(column.title) if table.heading else 0, *(width(row[i].text) for row in table.rows)])
        for i, column in enumerate(table.columns)
    ]
    shown, left_out = _fit(table.columns, widths, cells)
    lines = []
    if table.heading:
        titles = [Cell(column.title, "dim") for column in table.columns]
        lines.append(_line(titles, table.columns, widths, shown, ink))
    lines += [_line(row, table.columns, widths, shown, ink) for row in table.rows]
    return Drawing(lines, left_out)


def _fit(columns: Sequence[Column], widths: list[int], cells: int | None) -> tuple[list[int], list[str]]:
    """Choose the columns that fit, and narrow in place those that may be clipped."""
    shown = list(range(len(columns)))
    left_out: list[int] = []
    if cells is None:
        return shown, []

    narrow = [_least(column, size) for column, size in zip(columns, widths, strict=True)]
    excess = _across(narrow) - cells
    for i in sorted(shown, key=lambda i: (columns[i].drop, i), reverse=True):
        if excess <= 0 or not columns[i].drop:
            break
        left_out.append(i)
        excess -= narrow[i] + len(GAP)
    gone = set(left_out)
    shown = [i for i in shown if i not in gone]
    excess = _across([widths[i] for i in shown]) - cells
    for i in reversed(shown):
        if excess <= 0:
            break
        cut = min(excess, widths[i] - narrow[i])
        widths[i] -= cut
        excess -= cut
    return shown, [columns[i].name for i in sorted(left_out) if columns[i].name]


def _across(sizes: Sequence[int]) -> int:
    return sum(sizes) + len(GAP) * (len(sizes) - 1)


def _least(column: Column, size: int) -> int:
    return size if column.narrowest is None else min(size, max(column.narrowest, width(column.title)))


def _line(
    row: Sequence[Cell], columns: Sequence[Column], widths: Sequence[int], shown: Sequence[int], ink: Ink
) -> str:
    parts = []
    for place, i in enumerate(shown):
        text = ink.sign(clip(row[i].text, widths[i]))
        last = place == len(shown) - 1
        filled = text if last and not columns[i].right else pad(text, widths[i], right=columns[i].right)
        parts.append(filled.replace(text, ink.paint(text, row[i].style), 1) if row[i].style else filled)
    return GAP.join(parts).rstrip()
