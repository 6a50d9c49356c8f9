"""What else has a say in who holds a place: later tags, and records that nobody signs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gitml.entities.registry import MoveTag
from gitml.formats.registry_names import stage_key
from gitml.registry.state import ModelState, Moves, fold, sort_key


def deciding_events(state: ModelState, head: MoveTag) -> Iterator[MoveTag]:
    """List the events after the one that brought the holder which decided that nobody holds the place instead.

    Without them another version might hold it: whoever made them chose the holder too.
    """
    after = [event for event in state.events if sort_key(event) > sort_key(head)]
    if head.kind == "alias":
        yield from (event for event in after if event.kind == "alias" and event.name == head.name)
        return
    key = stage_key(head.name)
    moves = fold(event for event in state.events if sort_key(event) <= sort_key(head))
    for event in after:
        if event.kind != "stage":
            continue
        touched = (event.version, *event.archived, *event.left)
        before = _inside(moves, touched, key)
        moves.apply(event)
        if stage_key(event.name) == key or _inside(moves, touched, key) != before:
            yield event


def _inside(moves: Moves, versions: Iterable[int], stage: str) -> list[int]:
    return [version for version in versions if moves.stage_of.get(version) == stage]


def passed_over(state: ModelState, kind: str, holder: int | None, stage: str = "") -> int | None:
    """The version that would hold a place if no record said that it was deleted; None if the holder would.

    Args:
        state: The model.
        kind: `stage` or `latest`; of other places nothing is passed over.
        holder: The version that holds it.
        stage: Which stage.
    """
    if kind not in ("stage", "latest"):
        return None
    first = state.moves.holder(stage_key(stage)) if kind == "stage" else max(state.tags, default=None)
    return first if first != holder else None
