"""Whether what somebody else chose may run here: a run that is done again, or a sweep that is gone on with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gitml.entities.run import Run
from gitml.errors import RefusedError
from gitml.execution.trust import is_trusted, remember_trust
from gitml.repo import Repo


class NotAgreedError(RefusedError):
    """Nobody has agreed to run what somebody else chose."""

    def __init__(self, foreign: Foreign) -> None:
        super().__init__(
            f"the run is code that somebody else chose ({foreign.reason}), and nobody can be asked whether it "
            "is to run here",
            hint=f"look at it: gitml show {foreign.run.id[:7]}; then give --trust",
        )
        self.reason = foreign.reason


@dataclass(frozen=True, slots=True)
class Foreign:
    """What somebody else chose.

    Attributes:
        run: The run that says what is run.
        reason: Why it is not one's own choice.
        place: Where it is from, or whom.
        content: Names exactly what runs, so that an answer is for nothing else.
    """

    run: Run
    reason: str
    place: str
    content: str


def find_foreign(repo: Repo, run: Run, *content: str) -> Foreign | None:
    """Say what somebody else chose of a run; None if it is one's own.

    The record says who made a run. Nothing proves that unless it is signed.

    Args:
        repo: Where it is recorded.
        run: The run.
        content: Texts that say exactly what would run.
    """
    exact = "\0".join(content)
    if run.project is not None and run.project.uri is not None:
        return Foreign(run, f"its code came from {run.project.uri}", run.project.uri, exact)
    if run.user != repo.settings.author:
        return Foreign(run, f"it was made by {run.user or 'nobody known'}", f"run by {run.user}", exact)
    return None


def needs_agreement(foreign: Foreign | None, environ: Mapping[str, str]) -> bool:
    """Whether somebody has to agree: it is not one's own choice, and was not agreed to before."""
    return foreign is not None and not is_trusted(environ, foreign.place, foreign.content)


def remember_agreement(foreign: Foreign | None, environ: Mapping[str, str]) -> None:
    """Remember that somebody agreed, so that nobody is asked again for the same."""
    if foreign is not None:
        remember_trust(environ, foreign.place, foreign.content)


def refuse_unagreed(foreign: Foreign | None, environ: Mapping[str, str], *, trust: bool = False) -> None:
    """Let only through what is one's own or trusted; for callers with nobody to ask.

    Raises:
        NotAgreedError: It is neither.
    """
    if trust:
        remember_agreement(foreign, environ)
    elif foreign is not None and needs_agreement(foreign, environ):
        raise NotAgreedError(foreign)
