"""What `gitml models check` found: lines for people, records for programs."""

from __future__ import annotations

from typing import Any

from gitml.entities.policy import Check
from gitml.registry.asking import Asked
from gitml.render.ink import PLAIN, Ink
from gitml.render.listing import Listing
from gitml.render.text import clean, pad, plural, width

_MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("○", "dim")}
_FIELDS = ("check", "holds", "why", "line")


def policy_lines(asked: Asked, ink: Ink = PLAIN) -> list[str]:
    """Tell what is asked, what holds, and what it comes to."""
    what = f"{clean(asked.model)} v{asked.version} into {clean(asked.stage)}"
    if asked.source is None:
        return [f"{what}: the project has no policy: nothing is asked"]
    size = max((width(clean(check.name)) for check in asked.checks), default=0)
    lines = [f"{what}, by {clean(asked.source)}"]
    for check in asked.checks:
        sign, style = _MARKS[check.holds]
        mark = ink.paint(ink.sign(sign), style)
        lines.append(f"  {mark} {pad(clean(check.name), size)}  {clean(check.why)}")
    if asked.move is not None and asked.move.override is not None:
        lines.append(f"  overridden: {clean(asked.move.override)}")
    return [*lines, _verdict(asked, ink)]


def _verdict(asked: Asked, ink: Ink) -> str:
    failed = sum(check.holds is False for check in asked.checks)
    later = sum(check.holds is None for check in asked.checks)
    if failed:
        return ink.paint(
            f"{failed} of {plural(len(asked.checks), 'check')} {'does' if failed == 1 else 'do'} not hold",
            "red",
        )
    if not asked.checks:
        return "nothing is asked"
    if later:
        return f"all holds that can be seen before ({ink.sign('○')}: when it is made)"
    return ink.paint("all holds", "green")


def _document(check: Check) -> dict[str, Any]:
    return {"check": check.name, "holds": check.holds, "why": check.why, "line": check.line or None}


def policy_document(asked: Asked) -> dict[str, Any]:
    """Describe what is asked and found; `holds` is null of what shows only when the promotion is made."""
    return {
        "model": asked.model,
        "version": asked.version,
        "stage": asked.stage,
        "policy": asked.source,
        "holds": asked.holds,
        "tag": asked.move.ref if asked.move else None,
        "override": asked.move.override if asked.move else None,
        "checks": [_document(check) for check in asked.checks],
    }


def policy_listing(asked: Asked) -> Listing:
    """List what is asked."""
    return Listing.of("checks", [_document(check) for check in asked.checks], _FIELDS)
