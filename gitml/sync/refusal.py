"""Why a host took no runs, and what to do about it."""

from __future__ import annotations

from gitml.errors import RefusedError
from gitml.repo import RUNS_REF

_SAFE = "nothing is lost"
_AGAIN = "then run the command again"
# What hosts say, and what helps; the first that fits counts.
_ADVICE: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("No space left", "Disk quota", "quota exceeded", "over quota"),
        f"ask who runs that host to make room, {_AGAIN}",
    ),
    (
        ("gitml is not installed here",),
        "ask who runs that host to put gitml on the PATH of its hooks (docs: protect a shared remote)",
    ),
    (
        ("gitml: ",),
        "the host checks runs by gitml's own hook: what it says after '->' is what helps",
    ),
    (
        ("Read-only file system", "unable to create temporary object directory", "insufficient permission",
         "unable to write", "Permission denied", "read-only", "archived"),
        f"that repository can't be written to: ask who runs that host whether it may, {_AGAIN}",
    ),
    (
        ("larger than", "file size limit", "exceeds", "too large"),
        "the host takes no files of that size: record them as artifacts, which travel beside git",
    ),
    (
        ("protected branch", "GH006", "GH013", "not allowed to push", "rule violations", "protected ref"),
        f"a rule protects '{RUNS_REF}': ask who runs that repository for the right to push; gitml push --inbox goes around it",
    ),
)  # fmt: skip


class PushRefusedError(RefusedError):
    """A rule or the state of the host keeps runs out."""

    def __init__(self, remote: str, ref: str, reason: str) -> None:
        super().__init__(f"'{remote}' does not take '{ref}': {reason}", hint=f"{_SAFE}; {_remedy(reason)}")
        self.remote = remote
        self.ref = ref
        self.reason = reason


def _remedy(reason: str) -> str:
    for signs, advice in _ADVICE:
        if any(sign in reason for sign in signs):
            return advice
    return (
        "ask who runs that host to allow pushes to refs/heads/gitml/* "
        "(and refs/tags/gitml/*, refs/gitml/inbox/*)"
    )
