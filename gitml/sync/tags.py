"""Tags of the registry on their way: made where they lack, never moved.

A tag that differs from the one of the same name on the other side is a clash: both
stay as they are, and the user is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from gitml.git.remote import RefResult, RefUpdate, Remote, Verdict
from gitml.repo import Repo
from gitml.sync.seen import TAGS, list_refs

_STAGES = (f"{TAGS}stages/", f"{TAGS}aliases/")
# A host that gets more tags at once may tell its CI of none, and a promotion is what CI waits for.
_FEW = 3
_MANY = 200


@dataclass(frozen=True, slots=True)
class TagClash:
    """A tag that is something else on the other side."""

    ref: str
    here: str
    there: str


@dataclass(frozen=True, slots=True)
class PushedTags:
    """What became of tags: made there now, something else there, refused by the host."""

    made: tuple[str, ...] = ()
    clashes: tuple[RefResult, ...] = ()
    refused: tuple[RefResult, ...] = ()


def local_tags(repo: Repo) -> dict[str, str]:
    """List this repository's tags of the registry: full name to what it points at."""
    return list_refs(repo, TAGS)


def adopt_tags(repo: Repo, there: Mapping[str, str]) -> tuple[list[str], list[TagClash]]:
    """Make the tags of a remote that are not here yet.

    Returns:
        The names of those that were made, and those that differ.
    """
    here = local_tags(repo)
    made = [
        ref for ref, oid in sorted(there.items()) if ref not in here and repo.git.move_ref(ref, None, oid)
    ]
    clashes = [
        TagClash(ref, here[ref], oid) for ref, oid in sorted(there.items()) if here.get(ref, oid) != oid
    ]
    return made, clashes


def push_tags(repo: Repo, remote: Remote, there: Mapping[str, str], *, dry_run: bool = False) -> PushedTags:
    """Send the tags that a remote did not have when it was last seen.

    Versions first, since stages point at them; stages and aliases a few at a time.
    """
    here = local_tags(repo)
    waiting = sorted((ref for ref in here if ref not in there), key=_counted)
    known_clashes = [
        RefResult(ref, Verdict.EXISTS, f"it is '{there[ref][:12]}' there and '{oid[:12]}' here")
        for ref, oid in sorted(here.items())
        if there.get(ref, oid) != oid
    ]
    results: list[RefResult] = []
    for batch in _batches(waiting):
        results += remote.push([RefUpdate(ref, here[ref]) for ref in batch], dry_run=dry_run)
    return PushedTags(
        tuple(result.ref for result in results if result.verdict is Verdict.DONE),
        (
            *known_clashes,
            *(result for result in results if result.verdict in (Verdict.EXISTS, Verdict.BEHIND)),
        ),
        tuple(result for result in results if result.verdict is Verdict.REFUSED),
    )


def _counted(ref: str) -> tuple[str, int]:
    """Order tags by their numbers, v9 before v10: a server takes no number before the one below it."""
    series = ref.rstrip("0123456789")
    return series, int(ref[len(series) :] or 0)


def _batches(refs: Sequence[str]) -> Iterator[list[str]]:
    for group, size in (
        ([ref for ref in refs if not ref.startswith(_STAGES)], _MANY),
        ([ref for ref in refs if ref.startswith(_STAGES)], _FEW),
    ):
        names = iter(group)
        while batch := list(islice(names, size)):
            yield batch
