"""What was taken back before anybody else had it, and what can be."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from gitml.entities.registry import MoveTag
from gitml.registry.withdrawing import Withdrawal, Withdrawn
from gitml.render.listing import Listing
from gitml.render.model_version_text import happened
from gitml.render.text import clean

_FIELDS = ("model", "version", "kind", "name", "event", "ref", "oid", "kept")


def withdrawal_command(one: Withdrawal) -> str:
    """The command that takes it back."""
    model, what = clean(one.model), clean(one.what)
    if one.kind == "version":
        return f"gitml models withdraw {shlex.quote(f'{model}@v{what}')}"
    place = shlex.quote(what if one.kind == "stage" else f"@{what}")
    return f"gitml models withdraw {shlex.quote(model)} {place}{' --all' if one.several else ''}"


def withdrawn_lines(done: Sequence[Withdrawn]) -> list[str]:
    """Say what was taken back, one a line."""
    return [
        f"{clean(one.model)}: withdrawn: {happened(one.tag)}; it is kept: git cat-file tag {clean(one.kept)}"
        for one in done
    ]


def withdrawn_listing(done: Sequence[Withdrawn]) -> Listing:
    """Describe what was taken back for programs."""
    return Listing.of("withdrawn", [_row(one) for one in done], _FIELDS)


def _row(one: Withdrawn) -> dict[str, object]:
    tag = one.tag
    facts: tuple[object, ...] = (
        (tag.version, tag.kind, tag.name, tag.event)
        if isinstance(tag, MoveTag)
        else (tag.number, "version", None, "registered")
    )
    return dict(zip(_FIELDS, (one.model, *facts, tag.ref, tag.oid, one.kept), strict=True))
