"""Give way to tags that others shared first, where nobody has seen ours.

A version gets the next free number, and what leads to it is made anew upon its new tag. A
promotion that lost did not happen: its tag is kept aside, out of the way of those who come
later. All of it is one transaction of refs. Tags that others have are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from gitml.entities.registry import MoveTag, VersionTag
from gitml.errors import ConflictError, DamagedError
from gitml.formats.registry_names import move_ref, parse_ref, version_ref
from gitml.formats.registry_tag import decode_tag, encode_move, encode_version, is_signed
from gitml.registry.models import renumber_notes
from gitml.registry.reading import read_registry
from gitml.registry.signing import SigningError
from gitml.registry.tags import write_tag
from gitml.repo import Repo
from gitml.sync.settled import PutAside, Renumbered, Settled, Stuck
from gitml.sync.tags import local_tags, shared_tags

LOST = "refs/gitml/lost/"
_ATTEMPTS = 10
_PREFIX = "refs/tags/gitml/"


def settle(repo: Repo, there: Mapping[str, str], dry_run: bool = False) -> Settled:
    """Give way to the tags of a remote.

    Args:
        repo: The repository, which has the objects of those tags.
        there: The remote's tags of the registry: full name to what it points at.
        dry_run: Only tell what would be done.

    Raises:
        ConflictError: Others changed the same tags too many times in a row.
    """
    blocked: dict[str, Stuck] = {}
    for _ in range(_ATTEMPTS):
        plan = _Plan(repo, there, blocked)
        if not plan.settled or dry_run:
            return plan.settled
        try:
            moves = plan.moves()
        except _UnsignedError as err:
            blocked[err.model] = Stuck(err.ref, err.error)
            continue
        if repo.git.move_refs(moves, "gitml: others were first"):
            for model, numbers in plan.numbers.items():
                renumber_notes(repo, model, numbers)
            return plan.settled
    raise ConflictError(next(iter(there)), _ATTEMPTS)


def kept_ref(tag: VersionTag | MoveTag) -> str:
    """Name the ref that keeps a tag which is put aside."""
    return f"{LOST}{tag.ref.removeprefix(_PREFIX)}-{tag.oid[:12]}"


class _UnsignedError(Exception):
    """A tag that was signed can't be signed anew."""

    def __init__(self, model: str, ref: str, error: SigningError) -> None:
        super().__init__(ref)
        self.model = model
        self.ref = ref
        self.error = error


@dataclass(frozen=True, slots=True)
class OwnTag:
    """A tag of ours that nobody has seen."""

    tag: VersionTag | MoveTag
    content: bytes

    @property
    def subject(self) -> str:
        """Its first line, for people."""
        return self.content.decode("utf-8", "replace").partition("\n\n")[2].partition("\n")[0]


def unseen_tags(repo: Repo) -> dict[str, OwnTag]:
    """Read the user's own tags that nobody else has, as far as is known here: by full name."""
    shared = shared_tags(repo)
    refs = {ref: oid for ref, oid in local_tags(repo).items() if oid not in shared and parse_ref(ref)}
    email = _email(repo.settings.author)
    return {
        ref: ours
        for ref, ours in _read(repo, refs)
        if _email(ours.tag.who) == email  # another's came here by a way of its own
    }


@dataclass(slots=True)
class _Changes:
    """What leads from old tags to new ones."""

    oids: dict[str, str] = field(default_factory=dict)
    moves: list[tuple[str, str | None, str | None]] = field(default_factory=list)


class _Plan:
    """What is to be done.

    Attributes:
        settled: What will have been settled.
        numbers: Id of a model to the numbers of its versions, old to new.
    """

    def __init__(self, repo: Repo, there: Mapping[str, str], blocked: Mapping[str, Stuck]) -> None:
        self._repo = repo
        self._there = there
        self._here = local_tags(repo)
        clashing = {ref for ref, oid in there.items() if self._here.get(ref, oid) != oid}
        self._ours = unseen_tags(repo) if clashing else {}
        self._names = (
            {state.id: state.name for state in read_registry(repo).models.values()} if clashing else {}
        )
        lost = [self._ours[ref].tag for ref in sorted(clashing & self._ours.keys())]
        versions = [tag for tag in lost if isinstance(tag, VersionTag) and tag.model not in blocked]
        self.numbers = self._new_numbers(versions)
        self._aside = list(self._losers([tag for tag in lost if isinstance(tag, MoveTag)]))
        first = self._first([*(tag.ref for tag in versions), *(tag.ref for tag in self._aside)])
        self.settled = Settled(
            tuple(self._renumbered(tag, first.get(tag.ref)) for tag in versions),
            tuple(self._put_aside(tag, first.get(tag.ref)) for tag in self._aside),
            tuple(blocked.values()),
        )

    def _new_numbers(self, versions: Iterable[VersionTag]) -> dict[str, dict[int, int]]:
        numbers: dict[str, dict[int, int]] = {}
        taken: dict[str, int] = {}
        for known in map(parse_ref, (*self._here, *self._there)):
            if known is not None and known.kind == "version":
                taken[known.model] = max(taken.get(known.model, 0), known.number)
        for tag in sorted(versions, key=lambda tag: tag.number):
            taken[tag.model] += 1
            numbers.setdefault(tag.model, {})[tag.number] = taken[tag.model]
        return numbers

    def _losers(self, lost: Iterable[MoveTag]) -> Iterator[MoveTag]:
        """What lost, and what came after it in its series: that followed on something that was not so."""
        since: dict[str, int] = {}
        for tag in lost:
            since[_series(tag)] = min(tag.number, since.get(_series(tag), tag.number))
        for ours in self._ours.values():
            event = ours.tag
            if isinstance(event, MoveTag) and event.number >= since.get(_series(event), event.number + 1):
                yield event

    def _first(self, refs: Iterable[str]) -> dict[str, VersionTag | MoveTag]:
        """What stands there under these names, where it can be read."""
        there = {ref: self._there[ref] for ref in refs if ref in self._there}
        return {ref: ours.tag for ref, ours in _read(self._repo, there)}

    def _renumbered(self, tag: VersionTag, first: VersionTag | MoveTag | None) -> Renumbered:
        new = self.numbers[tag.model][tag.number]
        return Renumbered(
            self._names.get(tag.model, tag.model), tag.number, new, tag.ref, version_ref(tag.model, new), tag.oid,
            first if isinstance(first, VersionTag) else None,
        )  # fmt: skip

    def _put_aside(self, tag: MoveTag, first: VersionTag | MoveTag | None) -> PutAside:
        version = self._number(tag.model, tag.version)
        name = self._names.get(tag.model, tag.model)
        return PutAside(name, version, tag, kept_ref(tag), first if isinstance(first, MoveTag) else None)

    def _number(self, model: str, version: int) -> int:
        return self.numbers.get(model, {}).get(version, version)

    def moves(self) -> list[tuple[str, str | None, str | None]]:
        """Make the tags anew, and list what is to move; no ref has moved yet.

        Raises:
            _UnsignedError: One that was signed can't be.
        """
        changes = _Changes()
        for one in self.settled.aside:
            changes.moves.append((one.kept, self._repo.git.tip(one.kept), one.event.oid))
            changes.moves.append((one.event.ref, one.event.oid, self._there.get(one.event.ref)))
        aside = {tag.ref for tag in self._aside}
        tags = [ours for ref, ours in self._ours.items() if ref not in aside]
        for ours in sorted(tags, key=lambda ours: isinstance(ours.tag, MoveTag)):
            self._make_anew(ours, changes)
        return changes.moves

    def _make_anew(self, ours: OwnTag, changes: _Changes) -> None:
        """Make a tag anew if it is another version's, or leads to one that was made anew, now."""
        old = ours.tag
        if isinstance(old, VersionTag):
            number = self._number(old.model, old.number)
            new: VersionTag | MoveTag = replace(
                old, ref=version_ref(old.model, number), number=number, source=self._source(old.source)
            )
        else:
            new = replace(
                old,
                target=changes.oids.get(old.target, old.target),
                version=self._number(old.model, old.version),
                previous=None if old.previous is None else self._number(old.model, old.previous),
                archived=tuple(self._number(old.model, one) for one in old.archived),
                left=tuple(self._number(old.model, one) for one in old.left),
            )
        if new == old:
            return
        oid = self._write(ours, new)
        changes.oids[old.oid] = oid
        if new.ref == old.ref:
            changes.moves.append((old.ref, old.oid, oid))
        else:
            changes.moves += [(new.ref, None, oid), (old.ref, old.oid, self._there[old.ref])]

    def _source(self, source: str | None) -> str | None:
        """Follow a version to its new number; a copy says by its URI what it is a copy of."""
        for model in self.numbers:
            head = f"models:/{self._names.get(model, model)}/"
            if source is not None and source.startswith(head) and source[len(head) :].isdecimal():
                return f"{head}{self._number(model, int(source[len(head) :]))}"
        return source

    def _write(self, ours: OwnTag, new: VersionTag | MoveTag) -> str:
        numbers = self.numbers.get(new.model, {})
        subject = _renumber_words(ours.subject, numbers)
        message = encode_version(new, subject) if isinstance(new, VersionTag) else encode_move(new, subject)
        target, kind = (new.record, "commit") if isinstance(new, VersionTag) else (new.target, "tag")
        try:
            return write_tag(
                self._repo, new.ref, target, kind, message, time_ms=new.time_ms, sign=is_signed(ours.content)
            )
        except SigningError as err:
            raise _UnsignedError(new.model, ours.tag.ref, err) from err


def _read(repo: Repo, refs: Mapping[str, str]) -> Iterator[tuple[str, OwnTag]]:
    """Read tags; those that are malformed count for nothing, as everywhere."""
    contents = repo.git.process.cat_objects(refs.values())
    for (ref, oid), found in zip(refs.items(), contents, strict=True):
        if found is None or found[0] != "tag":
            continue
        try:
            yield ref, OwnTag(decode_tag(ref, oid, found[1]), found[1])
        except DamagedError:
            continue


def _series(tag: MoveTag) -> str:
    known = parse_ref(tag.ref)
    return move_ref(tag.kind, tag.model, known.part if known else "", 1)


def _email(who: str) -> str:
    return who.rpartition("<")[2].rstrip(">").strip().lower()


def _renumber_words(subject: str, numbers: Mapping[int, int]) -> str:
    """Write the new number where the subject has the old one: `churn v3: …`, `churn: v3 to Staging`."""

    def renumbered(match: re.Match[str]) -> str:
        return f"{match[1]}v{numbers.get(int(match[2]), int(match[2]))}"

    return re.sub(r"(^[^:]* |^[^:]*: (?:.* )?)v([1-9][0-9]*)(?=[: ]|$)", renumbered, subject, count=1)
