"""What happened to a model: its registrations and moves as one story, and who signed what."""

from __future__ import annotations

from collections.abc import Iterable

from gitml.entities.registry import MoveTag, VersionTag
from gitml.formats.registry_tag import is_signed
from gitml.index.objects import read_objects
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
