"""Artifacts that a push left behind, in words."""

from __future__ import annotations

from typing import Any

from gitml.render.text import clean, plural
from gitml.sync.delivering import Left


def left_lines(left: Left, remote: str) -> list[str]:
    """Say which artifacts a remote's runs lack because nobody has them here, and what helps."""
    there = clean(remote)
    lines = []
    if left.missing:
        lines.append(
            f"{plural(len(left.missing), 'artifact')} of {clean(left.missing_of)} is neither here nor at {there}; "
            "push it from where the run was recorded: gitml push"
            if len(left.missing) == 1
            else f"{plural(len(left.missing), 'artifact')} of {clean(left.missing_of)} are neither here nor at {there}; "
            "push them from where the runs were recorded: gitml push"
        )
    if left.known:
        lines.append(
            f"{plural(left.known, 'artifact')} that {there} lacked when it was asked last "
            f"{'is' if left.known == 1 else 'are'} not here; to ask again: gitml push --artifacts"
        )
    return lines


def left_document(left: Left) -> dict[str, Any]:
    """Describe what was left behind."""
    return {
        "missing": [failure.pointer.oid for failure in left.missing],
        "not_sent": [{"oid": f.pointer.oid, "reason": str(f.error)} for f in left.failed],
        "missing_before": left.known,
    }
