"""Tags of the registry on their way: made where they lack, never moved.

A tag that differs from the one of the same name on the other side is a clash. Where ours
was never shared the registry gives way (`registry.settling`); else both stay as they are,
and the user is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from gitml.git.remote import NotAtomicError, RefResult, RefUpdate, Remote, Verdict
from gitml.repo import Repo
from gitml.sync.seen import TAGS, list_refs, places

if TYPE_CHECKING:
    from gitml.formats.registry_names import RegistryRef

_STAGES = (f"{TAGS}stages/", f"{TAGS}aliases/")
# A host that gets more tags at once may tell its CI of none, and a promotion is what CI waits for.
_FEW = 3
_MANY = 200
_SENT = (Verdict.DONE, Verdict.UP_TO_DATE)
_HANDED_OUT = "handed-out-tags"


@dataclass(frozen=True, slots=True)
class TagClash:
    """A tag that is something else on the other side."""

    ref: str
    here: str
    there: str


@dataclass(frozen=True, slots=True)
class PushedTags:
    """What became of tags: made there now, something else there, refused by the host.

    `triggers` are those that start CI for the promotions that were made; `odd` are tags that are
    none of the registry's, and what is wrong with them: they were left here.
    """

    made: tuple[str, ...] = ()
    clashes: tuple[RefResult, ...] = ()
    refused: tuple[RefResult, ...] = ()
    triggers: tuple[RefResult, ...] = ()
    odd: Mapping[str, str] = field(default_factory=dict)


def local_tags(repo: Repo) -> dict[str, str]:
    """List this repository's tags of the registry: full name to what it points at."""
    return list_refs(repo, TAGS)


def tag_clashes(repo: Repo, there: Mapping[str, str]) -> list[TagClash]:
    """List the tags that are something else there."""
    here = local_tags(repo)
    return [TagClash(ref, here[ref], oid) for ref, oid in sorted(there.items()) if here.get(ref, oid) != oid]


def adopt_tags(repo: Repo, there: Mapping[str, str]) -> tuple[list[str], list[TagClash], dict[str, str]]:
    """Make the tags of a remote that are not here yet, if they are such as the registry makes.

    Returns:
        The names of those that were made, those that differ, and what is wrong with those
        that were left.
    """
    here = local_tags(repo)
    new = {ref: oid for ref, oid in sorted(there.items()) if ref not in here}
    odd: dict[str, str] = {}
    if new:
        from gitml.sync.receive_tags import odd_tags  # pushes import this module, and adopt nothing

        odd = odd_tags(repo.git, new)
    made = [ref for ref, oid in new.items() if ref not in odd and repo.git.move_ref(ref, None, oid)]
    clashes = [
        TagClash(ref, here[ref], oid) for ref, oid in sorted(there.items()) if here.get(ref, oid) != oid
    ]
    return made, clashes, odd


def shared_tags(repo: Repo) -> set[str]:
    """List the tag objects that others have, as far as this repository knows."""
    refs = list_refs(repo, "refs/gitml/remotes/")
    found = {oid for ref, oid in refs.items() if "/tags/" in ref}
    path = repo.root / _HANDED_OUT
    return found.union(path.read_text(encoding="ascii").split()) if path.exists() else found


def note_handed_out(repo: Repo, tags: Iterable[str]) -> None:
    """Remember tag objects that others get by another way than a remote, such as a bundle."""
    new = set(tags) - shared_tags(repo)
    if new:
        repo.root.mkdir(parents=True, exist_ok=True)
        with (repo.root / _HANDED_OUT).open("a", encoding="ascii") as file:
            file.write("".join(f"{oid}\n" for oid in sorted(new)))


def push_tags(repo: Repo, remote: Remote, there: Mapping[str, str], *, dry_run: bool = False) -> PushedTags:
    """Send the tags that a remote did not have when it was last seen.

    Versions first, since stages point at them; stages and aliases a few at a time, and
    none before the one that it follows is there. Tags that are none of the registry's stay
    here: a host that holds tags to the rules would refuse what goes with them too.
    """
    here = local_tags(repo)
    waiting = sorted((ref for ref in here if ref not in there), key=_counted)
    odd: dict[str, str] = {}
    if waiting:
        from gitml.sync.receive_tags import foreign_tags  # most pushes have no new tag

        odd = foreign_tags(repo.git, {ref: here[ref] for ref in waiting})
        waiting = [ref for ref in waiting if ref not in odd]
    known_clashes = [
        RefResult(ref, Verdict.EXISTS, f"it is '{there[ref][:12]}' there and '{oid[:12]}' here")
        for ref, oid in sorted(here.items())
        if there.get(ref, oid) != oid
    ]
    results = list(known_clashes)
    for batch in _batches([ref for ref in waiting if not ref.startswith(_STAGES)], _MANY):
        results += remote.push([RefUpdate(ref, here[ref]) for ref in batch], dry_run=dry_run)
    lacking = {_model(result.ref) for result in results if not _is_there(result) and _is_version(result.ref)}
    moves = [ref for ref in waiting if ref.startswith(_STAGES)]
    results += [
        RefResult(ref, Verdict.REFUSED, "a version of the model did not go")
        for ref in moves
        if _model(ref) in lacking
    ]
    broken = {_counted(result.ref)[0] for result in known_clashes}
    for batch in _batches([ref for ref in moves if _model(ref) not in lacking], _FEW):
        results += _send_moves(remote, [RefUpdate(ref, here[ref]) for ref in batch], broken, dry_run=dry_run)
    made = tuple(result.ref for result in results if result.verdict is Verdict.DONE)
    if not dry_run:
        _note(repo, remote, {ref: here[ref] for ref in made})
    return PushedTags(
        made,
        tuple(result for result in results if result.verdict in (Verdict.EXISTS, Verdict.BEHIND)),
        tuple(result for result in results if result.verdict is Verdict.REFUSED),
        odd=odd,
    )


def _is_there(result: RefResult) -> bool:
    return result.verdict in _SENT


def _parsed(ref: str) -> RegistryRef | None:
    from gitml.formats.registry_names import parse_ref  # the registry's facts, only for who has tags of it

    return parse_ref(ref)


def _is_version(ref: str) -> bool:
    known = _parsed(ref)
    return known is not None and known.kind == "version"


def _model(ref: str) -> str:
    known = _parsed(ref)
    return known.model if known else ""


def _send_moves(
    remote: Remote, updates: Sequence[RefUpdate], broken: set[str], *, dry_run: bool
) -> list[RefResult]:
    """Send events all or none, so that none overtakes one that lost; then, if need be, one by one.

    Args:
        remote: Where to.
        updates: The tags, in the order of their numbers.
        broken: The series of which one did not go; more are added.
        dry_run: Only ask.
    """
    if not any(_counted(update.ref)[0] in broken for update in updates):
        try:
            results = remote.push(updates, atomic=len(updates) > 1, dry_run=dry_run)
        except NotAtomicError:
            results = []
        if results and (all(map(_is_there, results)) or len(updates) == 1):
            broken.update(_counted(result.ref)[0] for result in results if not _is_there(result))
            return results
    results = []
    for update in updates:
        series = _counted(update.ref)[0]
        if series in broken:
            results.append(RefResult(update.ref, Verdict.REFUSED, "the one before it did not go"))
            continue
        results += remote.push([update], dry_run=dry_run)
        if not _is_there(results[-1]):
            broken.add(series)
    return results


def _note(repo: Repo, remote: Remote, made: Mapping[str, str]) -> None:
    """Remember what the remote has now, as a fetch would."""
    folder = places(repo, remote.name).tags
    known = list_refs(repo, folder) if made else {}
    moves = [
        (folder + ref.removeprefix(TAGS), known.get(folder + ref.removeprefix(TAGS)), oid)
        for ref, oid in made.items()
    ]
    if moves:
        repo.git.move_refs(moves, "gitml push")  # if not, a fetch was faster, and has seen them


def _counted(ref: str) -> tuple[str, int]:
    """Order tags by their numbers, v9 before v10: a server takes no number before the one below it."""
    series = ref.rstrip("0123456789")
    return series, int(ref[len(series) :] or 0)


def _batches(refs: Collection[str], size: int) -> Iterator[list[str]]:
    names = iter(refs)
    while batch := list(islice(names, size)):
        yield batch
