"""What a model's record says, after it was changed in two places at once.

As `fold_runs` does for runs, field by field: a model is taken apart into its smallest
facts, of each the value counts that was changed against the base, of several the latest.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from gitml.entities.registry import ModelRecord, VersionNotes

Record = tuple[int, str, ModelRecord]
_Facts = dict[tuple[Hashable, ...], Any]
_ABSENT = object()


def fold_models(records: Iterable[Record], base: ModelRecord | None = None) -> ModelRecord:
    """Merge states of one model; depends on the set of records only.

    Args:
        records: Commit time in ms, commit id, state; at least one.
        base: The newest state that all of them descend from, if there is one.
    """
    latest_first = sorted({one[1]: one for one in records}.values(), key=lambda one: one[:2], reverse=True)
    states = [state for _, _, state in latest_first]
    if len(states) == 1:
        return states[0]
    before: _Facts = {} if base is None else _apart(base)
    apart = [_apart(state) for state in states]
    merged: _Facts = {}
    for key in dict.fromkeys(key for facts in (before, *reversed(apart)) for key in facts):
        old = before.get(key, _ABSENT)
        found = (facts.get(key, _ABSENT) for facts in apart)
        value = next((value for value in found if value is not old and value != old), old)
        if value is not _ABSENT:
            merged[key] = value
    return replace(
        _together(states[0].id, merged),
        created_ms=min(state.created_ms for state in states),
        updated_ms=max(state.updated_ms for state in states),
    )


def _apart(model: ModelRecord) -> _Facts:
    facts: _Facts = {
        ("name",): model.name,
        ("description",): model.description,
        ("deleted",): model.deleted_ms,
        **{("former", name): True for name in model.former},
        **{("tags", key): value for key, value in model.tags.items()},
        **{("extra", key): value for key, value in model.extra.items()},
    }
    for number, notes in model.versions.items():
        facts["versions", number, "description"] = notes.description
        facts["versions", number, "deleted"] = notes.deleted_ms
        facts |= {("versions", number, "tags", key): value for key, value in notes.tags.items()}
    return {key: value for key, value in facts.items() if value is not None or len(key) == 4}


def _together(model: str, facts: Mapping[tuple[Hashable, ...], Any]) -> ModelRecord:
    versions: dict[int, dict[str, Any]] = {}
    for key, value in facts.items():
        if key[0] == "versions":
            notes = versions.setdefault(key[1], {"tags": {}})  # type: ignore[arg-type]  # made in `_apart`
            if key[2] == "tags":
                notes["tags"][key[3]] = value
            else:
                notes[str(key[2])] = value
    return ModelRecord(
        id=model,
        name=facts["name",],
        description=facts.get(("description",)),
        deleted_ms=facts.get(("deleted",)),
        # A name that one side took back while the other had it only as a former one is no former name.
        former=tuple(sorted(str(key[1]) for key in facts if key[0] == "former" and key[1] != facts["name",])),
        tags=_below(facts, "tags"),
        extra=_below(facts, "extra"),
        versions={
            number: VersionNotes(notes.get("description"), notes["tags"], notes.get("deleted"))
            for number, notes in sorted(versions.items())
        },
    )


def _below(facts: Mapping[tuple[Hashable, ...], Any], area: str) -> dict[str, Any]:
    return {str(key[1]): value for key, value in facts.items() if key[0] == area}
