"""What is in a bundle and what it brought, in a few lines and as a document."""

from __future__ import annotations

from typing import Any

from gitml.render.numbers import format_size
from gitml.render.text import clean, plural
from gitml.sync.bundle import Applied
from gitml.sync.bundle_manifest import Manifest


def manifest_line(manifest: Manifest) -> str:
    """Say what is in a bundle."""
    parts = [plural(manifest.records, "record")]
    if manifest.objects:
        parts.append(f"{plural(len(manifest.objects), 'artifact')} ({format_size(manifest.object_bytes)})")
    if manifest.tags:
        parts.append(plural(len(manifest.tags), "tag"))
    return ", ".join(parts)


def manifest_document(manifest: Manifest) -> dict[str, Any]:
    """Describe what is in a bundle."""
    return {
        "records": manifest.records,
        "tips": list(manifest.tips),
        "needs": list(manifest.needs),
        "tags": dict(manifest.tags or {}),
        "git_bytes": manifest.git.size if manifest.git else 0,
        "artifacts": len(manifest.objects),
        "bytes": manifest.object_bytes,
    }


def applied_lines(done: Applied, name: str) -> list[str]:
    """Say what a bundle brought."""
    parts = [plural(done.records, "record")] if done.records else []
    if done.objects.moved:
        count = plural(len(done.objects.moved), "artifact")
        parts.append(f"{count} ({format_size(done.objects.moved_bytes)})")
    parts += [plural(len(done.tags), "tag")] if done.tags else []
    line = f"{', '.join(parts)} came from {clean(name)}" if parts else f"nothing new in {clean(name)}"
    lines = [line + (", joined with yours" if done.joined else "")]
    lines += purged_lines(done)
    for clash in done.clashes:
        tag = clean(clash.ref.removeprefix("refs/tags/"))
        lines.append(f"tag '{tag}' is another one in {clean(name)}; yours is kept")
    return lines


def purged_lines(done: Applied) -> list[str]:
    """Say what stays where it is because it was purged."""
    if not done.purged:
        return []
    size = format_size(sum(pointer.size for pointer in done.purged))
    return [f"left out {plural(len(done.purged), 'artifact')} ({size}) that their runs purged"]


def applied_document(done: Applied) -> dict[str, Any]:
    """Describe what a bundle brought."""
    return {
        "records": done.records,
        "joined": done.joined,
        "tip": done.tip,
        "artifacts": {
            "moved": len(done.objects.moved),
            "bytes": done.objects.moved_bytes,
            "present": len(done.objects.present),
            "purged": [pointer.oid for pointer in done.purged],
        },
        "new_tags": list(done.tags),
        "clashes": [{"ref": c.ref, "here": c.here, "there": c.there} for c in done.clashes],
    }
