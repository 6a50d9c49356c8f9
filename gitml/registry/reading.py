"""The state of the registry: tags and records, read once and kept up with.

Tags never change, so one that was read is never read again: what it says is kept in the
index, which is a cache. What is foreign or malformed is a finding and counts for nothing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from weakref import WeakKeyDictionary

from gitml.entities.registry import ModelRecord, MoveTag, TagFinding, VersionTag
from gitml.errors import DamagedError
from gitml.formats.registry_names import is_same_name, parse_ref
from gitml.formats.registry_tag import decode_tag
from gitml.git.ref_listing import RefListing
from gitml.git.runs_branch import RUNS_REF
from gitml.index.collector import collector_paused
from gitml.index.objects import read_objects
from gitml.registry.state import ModelState
from gitml.repo import Repo
from gitml.sync.cloned import begin_branch

_TAGS = "refs/tags/gitml/"
_IN_PROCESS = 20  # tags; beyond, starting git costs less than reading one by one
_Read = VersionTag | MoveTag | TagFinding
_KINDS: dict[str, Callable[..., VersionTag | MoveTag]] = {"v": VersionTag, "m": MoveTag}
_VALUES = {kind: attrgetter(*(one.name for one in fields(kind))) for kind in (VersionTag, MoveTag)}


@dataclass(frozen=True, slots=True)
class Registry:
    """The registry as it is now.

    Attributes:
        models: Id to model.
        findings: Tags below `gitml/` that are none of the registry's.
    """

    models: Mapping[str, ModelState] = field(default_factory=dict)
    findings: tuple[TagFinding, ...] = ()

    def named(self, name: str) -> ModelState | None:
        """Find a model by its name, or else by one that it had; one that was not deleted first.

        A name in another form of Unicode (NFC, NFD) is the same, unless there is one in this very form.
        """
        found = [model for model in self.models.values() if model.name == name]
        if not found:
            found = [model for model in self.models.values() if model.record and name in model.record.former]
        if not found and not name.isascii():  # people can't see in which form of Unicode a name is written
            found = [model for model in self.models.values() if is_same_name(model.name, name)]
        return min(found, key=lambda model: (model.is_deleted, len(model.id), model.id), default=None)

    def free_number(self, kind: str, model: str, part: str = "") -> int:
        """The number above those that malformed tags took; 1 if none did.

        Args:
            kind: `version`, `stage` or `alias`.
            model: The model's id.
            part: The stage or alias, encoded.
        """
        return max(self.taken(kind, model, part), default=0) + 1

    def taken(self, kind: str, model: str, part: str = "") -> dict[int, TagFinding]:
        """The numbers that malformed tags took; arguments are those of `free_number`."""
        known = ((parse_ref(finding.ref), finding) for finding in self.findings)
        return {
            one.number: finding
            for one, finding in known
            if one is not None and (one.kind, one.model, one.part) == (kind, model, part)
        }


def read_registry(repo: Repo) -> Registry:
    """Read the registry; what was read before of this repository is not read again."""
    with _lock:
        reader = _readers.get(repo)
        if reader is None:
            reader = _readers[repo] = _Reader(repo)
    return reader.read(repo)


class _Reader:
    """What was read of one repository. It does not hold on to the repository itself."""

    def __init__(self, repo: Repo) -> None:
        self._listing = RefListing(repo.git, _TAGS)
        self._lock = threading.Lock()
        self._new: dict[str, str] = {}
        self._gone: set[str] = set()
        self._read: dict[str, VersionTag | MoveTag] = {}
        self._foreign: dict[str, TagFinding] = {}
        self._tip: str | None = None
        self._records: dict[str, ModelRecord] = {}
        self._folded: dict[str, ModelState] = {}
        self._findings: dict[str, tuple[TagFinding, ...]] = {}
        self._registry = Registry()

    def read(self, repo: Repo) -> Registry:
        with self._lock:
            with collector_paused():
                changed = self._follow_records(repo) | self._follow_tags(repo)
            if changed:
                ours = [finding for found in self._findings.values() for finding in found]
                findings = tuple(sorted([*ours, *self._foreign.values()], key=lambda one: one.ref))
                self._registry = Registry(dict(sorted(self._folded.items())), findings)
            return self._registry

    def _follow_records(self, repo: Repo) -> bool:
        if repo.git.tip(RUNS_REF) is None and repo.settings.remotes:
            begin_branch(repo)
        tip = repo.git.tip(RUNS_REF)
        if tip == self._tip:
            return False
        repo.index.catch_up()
        before, self._records = self._records, {record.id: record for record, _ in repo.index.models()}
        self._tip = tip
        changed = {
            model
            for model in before.keys() | self._records.keys()
            if before.get(model) != self._records.get(model)
        }
        for model in changed:
            state = self._folded.get(model) or ModelState.of(model, (), ())
            self._put(model, state.with_record(self._records.get(model)))
        return bool(changed)

    def _put(self, model: str, state: ModelState) -> None:
        if state.tags or state.record:
            self._folded[model] = state
        else:
            self._folded.pop(model, None)

    def _follow_tags(self, repo: Repo) -> bool:
        changes = self._listing.read()
        # Kept until they are dealt with: git may fail to read a tag.
        self._gone |= changes.gone
        waiting = {ref: oid for ref, oid in self._new.items() if ref not in changes.gone}
        self._new = {**waiting, **changes.new}
        if not self._new and not self._gone:
            return False
        fresh = _read_tags(repo, list(self._new.items()))
        # Tags that were moved or deleted, which never happens by gitml: their models are folded anew.
        anew = {gone.model for ref in self._gone if (gone := self._read.pop(ref, None)) is not None}
        for ref in self._gone:
            self._foreign.pop(ref, None)
        by_model: dict[str, list[VersionTag | MoveTag]] = {model: [] for model in anew}
        for model in anew:
            self._folded.pop(model, None)
            self._findings.pop(model, None)
        if anew:
            for known in self._read.values():
                if known.model in anew:
                    by_model[known.model].append(known)
        for ref, one in fresh.items():
            if isinstance(one, TagFinding):
                self._foreign[ref] = one
            else:
                self._read[ref] = one
                by_model.setdefault(one.model, []).append(one)
        for model, tags in by_model.items():
            self._fold(model, tags)
        self._new.clear()
        self._gone.clear()
        return True

    def _fold(self, model: str, tags: Sequence[VersionTag | MoveTag]) -> None:
        versions = [tag for tag in tags if isinstance(tag, VersionTag)]
        moves = [tag for tag in tags if isinstance(tag, MoveTag)]
        before = self._folded.get(model)
        if versions and model in self._findings:
            # Events that came before their version, say from an interrupted fetch.
            waiting = {finding.ref for finding in self._findings.pop(model)}
            moves += [
                one
                for ref in sorted(waiting)
                if isinstance(one := self._read.get(ref), MoveTag) and one not in moves
            ]
        known = {**(before.tags if before else {}), **{tag.number: tag for tag in versions}}
        sound, findings = _sorted_out(known, moves)
        if before is None:
            state = ModelState.of(model, versions, sound, self._records.get(model))
        else:
            state = before.with_more(versions, sound)
        self._put(model, state)
        if findings:
            self._findings[model] = (*self._findings.get(model, ()), *findings)


_readers: WeakKeyDictionary[Repo, _Reader] = WeakKeyDictionary()
_lock = threading.Lock()


def _sorted_out(
    versions: Mapping[int, VersionTag], moves: Iterable[MoveTag]
) -> tuple[list[MoveTag], list[TagFinding]]:
    """Tell events of versions that are here from those of others."""
    sound, findings = [], []
    for move in moves:
        version = versions.get(move.version)
        if version is None:
            findings.append(TagFinding(move.ref, f"version {move.version} is not here: git fetch --tags"))
        elif version.oid != move.target:
            findings.append(TagFinding(move.ref, f"it does not tag the tag of version {move.version}"))
        else:
            sound.append(move)
    return sound, findings


def _read_tags(repo: Repo, refs: Sequence[tuple[str, str]]) -> dict[str, _Read]:
    read: dict[str, _Read] = {}
    wanted: list[tuple[str, str]] = []
    for ref, oid in refs:
        if parse_ref(ref) is None:
            read[ref] = TagFinding(ref, "it is no name of the registry's")
        else:
            wanted.append((ref, oid))
    kept = _kept(repo) if len(wanted) > _IN_PROCESS else {}
    unknown: list[tuple[str, str]] = []
    for ref, oid in wanted:
        one = kept.get(oid)
        if one is None or one.ref != ref:
            unknown.append((ref, oid))
        else:
            read[ref] = one
    fresh: dict[str, str] = {}
    for (ref, oid), content in zip(unknown, _contents(repo, [oid for _, oid in unknown]), strict=True):
        try:
            if content is None:
                raise DamagedError("git lacks its object")
            decoded = decode_tag(ref, oid, content)
        except DamagedError as err:
            read[ref] = TagFinding(ref, err.message)
        else:
            read[ref] = decoded
            fresh[oid] = _packed(decoded)
    if fresh:
        repo.index.put_registry_tags(fresh)
    return read


def _contents(repo: Repo, oids: Sequence[str]) -> Iterable[bytes | None]:
    if len(oids) > _IN_PROCESS:
        return read_objects(repo.git, oids)
    return [repo.git.read_blob(oid) if repo.git.has_object(oid) else None for oid in oids]


def _packed(tag: VersionTag | MoveTag) -> str:
    kind = "v" if isinstance(tag, VersionTag) else "m"
    return json.dumps([kind, *_VALUES[type(tag)](tag)], separators=(",", ":"))


def _kept(repo: Repo) -> dict[str, VersionTag | MoveTag]:
    """What was put by of tags; nothing if another gitml put it by in another shape."""
    bodies = repo.index.registry_tags()
    try:
        # One text of all: reading each by itself takes twice as long.
        rows = json.loads(f"[{','.join(bodies.values())}]")
        return {
            oid: _KINDS[kind](*[tuple(value) if type(value) is list else value for value in values])
            for oid, (kind, *values) in zip(bodies, rows, strict=True)
        }
    except (KeyError, TypeError, ValueError):
        return {}
