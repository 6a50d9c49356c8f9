"""The way out where a record that is not sound got onto a remote's branch."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from gitml.repo import RUNS_REF
from gitml.sync.findings import Finding
from gitml.sync.inspect import Commit

_BRANCH = RUNS_REF.removeprefix("refs/heads/")


def last_sound(tip: str, new: Sequence[Commit], findings: Sequence[Finding]) -> str | None:
    """Find the newest commit of a branch that no unsound one is behind; None if its first one is unsound.

    Args:
        tip: Where the branch is.
        new: Its commits that were inspected, parents before children; those before are sound.
        findings: What the inspection found.
    """
    bad = {finding.commit for finding in findings}
    parents = dict(new)
    for commit, before in new:
        if not bad.isdisjoint(before):
            bad.add(commit)
    at: str | None = tip
    while at in bad:
        at = next(iter(parents[at]), None)
    return at


def way_back(remote: str, tip: str, sound: str | None) -> str:
    """Say how whoever may rewrite the branch takes it back to its last sound commit, and nothing newer."""
    lease = f"--force-with-lease={_BRANCH}:{tip}"
    source = sound or ""
    command = f"git push {lease} {shlex.quote(remote)} {source}:{RUNS_REF}"
    last = f"the last sound commit there is {sound[:12]}" if sound else "no commit there is sound"
    return (
        f"nothing of that branch was joined; {last}. Who may rewrite it there types: {command} "
        "(docs: protect a shared remote). Until then push with: gitml push --inbox"
    )
