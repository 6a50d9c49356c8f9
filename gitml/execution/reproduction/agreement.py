"""Whether code that somebody else chose may run here."""

from __future__ import annotations

from collections.abc import Mapping

from gitml.entities.run import Run
from gitml.errors import RefusedError
from gitml.execution.reproduction.reproducing import Preview
from gitml.execution.trust import is_trusted, remember_trust


class NotAgreedError(RefusedError):
    """Nobody has agreed to run code that somebody else chose."""

    def __init__(self, run: Run, reason: str) -> None:
        super().__init__(
            f"the run is code that somebody else chose ({reason}), and nobody can be asked whether it is to "
            "run here",
            hint=f"look at it: gitml show {run.id[:7]}; then give --trust",
        )
        self.reason = reason


def needs_agreement(preview: Preview, environ: Mapping[str, str]) -> bool:
    """Whether somebody has to agree: it is not one's own code, and was not agreed to before."""
    return preview.foreign is not None and not is_trusted(environ, *_what(preview))


def remember_agreement(preview: Preview, environ: Mapping[str, str]) -> None:
    """Remember that somebody agreed, so that nobody is asked again for the same code."""
    if preview.foreign is not None:
        remember_trust(environ, *_what(preview))


def refuse_unagreed(preview: Preview, environ: Mapping[str, str], *, trust: bool = False) -> None:
    """Let only code through that is one's own or trusted; for callers with nobody to ask.

    Raises:
        NotAgreedError: It is neither.
    """
    if trust:
        remember_agreement(preview, environ)
    elif needs_agreement(preview, environ):
        raise NotAgreedError(preview.plan.original, str(preview.foreign))


def _what(preview: Preview) -> tuple[str, str]:
    """Name the code: by its tree, which is what runs; the record's word on its commit may be wrong."""
    source = preview.plan.source
    place = source.uri or f"run by {preview.plan.original.user}"
    return place, str(source.code.tree if source.code is not None else "")
