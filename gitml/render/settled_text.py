"""What became of tags whose names somebody else was faster to take: what was done, and what to type."""

from __future__ import annotations

import shlex
from typing import Any

from gitml.entities.registry import ARCHIVED, REMOVED, MoveTag, VersionTag
from gitml.formats.registry_names import stage_key
from gitml.render.numbers import local_text, utc_text
from gitml.render.text import clean
from gitml.sync.settled import PutAside, Renumbered, Settled


def renumbered_lines(settled: Settled, *, dry_run: bool = False) -> list[str]:
    """Say which versions have another number now."""
    verb = "would become" if dry_run else "is now"
    return [
        f"{clean(one.model)} v{one.old} {verb} v{one.new}: {_who(one.first)} registered another v{one.old} first"
        for one in settled.renumbered
    ]


def settled_problems(settled: Settled, remote: str) -> list[str]:
    """Say what did not happen, one problem a line, and what to type."""
    lines = [_lost(one, remote) for one in settled.aside if not _is_the_same(one)]
    lines += [
        clean(
            f"tag '{one.ref.removeprefix('refs/tags/')}' is another one there, and yours could not be renumbered: "
            f"{one.error.message}{f' ({one.error.hint})' if one.error.hint else ''}; then: gitml push {remote}"
        )
        for one in settled.stuck
    ]
    return lines


def settled_notes(settled: Settled, remote: str) -> list[str]:
    """Say what was not made because somebody else had made the very same: nothing is amiss."""
    return [_lost(one, remote) for one in settled.aside if _is_the_same(one)]


def _is_the_same(one: PutAside) -> bool:
    ours, first = one.event, one.first
    return (
        first is not None
        and (first.version, first.event) == (one.version, ours.event)
        and first.ref == ours.ref
    )


def _lost(one: PutAside, remote: str) -> str:
    model, ours, first = clean(one.model), one.event, one.first
    place = clean(ours.name if ours.kind == "stage" else f"@{ours.name}")
    head = f"{model}: your {_what(one)} was not made: "
    kept = f"yours is kept: git cat-file tag {one.kept}"
    if first is None:
        return f"{head}'{clean(ours.ref.removeprefix('refs/tags/'))}' is taken at {clean(remote)}; {kept}"
    said = f" ('{clean(first.comment)}')" if first.comment else ""
    head += f"{_who(first)} changed {place} first, to {_did(first)}{said}; {kept}"
    if _is_the_same(one):
        return f"{head}; that is the same, nothing is left to do"
    return f"{head}; look: gitml models history {shlex.quote(model)}; if you still want it: {again(one)}"


def _who(first: VersionTag | MoveTag | None) -> str:
    return "somebody" if first is None else f"{clean(first.who)} at {local_text(first.time_ms)}"


def _did(event: MoveTag) -> str:
    return f"v{event.version} out of it" if event.event == REMOVED else f"v{event.version}"


def _what(one: PutAside) -> str:
    event = one.event
    version = f"v{one.version}"
    if event.kind == "alias":
        name = clean(event.name)
        return f"removal of @{name}" if event.event == REMOVED else f"alias @{name} for {version}"
    if event.event == REMOVED:
        return f"demotion of {version} from {clean(event.name)}"
    return f"{'rollback' if event.left else 'promotion'} of {version} to {clean(event.name)}"


def again(one: PutAside) -> str:
    """The command that does it again."""
    event = one.event
    model, name = shlex.quote(clean(one.model)), shlex.quote(clean(event.name))
    if event.kind == "alias":
        what = "--delete" if event.event == REMOVED else str(one.version)
        return f"gitml models alias {model} {name} {what}"
    if event.event == REMOVED:
        return f"gitml models demote {model} {one.version}"
    if stage_key(event.name) == stage_key(ARCHIVED):
        return f"gitml models archive {model} {one.version}"
    return f"gitml models promote {model} {one.version} {name}"


def settled_document(settled: Settled) -> dict[str, Any]:
    """Describe it for programs."""
    return {
        "renumbered": [_renumbered(one) for one in settled.renumbered],
        "put_aside": [_aside(one) for one in settled.aside],
        "stuck": [{"ref": one.ref, "reason": str(one.error)} for one in settled.stuck],
    }


def _renumbered(one: Renumbered) -> dict[str, Any]:
    return {
        "model": one.model, "from": one.old, "to": one.new, "ref_before": one.before, "ref": one.ref,
        "first": _by(one.first),
    }  # fmt: skip


def _aside(one: PutAside) -> dict[str, Any]:
    return {
        "model": one.model, "version": one.version, one.event.kind: one.event.name, "event": one.event.event,
        "ref": one.event.ref, "kept": one.kept, "again": again(one), "first": _by(one.first),
    }  # fmt: skip


def _by(first: VersionTag | MoveTag | None) -> dict[str, Any] | None:
    if first is None:
        return None
    found: dict[str, Any] = {"who": first.who, "time": utc_text(first.time_ms)}
    if isinstance(first, MoveTag):
        found |= {"version": first.version, "event": first.event, "comment": first.comment}
    return found
