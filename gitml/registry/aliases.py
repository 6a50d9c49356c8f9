"""Aliases: names of a team's own that mean a version, until they mean another."""

from __future__ import annotations

from dataclasses import replace

from gitml.entities.registry import REMOVED, SET, MoveTag
from gitml.errors import ConflictError
from gitml.formats.registry_names import check_alias, encode_part, move_ref
from gitml.formats.registry_tag import encode_move
from gitml.registry.lookup import NobodyHoldsError, get_state, version_of
from gitml.registry.models import clean_description
from gitml.registry.reading import read_registry
from gitml.registry.state import ModelState
from gitml.registry.tags import Sign, make_tag, now_ms
from gitml.repo import Repo

_ATTEMPTS = 50


def set_alias(
    repo: Repo, name: str, alias: str, version: int, *, comment: str | None = None, sign: Sign = None,
    time_ms: int | None = None,
) -> MoveTag:  # fmt: skip
    """Let an alias mean a version from now on; `time_ms` says when, if it is only written down now.

    Returns:
        The event; the present one if the alias means that version already.

    Raises:
        InvalidNameError: The alias can't be used.
        NotFoundError: There is no such model or version.
    """
    check_alias(alias)
    state = get_state(repo, name)
    version_of(state, version)
    present = state.entry("alias", alias)
    if state.alias(alias) == version and present is not None:
        return present
    return _put(
        repo, state, alias, version, SET, f"@{alias} is v{version}", comment, sign=sign, time_ms=time_ms
    )


def remove_alias(
    repo: Repo, name: str, alias: str, *, comment: str | None = None, sign: Sign = None
) -> MoveTag:
    """Let an alias mean nothing.

    Raises:
        NotFoundError: There is no such model, or the alias means nothing.
    """
    state = get_state(repo, name)
    version = state.moves.aliases.get(alias)
    if version is None:
        raise NobodyHoldsError(state, "alias", alias)
    return _put(repo, state, alias, version, REMOVED, f"@{alias} removed", comment, sign=sign)


def _put(  # noqa: PLR0913 - what an event says
    repo: Repo, state: ModelState, alias: str, version: int, event: str, what: str, comment: str | None, *,
    sign: Sign, time_ms: int | None = None,
) -> MoveTag:  # fmt: skip
    said = clean_description("comment", comment) or None
    ref = ""
    for _ in range(_ATTEMPTS):
        part = encode_part(alias)
        beside = read_registry(repo).free_number("alias", state.id, part)
        number = max(state.next_event("alias", alias), beside)
        ref = move_ref("alias", state.id, part, number)
        tag = MoveTag(
            ref=ref, oid="", target=state.tags[version].oid, model=state.id, version=version, kind="alias",
            name=alias, event=event, number=number, order=state.next_order,
            previous=state.moves.aliases.get(alias), archived=(), left=(), comment=said,
            who=repo.settings.author,
            time_ms=now_ms() if time_ms is None else time_ms,
        )  # fmt: skip
        message = encode_move(tag, f"{state.name}: {what}")
        oid = make_tag(repo, ref, tag.target, "tag", message, time_ms=tag.time_ms, sign=sign)
        if oid is not None:
            return replace(tag, oid=oid)
        # Somebody was first; what is asked for is still asked for, and comes after it.
        state = read_registry(repo).models[state.id]
    raise ConflictError(ref, _ATTEMPTS)
