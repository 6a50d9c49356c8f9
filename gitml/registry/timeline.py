"""What happened to a model: its registrations and moves as one story, and who signed what."""

from __future__ import annotations

from collections.abc import Iterable

from gitml.entities.registry import ARCHIVED, MoveTag, VersionTag
from gitml.formats.registry_names import stage_key
from gitml.formats.registry_tag import is_signed
from gitml.index.objects import read_objects
from gitml.registry.stages import holder_at
from gitml.registry.state import ModelState
from gitml.repo import Repo

Happening = VersionTag | MoveTag


def timeline(model: ModelState) -> list[Happening]:
    """List registrations and moves, oldest first.

    Moves stay in their causal order, and no version moves before it was registered,
    whatever the clocks of those who did it said.
    """
    story: list[Happening] = []
    waiting = list(reversed(model.tags.values()))
    for move in model.events:
        while waiting and (waiting[-1].time_ms <= move.time_ms or waiting[-1].number <= move.version):
            story.append(waiting.pop())
        story.append(move)
    return [*story, *reversed(waiting)]


def signed_tags(repo: Repo, tags: Iterable[Happening]) -> set[str]:
    """Tell which tag objects carry a signature; whose and whether it is good, `gitml verify` tells."""
    oids = list(dict.fromkeys(tag.oid for tag in tags))
    contents = read_objects(repo.git, oids)
    return {
        oid for oid, content in zip(oids, contents, strict=True) if content is not None and is_signed(content)
    }


def events_of(model: ModelState, version: int) -> list[Happening]:
    """List what happened to one version, oldest first: what others took from it included."""

    def concerns(one: Happening) -> bool:
        if isinstance(one, VersionTag):
            return one.number == version
        return version in (one.version, one.previous, *one.archived, *one.left)

    return [one for one in timeline(model) if concerns(one)]


def events_of_stage(model: ModelState, stage: str) -> list[Happening]:
    """List what happened to one stage, oldest first; what came into Archived by other events included."""
    key = stage_key(stage)
    archived = key == stage_key(ARCHIVED)
    return [
        one
        for one in model.events
        if one.kind == "stage" and (stage_key(one.name) == key or (archived and one.archived))
    ]


def places_at(repo: Repo, model: ModelState, time_ms: int, stage: str | None = None) -> list[MoveTag]:
    """Say what was where at a time: of each stage and alias that meant a version, the event that brought it there.

    Args:
        repo: The repository.
        model: The model.
        time_ms: When.
        stage: Only this stage.
    """
    then = model.at(time_ms)
    names = [stage] if stage is not None else list(then.names.values())
    held = (holder_at(repo, model.name, name, time_ms) for name in names)
    places = [holding.event for holding in held if holding is not None]
    if stage is not None:
        return places
    aliases = {
        one.name: one
        for one in model.events
        if one.kind == "alias" and one.time_ms <= time_ms and then.aliases.get(one.name) == one.version
    }
    return [*places, *(aliases[name] for name in sorted(aliases))]
