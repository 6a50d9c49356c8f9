"""The state of the registry: tags and records, read once and kept up with.

Tags never change, so one that was read is never read again: what it says is kept in the
index, which is a cache. What is foreign or malformed is a finding and counts for nothing.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any
from weakref import WeakKeyDictionary

from gitml.entities.registry import ModelRecord, MoveTag, TagFinding, VersionTag
from gitml.errors import DamagedError
from gitml.formats.registry_names import parse_ref
from gitml.formats.registry_tag import decode_tag
from gitml.git.ref_listing import RefListing
from gitml.git.runs_branch import RUNS_REF
from gitml.index.objects import read_objects
from gitml.registry.state import ModelState
from gitml.repo import Repo

_TAGS = "refs/tags/gitml/"
_IN_PROCESS = 20  # tags; beyond, starting git costs less than reading one by one
_Read = VersionTag | MoveTag | TagFinding
_KINDS: dict[str, type[VersionTag | MoveTag]] = {"v": VersionTag, "m": MoveTag}
_VALUES = {kind: attrgetter(*(one.name for one in fields(kind))) for kind in _KINDS.values()}


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
        """Find a model by its name, or else by one that it had; one that was not deleted first."""
        found = [model for model in self.models.values() if model.name == name]
        if not found:
            found = [model for model in self.models.values() if model.record and name in model.record.former]
        return min(found, key=lambda model: (model.is_deleted, len(model.id), model.id), default=None)

    def free_number(self, kind: str, model: str, part: str = "") -> int:
        """The number above those that malformed tags took; 1 if none did.

        Args:
            kind: `version`, `stage` or `alias`.
            model: The model's id.
            part: The stage or alias, encoded.
        """
        known = (parse_ref(finding.ref) for finding in self.findings)
        taken = (
            one.number
            for one in known
            if one is not None and (one.kind, one.model, one.part) == (kind, model, part)
        )
        return max(taken, default=0) + 1


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
        self._refs: Mapping[str, str] = {}
        self._read: dict[str, _Read] = {}
        self._tip: str | None = None
        self._records: dict[str, ModelRecord] = {}
        self._folded: dict[str, ModelState] = {}
        self._findings: dict[str, tuple[TagFinding, ...]] = {}
        self._registry = Registry()

    def read(self, repo: Repo) -> Registry:
        with self._lock:
            changed = self._follow_records(repo) | self._follow_tags(repo)
            if changed:
                ours = [finding for found in self._findings.values() for finding in found]
                foreign = [one for one in self._read.values() if isinstance(one, TagFinding)]
                findings = tuple(sorted([*ours, *foreign], key=lambda one: one.ref))
                self._registry = Registry(dict(sorted(self._folded.items())), findings)
            return self._registry

    def _follow_records(self, repo: Repo) -> bool:
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
        refs = self._listing.read()
        if refs is self._refs:
            return False
        new = [(ref, oid) for ref, oid in refs.items() if self._refs.get(ref) != oid]
        gone = [ref for ref, oid in self._refs.items() if refs.get(ref) != oid]
        self._refs = refs
        if not new and not gone:
            return False
        # Tags that were moved or deleted, which never happens by gitml: their models are folded anew.
        anew = {model for ref in gone if (model := _model_of(self._read.pop(ref, None)))}
        fresh = _read_tags(repo, new)
        self._read.update(fresh)
        by_model: dict[str, list[VersionTag | MoveTag]] = defaultdict(list)
        if anew:
            for one in self._read.values():
                if (model := _model_of(one)) in anew and not isinstance(one, TagFinding):
                    by_model[model or ""].append(one)
            for model in anew:
                by_model.setdefault(model, [])
                self._folded.pop(model, None)
                self._findings.pop(model, None)
        for one in fresh.values():
            if not isinstance(one, TagFinding) and one.model not in anew:
                by_model[one.model].append(one)
        for model, tags in by_model.items():
            self._fold(model, tags)
        return True

    def _fold(self, model: str, tags: Sequence[VersionTag | MoveTag]) -> None:
        versions = [tag for tag in tags if isinstance(tag, VersionTag)]
        moves = [tag for tag in tags if isinstance(tag, MoveTag)]
        before = self._folded.get(model)
        if versions and model in self._findings:
            # Events that came before their version, say from an interrupted fetch.
            waiting = {finding.ref for finding in self._findings.pop(model)}
            moves += [
                one for ref in waiting if isinstance(one := self._read.get(ref), MoveTag) and one not in moves
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


def _model_of(read: _Read | None) -> str | None:
    return None if read is None or isinstance(read, TagFinding) else read.model


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
    kept = repo.index.registry_tags() if len(wanted) > _IN_PROCESS else {}
    unknown: list[tuple[str, str]] = []
    for ref, oid in wanted:
        one = _unpacked(kept[oid]) if oid in kept else None
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


def _unpacked(text: str) -> VersionTag | MoveTag | None:
    """Read what was put by; None if another gitml put it by in another shape."""
    try:
        kind, *values = json.loads(text)
        values = [tuple(value) if isinstance(value, list) else value for value in values]
        made: Any = _KINDS[kind](*values)
    except (KeyError, TypeError, ValueError):
        return None
    return made  # type: ignore[no-any-return]
