"""What was seen at a remote when it was last looked at.

A remote's runs stand where git itself keeps a remote's branches. Its inbox and its
tags of the registry are kept apart below `refs/gitml/remotes/`, so that a tag that
differs from ours is noticed instead of overwritten.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gitml.repo import LIVE_REFS, RUNS_REF, Repo

INBOX = "refs/gitml/inbox/"
TAGS = "refs/tags/gitml/"
_HEADS = "refs/heads/gitml/"
_WITH_RECORDS = (_HEADS, "refs/remotes/", "refs/gitml/", TAGS)
# As in ref names that every file system and git host takes; never like an option.
INBOX_NAME = re.compile(r"[0-9A-Za-z_][0-9A-Za-z._-]{0,254}")


@dataclass(frozen=True, slots=True)
class Places:
    """Where in this repository the refs of one remote are kept."""

    heads: str
    inbox: str
    tags: str

    @property
    def runs(self) -> str:
        """The remote's branch of runs."""
        return self.heads + RUNS_REF.removeprefix(_HEADS)

    @property
    def refspecs(self) -> dict[str, str]:
        """Patterns at the remote to patterns here; no pattern fails where nothing matches."""
        return {f"{_HEADS}*": f"{self.heads}*", f"{INBOX}*": f"{self.inbox}*", f"{TAGS}*": f"{self.tags}*"}


def places(repo: Repo, remote: str) -> Places:
    """Name the places of a remote; one that is only a URL gets a name made from it."""
    if remote in repo.settings.remotes:
        return Places(
            f"refs/remotes/{remote}/gitml/",
            f"refs/gitml/remotes/{remote}/inbox/",
            f"refs/gitml/remotes/{remote}/tags/",
        )
    name = f"url-{hashlib.sha256(remote.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"
    folder = f"refs/gitml/remotes/{name}/"
    return Places(f"{folder}heads/", f"{folder}inbox/", f"{folder}tags/")


@dataclass(frozen=True, slots=True)
class Seen:
    """A remote as it was.

    Attributes:
        runs: Tip of its branch of runs, None if it has none.
        inbox: Name below `refs/gitml/inbox/` to commit.
        tags: Full name of a tag of the registry to what it points at.
    """

    runs: str | None = None
    inbox: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def tips(self) -> list[str]:
        """All commits that its histories of runs end in."""
        return list(dict.fromkeys([*([self.runs] if self.runs else []), *self.inbox.values()]))


def seen(repo: Repo, remote: str) -> Seen:
    """Read what this repository knows of a remote, without asking it."""
    where = places(repo, remote)
    return _seen(where, list_refs(repo, where.heads, where.inbox, where.tags))


def seen_and_tags(repo: Repo, remote: str) -> tuple[Seen, dict[str, str]]:
    """Read what this repository knows of a remote, and its own tags of the registry, at one go."""
    where = places(repo, remote)
    refs = list_refs(repo, where.heads, where.inbox, where.tags, TAGS)
    return _seen(where, refs), {ref: oid for ref, oid in refs.items() if ref.startswith(TAGS)}


def _seen(where: Places, refs: Mapping[str, str]) -> Seen:
    below = {
        prefix: {ref[len(prefix) :]: oid for ref, oid in refs.items() if ref.startswith(prefix)}
        for prefix in (where.inbox, where.tags)
    }
    return Seen(
        refs.get(where.runs),
        {name: oid for name, oid in below[where.inbox].items() if INBOX_NAME.fullmatch(name)},
        {TAGS + name: oid for name, oid in below[where.tags].items()},
    )


def list_refs(repo: Repo, *prefixes: str) -> dict[str, str]:
    """List refs of this repository below some prefixes, with what they point at."""
    out = repo.git.process.run(["for-each-ref", "--format=%(objectname) %(refname)", "--", *prefixes])
    pairs = (line.partition(" ")[::2] for line in out.decode("utf-8", "replace").splitlines())
    return {ref: oid for oid, ref in pairs}


def record_refs(repo: Repo) -> dict[str, str]:
    """List the refs that lead to records, with what they point at."""
    return {
        ref: oid
        for ref, oid in list_refs(repo, *_WITH_RECORDS).items()
        if not ref.startswith(LIVE_REFS) and (not ref.startswith("refs/remotes/") or "/gitml/" in ref)
    }
