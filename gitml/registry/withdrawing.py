"""Take back what was never shared: a promotion that a server refuses would keep back all that follow it.

The same rules as where others were first (`settling`): only the user's own tags, which no
remote has and which went out in no bundle; their tags are kept aside, by one transaction of
refs. The newest goes first, so that the numbers of a series have no gaps.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass

from gitml.entities.registry import MoveTag, VersionNotes, VersionTag
from gitml.errors import ConflictError, NotFoundError, RefusedError, UsageError
from gitml.formats.registry_names import (
    check_alias,
    check_stage,
    encode_part,
    parse_ref,
    stage_key,
)
from gitml.registry.lookup import get_state
from gitml.registry.models import list_comments
from gitml.registry.names import ModelName, ModelUriError
from gitml.registry.naming import parse_any, project_stages
from gitml.registry.reading import read_registry
from gitml.registry.settling import kept_ref, unseen_tags
from gitml.registry.state import ModelState
from gitml.repo import Repo
from gitml.sync.tags import local_tags, shared_tags

_ATTEMPTS = 10
_Series = tuple[str, str, str]  # kind, id of the model, and the stage or alias, encoded
_VERSION = re.compile(r"[vV]?([1-9][0-9]{0,17})")


class NothingToWithdrawError(NotFoundError):
    """There is no such tag."""

    def __init__(self, model: str, what: str) -> None:
        super().__init__(
            f"model '{model}' has no tag of {what}", hint=f"gitml models history {shlex.quote(model)} lists its events"
        )  # fmt: skip


class CannotWithdrawError(RefusedError):
    """Others have it, somebody else made it, or something leads to it."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A tag that was taken back.

    Attributes:
        model: The model's name.
        tag: What it said.
        kept: The ref that keeps it.
    """

    model: str
    tag: VersionTag | MoveTag
    kept: str


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What can be taken back.

    Attributes:
        model: The model's name.
        kind: `stage`, `alias` or `version`.
        what: The stage, the alias, or the version's number.
        several: Whether events come after it, which would go with it.
    """

    model: str
    kind: str
    what: str
    several: bool = False


def parse_withdrawal(repo: Repo, text: str, place: str | None = None) -> ModelName:
    """Read what is to be taken back: `churn` and `production` or `@champion`, or `churn@v3` in one.

    Raises:
        UsageError: It does not say what, or says it twice.
        InvalidNameError: There is no such stage, or no alias can be called so.
    """
    name = parse_any(repo, text)
    if name is not None:
        if place is not None:
            raise UsageError(
                f"'{text}' says what is meant already, and '{place}' does again",
                hint=f"gitml models withdraw {shlex.quote(name.name)} {shlex.quote(place)}",
            )
        if name.kind in ("run", "latest"):
            raise ModelUriError(
                text, "it names no stage, alias or version by its number", f"write '{name.name}@v3'"
            )
        return name
    if not place:
        raise UsageError(
            "it is not said what to withdraw", hint=f"gitml models withdraw {shlex.quote(text)} production"
        )
    number = _VERSION.fullmatch(place.removeprefix("@"))
    if number:
        return ModelName("version", text, version=int(number[1]))
    if place.startswith("@"):
        return ModelName("alias", text, check_alias(place[1:]))
    return ModelName("stage", text, check_stage(place.removeprefix("#"), project_stages(repo)))


def withdraw(repo: Repo, name: ModelName, *, every: bool = False) -> list[Withdrawn]:
    """Take back the last event of a stage or alias, or the last version, if it was never shared.

    Args:
        repo: The repository.
        name: The stage, alias or version, as `parse_withdrawal` reads it.
        every: Take back all events of the stage or alias that were never shared.

    Returns:
        What was taken back, the newest first.

    Raises:
        NotFoundError: There is no such model or tag.
        CannotWithdrawError: Others have it, somebody else made it, or something leads to it.
        UsageError: All versions are to be taken back.
        ConflictError: Others changed the same tags too many times in a row.
    """
    if every and name.kind == "version":
        raise UsageError(
            "versions are taken back one by one",
            hint=f"gitml models withdraw {shlex.quote(f'{name.name}@v{name.version}')}",
        )
    ref = ""
    for _ in range(_ATTEMPTS):
        state = get_state(repo, name.name, deleted=True)
        tags = _own(repo, state, name)
        if name.kind == "version":
            _check_version(repo, state, name.version, tags[0])
        done = [Withdrawn(state.name, tag, kept_ref(tag)) for tag in (tags if every else tags[:1])]
        moves: list[tuple[str, str | None, str | None]] = []
        for one in done:
            moves += [(one.kept, repo.git.tip(one.kept), one.tag.oid), (one.tag.ref, one.tag.oid, None)]
        if repo.git.move_refs(moves, "gitml: withdrawn"):
            return done
        ref = done[0].tag.ref
    raise ConflictError(ref, _ATTEMPTS)


def withdrawals(repo: Repo, refused: Collection[str]) -> dict[str, Withdrawal]:
    """Say which of the tags that a remote refused can be taken back, which lets others pass.

    Args:
        repo: The repository.
        refused: Their full names.

    Returns:
        By the first refused tag of each stage or alias, and by the newest version of a model.
    """
    unseen, models = unseen_tags(repo), read_registry(repo).models
    lacking = {(one.model, one.number) for one in map(parse_ref, refused) if one and one.kind == "version"}
    found: dict[str, Withdrawal] = {}
    for (kind, model, _), series in _all_series(repo).items():
        refs = series[next((at for at, ref in enumerate(series) if ref in refused), len(series)) :]
        tags = [unseen[ref].tag for ref in refs if ref in unseen]
        state = models.get(model)
        if state is None or not tags or len(tags) < len(refs):
            continue  # others have some of them
        first, last = tags[0], tags[-1]
        if isinstance(first, MoveTag):
            waits = {number for known, number in lacking if known == model}  # such events are not even sent
            if not waits or any(isinstance(tag, MoveTag) and tag.version in waits for tag in tags):
                found[first.ref] = Withdrawal(state.name, kind, first.name, len(tags) > 1)
        elif isinstance(last, VersionTag) and _leading_to(repo, state, last.number) is None:
            found[last.ref] = Withdrawal(state.name, kind, str(last.number))
    return found


def _all_series(repo: Repo) -> dict[_Series, list[str]]:
    """The tags of each stage, each alias, and the versions of each model, by number."""
    found: dict[_Series, list[tuple[int, str]]] = {}
    for ref in local_tags(repo):
        one = parse_ref(ref)
        if one is not None:
            found.setdefault((one.kind, one.model, one.part), []).append((one.number, ref))
    return {series: [ref for _, ref in sorted(refs)] for series, refs in found.items()}


def _own(repo: Repo, state: ModelState, name: ModelName) -> list[VersionTag | MoveTag]:
    """What can be taken back of a stage or alias, or of all versions, the newest first; at least one."""
    part = stage_key(name.what) if name.kind == "stage" else encode_part(name.what) if name.what else ""
    refs = _all_series(repo).get((name.kind, state.id, part), [])
    if not refs:
        place = name.what if name.kind == "stage" else f"@{name.what}"
        raise NothingToWithdrawError(state.name, place if name.kind != "version" else f"v{name.version}")
    unseen = unseen_tags(repo)
    own: list[VersionTag | MoveTag] = []
    for ref in reversed(refs):
        if ref not in unseen:
            break
        own.append(unseen[ref].tag)
    if not own:
        raise _not_own(repo, state, name, refs[-1])
    return own


def _not_own(repo: Repo, state: ModelState, name: ModelName, ref: str) -> CannotWithdrawError:
    tag = f"tag '{ref.removeprefix('refs/tags/')}'"
    if local_tags(repo).get(ref) not in shared_tags(repo):
        return CannotWithdrawError(
            f"{tag} is not yours",
            hint=f"only who made it withdraws it: git cat-file tag {shlex.quote(ref)} shows who",
        )
    model, what = shlex.quote(state.name), shlex.quote(name.what)
    undo = {
        "stage": f"gitml models rollback {model} {what}",
        "alias": f"gitml models alias {model} {what} VERSION",
    }
    return CannotWithdrawError(
        f"{tag} was shared, and stays: others may rely on it",
        hint=undo.get(name.kind, f"gitml models delete {model} {name.version} hides a version"),
    )


def _check_version(repo: Repo, state: ModelState, number: int | None, last: VersionTag | MoveTag) -> None:
    """Look whether a version is the last one, and nothing leads to it."""
    if number not in state.tags:
        raise NothingToWithdrawError(state.name, f"v{number}")
    what = f"v{number} of model '{state.name}' can't be withdrawn"
    model = shlex.quote(state.name)
    if not isinstance(last, VersionTag) or last.number != number:
        raise CannotWithdrawError(
            f"{what}: v{max(state.tags)} comes after it", hint=f"first: gitml models withdraw {model} v{max(state.tags)}"
        )  # fmt: skip
    why = _leading_to(repo, state, number)
    if why is not None:
        raise CannotWithdrawError(f"{what}: {why[0]}", hint=why[1])


def _leading_to(repo: Repo, state: ModelState, number: int) -> tuple[str, str] | None:
    """Say what leads to a version, and how it is taken away; None if nothing does."""
    model = shlex.quote(state.name)
    for event in reversed(state.events):
        if number in (event.version, event.previous, *event.archived, *event.left):
            place = event.name if event.kind == "stage" else f"@{event.name}"
            return (
                f"an event of {place} leads to it",
                f"gitml models withdraw {model} {shlex.quote(place)} takes that back, if it was never shared",
            )
    for other in read_registry(repo).models.values():
        for copy in other.tags.values():
            if copy.source == f"models:/{state.name}/{number}":
                return (
                    f"v{copy.number} of model '{other.name}' is a copy of it",
                    f"first: gitml models withdraw {shlex.quote(other.name)} v{copy.number}",
                )
    notes = state.record.versions.get(number) if state.record else None
    if list_comments(repo, state.name, number) or (notes is not None and notes != VersionNotes()):
        return (
            "something was said about it, which would be said about the next version of that number",
            f"gitml models show {model} {number} shows it",
        )
    return None
