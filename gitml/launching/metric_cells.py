"""Cells of a file of metrics that are not what their column holds: told, so that no value changes in silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_NOTHING = frozenset(("", "-", "--", "na", "n/a", "#n/a", "nan", "nil", "none", "null"))
_LONGEST = 40


class OddCells:
    """What was found amiss in one file; of each kind the first is named and the others are counted."""

    def __init__(self) -> None:
        self._with_numbers: set[str] = set()
        self._texts: dict[str, tuple[str, int]] = {}
        self._steps: dict[str, tuple[str, int]] = {}
        self._beyond: dict[str, tuple[str, int]] = {}

    def number(self, column: str) -> None:
        """Note that a column holds numbers."""
        self._with_numbers.add(column)

    def value(self, place: str, column: str, cell: Any) -> None:
        """Note a cell that holds no number; what says that there is none, or a column without numbers, is well."""
        if isinstance(cell, str) and not _is_nothing(cell):
            _add(self._texts, column, f"{place}: {column} {_shown(cell)} is no number and is left out")

    def step(self, place: str, column: str, cell: Any, used: int) -> None:
        """Note a step that can't be one, and which is recorded in its place."""
        if not _is_nothing(cell):
            _add(
                self._steps,
                column,
                f"{place}: {column} {_shown(cell)} is no whole number; step {used} is recorded for it",
            )

    def beyond(self, place: str, cells: list[str]) -> None:
        """Note cells of a row beyond its table's last column."""
        if not all(map(_is_nothing, cells)):
            shown = ", ".join(map(_shown, cells[:3]))
            _add(self._beyond, "", f"{place}: {shown} stands under no name and is left out")

    def sentences(self) -> Iterator[str]:
        """Say what was found."""
        texts = (found for column, found in self._texts.items() if column in self._with_numbers)
        for said, count in (*self._steps.values(), *texts, *self._beyond.values()):
            yield said + (f" (and {count - 1:,} more like it)" if count > 1 else "")


def _add(found: dict[str, tuple[str, int]], column: str, said: str) -> None:
    first, count = found.get(column, (said, 0))
    found[column] = (first, count + 1)


def _is_nothing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in _NOTHING)


def _shown(cell: Any) -> str:
    text = f"'{cell}'" if isinstance(cell, str) else str(cell)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
