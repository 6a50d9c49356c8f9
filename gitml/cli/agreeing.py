"""Ask before what somebody else chose runs for the first time."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from gitml.errors import RefusedError

if TYPE_CHECKING:
    from gitml.execution.agreement import Foreign


def agree(foreign: Foreign | None, facts: Mapping[str, str], *, trust: bool) -> None:
    """Let through what is one's own, trusted, or agreed to now.

    Args:
        foreign: What somebody else chose, None if it is one's own.
        facts: What is shown of it, beside who chose it: label to text.
        trust: Whether it was said that nobody is to be asked.

    Raises:
        RefusedError: The answer was no, or nobody can be asked.
    """
    from gitml.execution.agreement import needs_agreement, refuse_unagreed, remember_agreement

    if foreign is not None and not trust and needs_agreement(foreign, os.environ):
        _show(foreign, facts)
        if sys.stdin.isatty() and sys.stderr.isatty():
            if not typer.confirm("Run this?", err=True):
                raise RefusedError("nothing was run")
            remember_agreement(foreign, os.environ)
    refuse_unagreed(foreign, os.environ, trust=trust)


def _show(foreign: Foreign, facts: Mapping[str, str]) -> None:
    from gitml.render.text import clean

    rows = {"run": f"{foreign.run.id} {foreign.run.name}", "because": foreign.reason, **facts}
    for label, text in rows.items():
        if text:
            print(f"{label:<12} {clean(text)}", file=sys.stderr)
