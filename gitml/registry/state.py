"""Events to state: which version is in which stage and what the aliases mean. Pure.

The order of the events is causal: each has a number above all that its writer knew, so
no clock can put an answer before what it answers. Of events that knew nothing of each
other the time decides, then the name; every clone comes to the same state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from gitml.entities.registry import (
    ARCHIVED,
    REMOVED,
    ModelRecord,
    ModelVersion,
    MoveTag,
    RegisteredModel,
    VersionNotes,
    VersionTag,
)
from gitml.formats.registry_names import name_of_id, stage_key

_ARCHIVED_KEY = stage_key(ARCHIVED)
_NO_NOTES = VersionNotes()


def _key(kind: str, name: str) -> str:
    """What a stage or alias is told apart by."""
    return stage_key(name) if kind == "stage" else name


def sort_key(event: MoveTag) -> tuple[int, int, str]:
    """Where an event stands among those of its model."""
    return event.order, event.time_ms, event.ref


@dataclass(slots=True)
class Moves:
    """Where the versions of a model stand after some events.

    Attributes:
        stage_of: Version to the stage that it is in.
        lines: Stage to the versions that came into it, the last at the end; without
            those that were taken out of it. Stages are told apart by `stage_key`.
        aliases: Alias to version.
        changed_ms: Version to the time of its last move.
        names: Stage to how it is written.
        numbers: Kind and stage or alias, to the number of its last event.
    """

    stage_of: dict[int, str] = field(default_factory=dict)
    lines: dict[str, dict[int, None]] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    changed_ms: dict[int, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)

    def copy(self) -> Moves:
        """A state of its own."""
        return Moves(
            dict(self.stage_of),
            {stage: dict(line) for stage, line in self.lines.items()},
            dict(self.aliases),
            dict(self.changed_ms),
            dict(self.names),
            dict(self.numbers),
        )

    def apply(self, event: MoveTag) -> None:
        """Take in the next event."""
        key = (event.kind, _key(event.kind, event.name))
        self.numbers[key] = max(self.numbers.get(key, 0), event.number)
        if event.kind == "alias":
            if event.event != REMOVED:
                self.aliases[event.name] = event.version
            elif self.aliases.get(event.name) == event.version:
                del self.aliases[event.name]
            return
        stage = key[1]
        self.names[stage] = event.name
        line = self.lines.setdefault(stage, {})
        self.changed_ms[event.version] = event.time_ms
        for version in event.left:
            line.pop(version, None)
            self._leave(version, stage, event.time_ms)
        for version in event.archived:
            if self._leave(version, stage, event.time_ms):
                self.stage_of[version] = _ARCHIVED_KEY
                self.lines.setdefault(_ARCHIVED_KEY, {})[version] = None
                self.names.setdefault(_ARCHIVED_KEY, ARCHIVED)
        line.pop(event.version, None)
        if event.event == REMOVED:
            self._leave(event.version, stage, event.time_ms)
        else:
            self.stage_of[event.version] = stage
            line[event.version] = None

    def _leave(self, version: int, stage: str, time_ms: int) -> bool:
        """Take a version out of a stage, if it still is in it."""
        if self.stage_of.get(version) != stage:
            return False
        del self.stage_of[version]
        self.changed_ms[version] = time_ms
        return True

    def holder(self, stage: str, deleted: Collection[int] = ()) -> int | None:
        """The version that came last into a stage and is still in it."""
        for version in reversed(self.lines.get(stage, {})):
            if self.stage_of.get(version) == stage and version not in deleted:
                return version
        return None

    def before(self, stage: str, deleted: Collection[int] = ()) -> int | None:
        """The version that held a stage before the present holder did, or the last one if nobody does."""
        holder = self.holder(stage, deleted)
        seen = holder is None
        for version in reversed(self.lines.get(stage, {})):
            if seen and version not in deleted:
                return version
            seen = seen or version == holder
        return None


def fold(events: Iterable[MoveTag]) -> Moves:
    """Say where the versions of one model stand after events, in whatever order they are given."""
    moves = Moves()
    for event in sorted(events, key=sort_key):
        moves.apply(event)
    return moves


class ModelState:
    """All that is known of one model; never changes."""

    def __init__(
        self,
        model: str,
        versions: dict[int, VersionTag],
        events: Sequence[MoveTag],
        moves: Moves,
        record: ModelRecord | None = None,
    ) -> None:
        """Use `of` or `with_more`.

        Args:
            model: The model's id.
            versions: Its versions, by number.
            events: Its events, in order.
            moves: What these come to.
            record: What its records say.
        """
        self.id = model
        self.tags = versions
        self.events = events
        self.moves = moves
        self.record = record
        self.name = record.name if record else name_of_id(model)
        self.deleted = frozenset(
            number
            for number, notes in (record.versions if record else {}).items()
            if notes.deleted_ms is not None
        )
        self._called: dict[int, list[str]] | None = None
        self._made: dict[int, ModelVersion] = {}

    @classmethod
    def of(
        cls,
        model: str,
        versions: Iterable[VersionTag],
        events: Iterable[MoveTag],
        record: ModelRecord | None = None,
    ) -> ModelState:
        """Fold the tags of a model."""
        ordered = sorted(events, key=sort_key)
        numbered = {tag.number: tag for tag in sorted(versions, key=lambda tag: tag.number)}
        return cls(model, numbered, ordered, fold(ordered), record)

    def with_more(self, versions: Sequence[VersionTag], events: Sequence[MoveTag]) -> ModelState:
        """The state with further tags; those that come after all others cost little."""
        new = sorted(events, key=sort_key)
        if new and self.events and sort_key(new[0]) < sort_key(self.events[-1]):
            return ModelState.of(self.id, [*self.tags.values(), *versions], [*self.events, *new], self.record)
        moves = self.moves.copy() if new else self.moves
        for event in new:
            moves.apply(event)
        tags = self.tags
        if versions:
            tags = dict(sorted({**tags, **{tag.number: tag for tag in versions}}.items()))
        return ModelState(self.id, tags, [*self.events, *new], moves, self.record)

    def with_record(self, record: ModelRecord | None) -> ModelState:
        """The state with what other records say."""
        return ModelState(self.id, self.tags, self.events, self.moves, record)

    # Questions

    @property
    def is_deleted(self) -> bool:
        """Whether the model was deleted."""
        return self.record is not None and self.record.deleted_ms is not None

    @property
    def next_number(self) -> int:
        """The number of the next version."""
        return max(self.tags, default=0) + 1

    @property
    def next_order(self) -> int:
        """The order of the next event."""
        return self.events[-1].order + 1 if self.events else 1

    def next_event(self, kind: str, name: str) -> int:
        """The number of the next event of a stage or alias."""
        return self.moves.numbers.get((kind, _key(kind, name)), 0) + 1

    @property
    def latest(self) -> int | None:
        """The newest version that was not deleted."""
        return next((number for number in reversed(self.tags) if number not in self.deleted), None)

    def stage_of(self, version: int) -> str | None:
        """The stage that a version is in, as it is written."""
        key = self.moves.stage_of.get(version)
        return None if key is None else self.moves.names[key]

    def holder(self, stage: str) -> int | None:
        """The version that holds a stage."""
        return self.moves.holder(stage_key(stage), self.deleted)

    def in_stage(self, stage: str) -> list[int]:
        """All versions in a stage that were not deleted, by number."""
        key = stage_key(stage)
        return sorted(
            version
            for version in self.moves.lines.get(key, {})
            if self.moves.stage_of.get(version) == key and version not in self.deleted
        )

    def latest_by_stage(self) -> dict[str | None, int]:
        """The newest version in each stage, and in none, that was not deleted."""
        found: dict[str | None, int] = {}
        for number in self.tags:
            if number not in self.deleted:
                found[self.stage_of(number)] = number
        return found

    def before(self, stage: str) -> int | None:
        """The version to go back to."""
        return self.moves.before(stage_key(stage), self.deleted)

    def alias(self, alias: str) -> int | None:
        """What an alias means."""
        version = self.moves.aliases.get(alias)
        return None if version in self.deleted else version

    def entry(self, kind: str, name: str) -> MoveTag | None:
        """The event that brought the holder into its stage, or gave an alias its meaning."""
        wanted = _key(kind, name)
        holder = self.holder(name) if kind == "stage" else self.alias(name)
        return next(
            (
                one
                for one in reversed(self.events)
                if one.kind == kind
                and _key(kind, one.name) == wanted
                and one.event != REMOVED
                and one.version == holder
            ),
            None,
        )

    def at(self, time_ms: int) -> Moves:
        """Where the versions stood at a time, by the times in the events."""
        return fold(event for event in self.events if event.time_ms <= time_ms)

    # As people see it

    def model(self) -> RegisteredModel:
        """The model as it is now."""
        record = self.record
        moves = self.moves
        holders = {
            moves.names[stage]: holder
            for stage in moves.lines
            if (holder := moves.holder(stage, self.deleted)) is not None
        }
        created = [tag.time_ms for tag in list(self.tags.values())[:1]]
        updated = [tag.time_ms for tag in list(self.tags.values())[-1:]]
        updated += [event.time_ms for event in self.events[-1:]]
        if record is not None:
            created.append(record.created_ms)
            updated.append(record.updated_ms)
        return RegisteredModel(
            id=self.id,
            name=self.name,
            description=record.description if record else None,
            tags=record.tags if record else {},
            created_ms=min(created, default=0),
            updated_ms=max(updated, default=0),
            deleted_ms=record.deleted_ms if record else None,
            former=record.former if record else (),
            versions=len(self.tags) - len(self.deleted & self.tags.keys()),
            latest=self.latest,
            holders=holders,
            aliases={
                alias: version
                for alias, version in sorted(moves.aliases.items())
                if version not in self.deleted
            },
        )

    def version(self, number: int) -> ModelVersion:
        """A version as it is now.

        Raises:
            KeyError: There is none of that number.
        """
        if number in self._made:
            return self._made[number]
        tag = self.tags[number]
        notes = self.record.versions.get(number, _NO_NOTES) if self.record else _NO_NOTES
        tags = tag.tags
        if notes.tags:
            tags = {key: value for key, value in {**tags, **notes.tags}.items() if value is not None}
        if self._called is None:
            called: dict[int, list[str]] = {}
            for alias, version in sorted(self.moves.aliases.items()):
                called.setdefault(version, []).append(alias)
            self._called = called
        made = self._made[number] = ModelVersion(
            name=self.name,
            model=self.id,
            version=number,
            run_id=tag.run_id,
            record=tag.record,
            path=tag.path,
            digest=tag.digest,
            description=tag.description if notes.description is None else notes.description or None,
            tags=tags,
            source=tag.source,
            author=tag.who,
            created_ms=tag.time_ms,
            updated_ms=self.moves.changed_ms.get(number, tag.time_ms),
            stage=self.stage_of(number),
            aliases=tuple(self._called.get(number, ())),
            deleted_ms=notes.deleted_ms,
            tag=tag.oid,
            ref=tag.ref,
        )
        return made

    def versions(self, *, deleted: bool = False) -> list[ModelVersion]:
        """All versions by number; deleted ones only if asked for."""
        return [self.version(number) for number in self.tags if deleted or number not in self.deleted]
