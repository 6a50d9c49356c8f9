"""Repacking, when runs have piled up as loose objects or refs.

Only what can be reached is packed, into one more pack, and only loose copies of what is
packed go (`git repack -d`): what only a reflog or nothing leads to stays as it is for
git's own `gc` to judge by the user's own settings.
"""

from __future__ import annotations

from dataclasses import dataclass

from gitml.repo import Repo

MANY_LOOSE = 7000  # git's own idea of when to pack
_MANY_REFS = 1000


@dataclass(frozen=True, slots=True)
class Counts:
    """What git says about its object store; sizes in bytes."""

    loose: int
    loose_size: int
    packs: int
    packed: int
    pack_size: int


def counts(repo: Repo) -> Counts:
    """Count loose and packed objects."""
    out = repo.git.process.run(["count-objects", "-v"]).decode()
    facts = {
        key: int(value)
        for key, _, value in (line.partition(": ") for line in out.splitlines())
        if value.isdigit()
    }
    return Counts(
        facts.get("count", 0),
        facts.get("size", 0) * 1024,
        facts.get("packs", 0),
        facts.get("in-pack", 0),
        facts.get("size-pack", 0) * 1024,
    )


def repack(repo: Repo) -> None:
    """Put loose objects that can be reached into a pack."""
    repo.git.process.run(["repack", "-d", "-l", "-q"])


def has_many_loose_refs(repo: Repo) -> bool:
    """Whether gitml's refs, each a file, have become many."""
    folders = (repo.git.common_dir / "refs" / "gitml", repo.git.common_dir / "refs" / "tags" / "gitml")
    seen = 0
    for folder in folders:
        for path in folder.rglob("*"):
            seen += path.is_file()
            if seen > _MANY_REFS:
                return True
    return False


def pack_refs(repo: Repo) -> None:
    """Put refs into one file; what they point at does not change."""
    repo.git.process.run(["pack-refs", "--all"])
