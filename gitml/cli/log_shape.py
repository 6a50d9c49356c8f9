"""What `gitml log` shows, and how it is laid out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.entities.run import Run
    from gitml.index.search import View


class Shape(NamedTuple):
    """How the runs are laid out."""

    columns: tuple[str, ...] | None = None
    keep: tuple[str, ...] = ()
    everything: bool = False
    group_by: str | None = None
    graph: bool = False
    oneline: bool = False
    vertical: bool = False


class Found(NamedTuple):
    """The runs to show, how many match in all, and how many there are.

    `view` says which there are: those not deleted, the deleted ones or all. `is_cut` says that more
    match, and are left out only because nobody said how many to show.
    """

    runs: Sequence[Run]
    matching: int
    total: int
    filtered: bool
    view: View
    is_cut: bool = False
