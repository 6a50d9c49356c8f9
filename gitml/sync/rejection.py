"""What a push wants, and why a server does not let it in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReceivedRef:
    """A ref of a push: where it is and where it shall be; None is nowhere."""

    ref: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a ref can't be as pushed.

    Attributes:
        ref: The ref.
        rule: A word for programs: those of `Finding`, `history`, `ref`, `name`, `tag` or `counter`.
        message: What is wrong.
        remedy: What to do about it.
    """

    ref: str
    rule: str
    message: str
    remedy: str
