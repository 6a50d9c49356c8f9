"""What a push or pull did, in a few lines and as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gitml.entities.artifact import Pointer
from gitml.git.remote import Verdict
from gitml.render.left_text import left_document
from gitml.render.numbers import format_size
from gitml.render.settled_text import renumbered_lines, settled_document, settled_notes, settled_problems
from gitml.render.text import clean, plural
from gitml.store.base import Transferred
from gitml.sync.pulling import Fetched, Pulled
from gitml.sync.pushing import Pushed, Way


def push_lines(done: Pushed, *, dry_run: bool) -> list[str]:
    """Say what went."""
    remote = clean(done.remote)
    parts = [plural(done.records, "record")] if done.records and done.way is not Way.NOTHING else []
    parts += _objects(done.objects)
    parts += [plural(len(done.tags.made), "tag")] if done.tags.made else []
    if not parts:
        left = done.left
        everything = "all runs" if left.missing or left.failed or left.known else "everything"
        lines = [f"{remote} has {everything} already"]
    elif dry_run:
        lines = [f"would send {_list(parts)} to {remote}"]
    else:
        lines = [f"sent {_list(parts)} to {remote}"]
    if done.way is Way.INBOX and not dry_run:
        lines.append(
            f"they wait in the inbox of {remote}: every pull sees them, and the next sync puts them on the branch"
        )
    lines += renumbered_lines(done.settled, dry_run=dry_run)
    lines += _trigger_lines(done, dry_run=dry_run)
    if done.folded:
        lines.append(f"put {plural(len(done.folded), 'push', many='pushes')} from the inbox on the branch")
    return lines


def _trigger_lines(done: Pushed, *, dry_run: bool) -> list[str]:
    started = [one for one in done.tags.triggers if one.verdict is Verdict.DONE]
    failed = [one for one in done.tags.triggers if one.verdict in (Verdict.REFUSED, Verdict.BEHIND)]
    verb = "would start" if dry_run else "starts"
    lines = [f"CI {verb} for {plural(len(started), 'promotion')}"] if started else []
    return lines + [
        f"CI was not started: '{clean(_short(one.ref))}' was refused ({clean(one.reason)}); "
        f"later: gitml ci trigger {clean(_short(one.ref))}"
        for one in failed
    ]


def push_problems(done: Pushed, remedies: Mapping[str, str] = {}) -> list[str]:
    """Say what did not go, one problem a line.

    Args:
        done: What a push did.
        remedies: By the name of a refused tag, the command that takes it back.
    """
    lines = settled_problems(done.settled, done.remote)
    return lines + [f"tag '{clean(_short(clash.ref))}' is another one there: {clean(clash.reason)}" for clash in done.tags.clashes] + [
        f"tag '{clean(_short(refusal.ref))}' was refused: {clean(refusal.reason)}"
        + (f"; to take it back: {remedies[refusal.ref]}" if refusal.ref in remedies else "")
        for refusal in done.tags.refused
    ]  # fmt: skip


def push_notes(done: Pushed) -> list[str]:
    """Say what did not go and need not, one thing a line."""
    return settled_notes(done.settled, done.remote) + _left_tags("here", done.tags.odd)


def pull_lines(done: Pulled, objects: Transferred | None = None) -> list[str]:
    """Say what came."""
    remote = clean(done.fetched.remote)
    if done.fetched.is_empty:
        return [f"{remote} has no runs yet; send yours: gitml push {remote}"]
    parts = [plural(done.records, "record")] if done.records else []
    parts += [plural(len(done.tags), "tag")] if done.tags else []
    parts += _objects(objects or Transferred())
    lines = [f"{_list(parts)} came from {remote}" if parts else f"nothing new at {remote}"]
    if done.joined and done.fetched.walk.beside:  # else what came were several histories, and none is yours
        lines[0] += ", joined with yours"
    return lines + renumbered_lines(done.settled)


def pull_problems(done: Pulled, objects: Transferred | None = None) -> list[str]:
    """Say what did not come, one problem a line."""
    remote = clean(done.fetched.remote)
    lines = settled_problems(done.settled, done.fetched.remote)
    lines += settled_notes(done.settled, done.fetched.remote)
    lines += [
        f"tag '{clean(_short(clash.ref))}' is another one at {remote}; yours is kept"
        for clash in done.clashes
    ]
    lines += [clean(f"left in the inbox: {refusal.message}") for refusal in done.refused]
    lines += _left_tags("there", done.odd_tags, f" of {remote}")
    if objects is not None and objects.failed:
        first = objects.failed[0].error
        lines.append(f"{plural(len(objects.failed), 'artifact')} did not come: {clean(str(first))}")
    return lines


def _left_tags(where: str, odd: Mapping[str, str], whose: str = "") -> list[str]:
    """Say once that tags were left which are none of the registry's."""
    if not odd:
        return []
    ref, reason = next(iter(odd.items()))
    more = " (and so on)" if len(odd) > 1 else ""
    return [f"{plural(len(odd), 'tag')}{whose} left {where}: '{clean(_short(ref))}': {clean(reason)}{more}"]


def fetch_lines(done: Fetched) -> list[str]:
    """Say what was found."""
    remote = clean(done.remote)
    if done.is_empty:
        return [f"{remote} has no runs yet"]
    if not done.new:
        return [f"nothing new at {remote}"]
    return [f"{plural(done.new, 'record')} at {remote} that you don't have: gitml pull {remote}"]


def wanted_line(wanted: Sequence[Pointer]) -> str:
    """Say which artifacts a pull would bring."""
    size = format_size(sum(pointer.size for pointer in wanted))
    return f"would fetch {plural(len(wanted), 'artifact')} ({size})" if wanted else "all artifacts are here"


def wanted_document(wanted: Sequence[Pointer]) -> dict[str, int]:
    """Describe the artifacts that a pull would bring."""
    return {"wanted": len(wanted), "bytes": sum(pointer.size for pointer in wanted)}


def push_document(done: Pushed) -> dict[str, Any]:
    """Describe a push."""
    return {
        "remote": done.remote,
        "way": done.way.value,
        "inbox": done.inbox,
        "records": done.records,
        "lost_races": done.races,
        "folded": list(done.folded),
        "artifacts": {**_objects_document(done.objects), **left_document(done.left)},
        "tags": {
            "made": list(done.tags.made),
            "clashes": [{"ref": clash.ref, "reason": clash.reason} for clash in done.tags.clashes],
            "refused": [{"ref": refusal.ref, "reason": refusal.reason} for refusal in done.tags.refused],
            "triggers": [
                {"ref": one.ref, "state": one.verdict.value, "reason": one.reason}
                for one in done.tags.triggers
            ],
            "odd": dict(done.tags.odd),
            **settled_document(done.settled),
        },
    }


def fetch_document(done: Fetched) -> dict[str, Any]:
    """Describe a fetch."""
    return {
        "remote": done.remote,
        "runs": done.after.runs,
        "inbox": dict(done.after.inbox),
        "tags": len(done.after.tags),
        "new_records": done.new,
    }


def pull_document(done: Pulled, objects: Transferred | None = None) -> dict[str, Any]:
    """Describe a pull."""
    return {
        **fetch_document(done.fetched),
        "records": done.records,
        "joined": done.joined,
        "tip": done.tip,
        "new_tags": list(done.tags),
        "odd_tags": dict(done.odd_tags),
        "clashes": [{"ref": c.ref, "here": c.here, "there": c.there} for c in done.clashes],
        **settled_document(done.settled),
        "refused": [finding.commit for refusal in done.refused for finding in refusal.findings],
        "artifacts": _objects_document(objects or Transferred()),
    }


def _objects_document(objects: Transferred) -> dict[str, Any]:
    return {
        "moved": len(objects.moved),
        "bytes": objects.moved_bytes,
        "present": len(objects.present),
        "failed": [{"oid": f.pointer.oid, "reason": str(f.error)} for f in objects.failed],
    }


def _objects(objects: Transferred) -> list[str]:
    if not objects.moved:
        return []
    return [f"{plural(len(objects.moved), 'artifact')} ({format_size(objects.moved_bytes)})"]


def _list(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _short(ref: str) -> str:
    return ref.removeprefix("refs/tags/")
