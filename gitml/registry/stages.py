"""Stages: promote, demote, archive, roll back, and who held what when.

Each of these is exactly one tag, made by one compare-and-swap: nothing is ever half done,
and of two people at the same time one is first and the other is told so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gitml.entities.registry import ARCHIVED, ASSIGNED, REMOVED, MoveTag
from gitml.errors import ConflictError, GitmlError, NotFoundError, RefusedError, UsageError
from gitml.formats.registry_names import check_stage, move_ref, stage_key
from gitml.formats.registry_tag import encode_move
from gitml.registry.lookup import NobodyHoldsError, get_state, version_of
from gitml.registry.models import clean_description
from gitml.registry.policy import gate
from gitml.registry.reading import read_registry
from gitml.registry.state import ModelState
from gitml.registry.tags import Sign, make_tag, now_ms
from gitml.repo import Repo

_ATTEMPTS = 50
_UNASKED = -1


class StageConflictError(ConflictError):
    """Somebody else changed the stage since the caller looked."""

    def __init__(self, model: ModelState, stage: str, event: MoveTag | None, holder: int | None) -> None:
        now = "nobody holds it now" if holder is None else f"v{holder} holds it now"
        who = f" by {event.who}" if event else ""
        said = f" ('{event.comment}')" if event and event.comment else ""
        GitmlError.__init__(
            self,
            f"{stage} of model '{model.name}' was changed{who} meanwhile{said}: {now}; nothing was done",
            hint=f"gitml models history '{model.name}' shows it; if you still want it, run the command again",
        )
        self.ref = event.ref if event else ""
        self.attempts = 1
        self.holder = holder
        self.event = event


@dataclass(frozen=True, slots=True)
class Holding:
    """Which version held a stage at a time, and the event that brought it there."""

    version: int
    event: MoveTag


def promote(  # noqa: PLR0913 - what an event says, each by its name
    repo: Repo, name: str, version: int, stage: str, *, comment: str | None = None,
    archive_existing: bool = False, allowed: Iterable[str] = (), expected: int | None = _UNASKED,
    sign: Sign = None, time_ms: int | None = None, override: str | None = None,
) -> MoveTag:  # fmt: skip
    """Bring a version into a stage, if the project's policy lets it in.

    Args:
        repo: The repository.
        name: The model.
        version: Which version of it.
        stage: The stage, in any case.
        comment: Why.
        archive_existing: Whether the versions that are in the stage go to Archived, by the same event.
        allowed: Stages beside Staging, Production and Archived.
        expected: The version that holds the stage as far as the caller knows, None for none.
        sign: Whether the tag is signed, or who signs it; if not given, what git is set up for.
        time_ms: When it was done, if it is only written down now.
        override: Why it comes into the stage whatever the policy says; the event tells so.

    Returns:
        The event; the one that brought the version there if it holds the stage already.

    Raises:
        InvalidNameError: There is no such stage.
        NotFoundError: There is no such model or version.
        PolicyRefusedError: Something that the policy asks for does not hold.
        StageConflictError: Somebody else changed the stage since the caller looked.
    """
    stage = check_stage(stage, tuple(allowed))
    state = get_state(repo, name)
    version_of(state, version)
    holder = state.holder(stage)
    if expected not in (_UNASKED, holder):
        raise StageConflictError(state, stage, _last(state, stage), holder)
    others = [one for one in state.in_stage(stage) if one != version] if archive_existing else []
    already = state.entry("stage", stage) if holder == version else None
    if already is not None and not others:
        return already
    wanted = _wanted(repo, state, version, stage, ASSIGNED, comment, time_ms)
    if stage_key(stage) != stage_key(ARCHIVED):
        wanted = replace(wanted, archived=tuple(others))
    return _put(repo, state, wanted, f"v{version} to {stage}", sign, override)


def archive(
    repo: Repo, name: str, version: int, *, comment: str | None = None, sign: Sign = None,
    time_ms: int | None = None, override: str | None = None,
) -> MoveTag:  # fmt: skip
    """Bring a version to Archived; `time_ms` and `override` are as for `promote`."""
    state = get_state(repo, name)
    version_of(state, version)
    if state.stage_of(version) == ARCHIVED:
        last = [
            one for one in state.events if version in (one.version, *one.archived) and one.kind == "stage"
        ]
        return last[-1]
    wanted = _wanted(repo, state, version, ARCHIVED, ASSIGNED, comment, time_ms)
    return _put(repo, state, wanted, f"v{version} archived", sign, override)


def demote(
    repo: Repo, name: str, version: int, stage: str | None = None, *, comment: str | None = None,
    allowed: Iterable[str] = (), sign: Sign = None, override: str | None = None,
) -> MoveTag:  # fmt: skip
    """Take a version out of its stage.

    Args:
        repo: The repository.
        name: The model.
        version: Which version of it.
        stage: The stage that it must be in; the one that it is in if not given.
        comment: Why.
        allowed: Stages beside Staging, Production and Archived.
        sign: Whether the tag is signed, or who signs it; if not given, what git is set up for.
        override: As for `promote`.

    Raises:
        NotFoundError: There is no such model or version.
        RefusedError: It is not in that stage, or in none.
    """
    state = get_state(repo, name)
    version_of(state, version)
    present = state.stage_of(version)
    if present is None:
        raise RefusedError(
            f"version {version} of model '{state.name}' is in no stage",
            hint=f"gitml models show '{state.name}' tells what is where",
        )
    if stage is not None and stage_key(check_stage(stage, (*allowed, present))) != stage_key(present):
        raise RefusedError(
            f"version {version} of model '{state.name}' is in {present}, not in {stage}",
            hint=f"gitml models demote '{state.name}' {version} {present}",
        )
    wanted = _wanted(repo, state, version, present, REMOVED, comment)
    return _put(repo, state, wanted, f"v{version} out of {present}", sign, override)


def rollback(
    repo: Repo, name: str, stage: str, *, comment: str | None = None, allowed: Iterable[str] = (),
    sign: Sign = None, override: str | None = None,
) -> MoveTag:  # fmt: skip
    """Bring back the version that held a stage before the present one, which leaves it.

    A second rollback goes one further back, not forth again. The policy let that version in
    once; it asks again only who signs.

    Raises:
        NotFoundError: There is no such model, or no version held the stage before.
        StageConflictError: Somebody else changed the stage meanwhile.
    """
    stage = check_stage(stage, tuple(allowed))
    if stage_key(stage) == stage_key(ARCHIVED):
        raise RefusedError("there is nothing to roll back in Archived", hint="promote the version you want")
    state = get_state(repo, name)
    holder, before = state.holder(stage), state.before(stage)
    if before is None:
        if holder is None:
            raise NobodyHoldsError(state, "stage", stage)
        raise NotFoundError(
            f"no version of model '{state.name}' was in {stage} before v{holder}",
            hint=f"gitml models promote '{state.name}' VERSION {stage}",
        )
    wanted = _wanted(repo, state, before, stage, ASSIGNED, comment)
    wanted = replace(wanted, left=() if holder is None else (holder,))
    return _put(repo, state, wanted, f"back to v{before} in {stage}", sign, override)


def _wanted(
    repo: Repo, state: ModelState, version: int, stage: str, event: str, comment: str | None,
    time_ms: int | None = None,
) -> MoveTag:  # fmt: skip
    """An event that has no number yet."""
    return MoveTag(
        ref="", oid="", target=state.tags[version].oid, model=state.id, version=version, kind="stage", name=stage,
        event=event, number=0, order=0, previous=state.holder(stage), archived=(), left=(),
        comment=clean_description("comment", comment) or None, who=repo.settings.author,
        time_ms=now_ms() if time_ms is None else time_ms,
    )  # fmt: skip


def _put(
    repo: Repo, state: ModelState, wanted: MoveTag, what: str, sign: Sign, override: str | None
) -> MoveTag:
    """Make the next event of a stage, as long as the stage is what it was in `state`."""
    reason = clean_description("override", override).strip() if override is not None else None
    if reason == "":
        raise UsageError("the reason for passing over the policy is empty", hint="--override REASON")
    wanted, accept = gate(repo, state, wanted, reason)
    stage, key = wanted.name, stage_key(wanted.name)
    members = state.in_stage(stage)
    ref = ""
    for _ in range(_ATTEMPTS):
        beside = read_registry(repo).free_number("stage", state.id, key)
        number = max(state.next_event("stage", stage), beside)
        ref = move_ref("stage", state.id, key, number)
        tag = replace(wanted, ref=ref, number=number, order=state.next_order)
        message = encode_move(tag, f"{state.name}: {what}")
        oid = make_tag(repo, ref, tag.target, "tag", message, time_ms=tag.time_ms, sign=sign, accept=accept)
        if oid is not None:
            return replace(tag, oid=oid)
        state = read_registry(repo).models[state.id]
        if state.holder(stage) != wanted.previous or state.in_stage(stage) != members:
            raise StageConflictError(state, stage, _last(state, stage), state.holder(stage))
    raise ConflictError(ref, _ATTEMPTS)


def _last(state: ModelState, stage: str) -> MoveTag | None:
    key = stage_key(stage)
    return next(
        (one for one in reversed(state.events) if one.kind == "stage" and stage_key(one.name) == key), None
    )


# Reading


def history(repo: Repo, name: str, stage: str | None = None) -> list[MoveTag]:
    """List the events of a model, oldest first: who moved what where, when and why.

    Args:
        repo: The repository.
        name: The model.
        stage: Only those of this stage; all, and those of aliases, if not given.

    Raises:
        ModelNotFoundError: There is no such model.
    """
    state = get_state(repo, name, deleted=True)
    if stage is None:
        return list(state.events)
    key = stage_key(stage)
    return [one for one in state.events if one.kind == "stage" and stage_key(one.name) == key]


def holder_at(repo: Repo, name: str, stage: str, time_ms: int) -> Holding | None:
    """Say which version held a stage at a time, and who had put it there.

    Times are those in the tags: of the clocks of whoever made them.

    Raises:
        ModelNotFoundError: There is no such model.
    """
    state = get_state(repo, name, deleted=True)
    key = stage_key(stage)
    events = [one for one in state.events if one.time_ms <= time_ms]
    holder = state.at(time_ms).holder(key)
    entry = next(
        (
            one
            for one in reversed(events)
            if one.kind == "stage"
            and stage_key(one.name) == key
            and one.version == holder
            and one.event == ASSIGNED
        ),
        None,
    )
    return None if holder is None or entry is None else Holding(holder, entry)
