"""What a check of a repository can find."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Severity(Enum):
    """What a problem means."""

    DAMAGED = "damaged"  # something is not what it should be, or is lost
    MISSING = "missing"  # not here, but it can be had elsewhere
    UNTIDY = "untidy"  # harmless: left behind, or known to be gone


class Area(Enum):
    """What was looked at."""

    RECORDS = "records"
    GIT = "git"
    OBJECTS = "objects"
    INDEX = "index"
    LIVE = "live"
    LEFTOVERS = "leftovers"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it should be.

    Attributes:
        area: Where it is.
        severity: What it means.
        what: In words.
        hint: What can be done; "" for nothing to type.
        oid: The object, if it is about one.
        repaired: Whether it is right now.
        where: Remotes that have it, or may have it.
    """

    area: Area
    severity: Severity
    what: str
    hint: str = ""
    oid: str | None = None
    repaired: bool = False
    where: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found, and how much it looked at.

    Attributes:
        problems: What is not as it should be.
        commits: Commits that were inspected.
        objects: Objects that runs point at.
        bytes_read: Bytes that were hashed.
        notes: What was left out, and why.
    """

    problems: tuple[Problem, ...] = ()
    commits: int = 0
    objects: int = 0
    bytes_read: int = 0
    notes: tuple[str, ...] = field(default=())

    @property
    def worst(self) -> Severity | None:
        """The worst of what is still wrong; None if all is well or merely untidy."""
        left = {problem.severity for problem in self.problems if not problem.repaired}
        return next((one for one in (Severity.DAMAGED, Severity.MISSING) if one in left), None)
