"""What became of tags whose names somebody else was faster to take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.errors import GitmlError
from gitml.repo import Repo

if TYPE_CHECKING:
    from gitml.entities.registry import MoveTag, VersionTag


@dataclass(frozen=True, slots=True)
class Renumbered:
    """A version that was never shared, and has another number now.

    Attributes:
        model: The model's name.
        old: The number that somebody else's version has.
        new: The number that it has now.
        before: The tag's name before.
        ref: The tag's name now.
        oid: The tag now.
        first: Whoever was faster; None if their tag can't be read.
    """

    model: str
    old: int
    new: int
    before: str
    ref: str
    oid: str
    first: VersionTag | None


@dataclass(frozen=True, slots=True)
class PutAside:
    """An event that lost to another one, and did not happen.

    Attributes:
        model: The model's name.
        version: The number that its version has now.
        event: The event as it was made here.
        kept: The ref that keeps it.
        first: The event that won; None if it can't be read.
    """

    model: str
    version: int
    event: MoveTag
    kept: str
    first: MoveTag | None


@dataclass(frozen=True, slots=True)
class Stuck:
    """A version whose number is taken, and that can't be given another."""

    ref: str
    error: GitmlError


@dataclass(frozen=True, slots=True)
class Settled:
    """All that was settled."""

    renumbered: tuple[Renumbered, ...] = ()
    aside: tuple[PutAside, ...] = ()
    stuck: tuple[Stuck, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything was changed."""
        return bool(self.renumbered or self.aside)

    def and_then(self, later: Settled) -> Settled:
        """Add what was settled after it."""
        return Settled(self.renumbered + later.renumbered, self.aside + later.aside, later.stuck)

    @property
    def refs(self) -> frozenset[str]:
        """The names that are somebody else's now."""
        return frozenset([one.before for one in self.renumbered] + [one.event.ref for one in self.aside])


# Given the tags of a remote, gives way to them where nobody has seen ours; `True` only tells what would be done.
Settle = Callable[[Repo, Mapping[str, str], bool], Settled]
