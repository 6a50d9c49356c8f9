"""What a workflow was started for: the event of a tag, and whether it still stands."""

from __future__ import annotations

from dataclasses import dataclass

from gitml.entities.registry import REMOVED, MoveTag, VersionTag
from gitml.errors import NotFoundError, RefusedError, UsageError
from gitml.formats.ci_ref import parse_ci_ref
from gitml.formats.registry_names import stage_key
from gitml.registry.reading import read_registry
from gitml.registry.state import ModelState
from gitml.repo import Repo


class NoRegistryRefError(UsageError):
    """A ref is none of the registry's."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!r:.200} is no tag of the registry",
            hint="it takes gitml/stages/MODEL/STAGE/N, gitml-ci/MODEL/STAGE/N, gitml/models/MODEL/vN "
            "or gitml/aliases/MODEL/ALIAS/N",
        )
        self.text = text


class PassedByError(RefusedError):
    """An event is not what holds any more."""

    def __init__(self, event: MoveTag, model: ModelState) -> None:
        holder = model.holder(event.name) if event.kind == "stage" else model.alias(event.name)
        place = event.name if event.kind == "stage" else f"@{event.name}"
        now = "nothing" if holder is None else f"v{holder}"
        super().__init__(
            f"'{event.ref.removeprefix('refs/tags/')}' is not what holds any more: {place} of '{model.name}' is {now}",
            hint=f"there is nothing to do for it; gitml models history '{model.name}' shows what came after",
        )
        self.event = event
        self.holder = holder


@dataclass(frozen=True, slots=True)
class Named:
    """What a ref names.

    Attributes:
        tag: What the tag says.
        model: The model as it is now.
    """

    tag: VersionTag | MoveTag
    model: ModelState

    @property
    def version(self) -> int:
        """The version that it is about."""
        return self.tag.number if isinstance(self.tag, VersionTag) else self.tag.version

    @property
    def fields(self) -> dict[str, str]:
        """What a workflow asks for, as text on one line each; empty where there is nothing."""
        tag = self.tag
        move = tag if isinstance(tag, MoveTag) else None
        return {
            "kind": move.kind if move else "version",
            "model": self.model.name,
            "version": str(self.version),
            "stage": move.name if move and move.kind == "stage" else "",
            "alias": move.name if move and move.kind == "alias" else "",
            "event": move.event if move else "registered",
            "number": str(tag.number),
            "tag": tag.ref.removeprefix("refs/tags/"),
            "who": tag.who,
        }


def named_by(repo: Repo, text: str, *, present: bool = False) -> Named:
    """Find what a ref names: a tag of the registry, or one that starts CI for it.

    Args:
        repo: The repository.
        text: The ref, with or without `refs/tags/`.
        present: Whether it must be what holds now.

    Raises:
        NoRegistryRefError: It is no such ref.
        NotFoundError: There is no such tag here.
        PassedByError: Something came after it.
    """
    found = parse_ci_ref(text)
    if found is None:
        raise NoRegistryRefError(text)
    ref, known = found
    registry = read_registry(repo)
    model = registry.models.get(known.model)
    tag: VersionTag | MoveTag | None = None
    if model is not None:
        tag = (
            model.tags.get(known.number)
            if known.kind == "version"
            else next((event for event in model.events if event.ref == ref), None)
        )
    if model is None or tag is None:
        problem = next((one.problem for one in registry.findings if one.ref == ref), None)
        raise NotFoundError(
            f"there is no tag '{ref.removeprefix('refs/tags/')}' of the registry here"
            + (f": {problem}" if problem else ""),
            hint="gitml pull brings those that a remote has",
        )
    if present and isinstance(tag, MoveTag) and not _holds(tag, model):
        raise PassedByError(tag, model)
    return Named(tag, model)


def _holds(event: MoveTag, model: ModelState) -> bool:
    """Whether an event is why its stage or alias is what it is."""
    if event.event != REMOVED:
        entry = model.entry(event.kind, event.name)
        return entry is not None and entry.ref == event.ref
    same = (one for one in reversed(model.events) if one.kind == event.kind)
    if event.kind == "stage":
        return next(one for one in same if stage_key(one.name) == stage_key(event.name)).ref == event.ref
    return next(one for one in same if one.name == event.name).ref == event.ref
