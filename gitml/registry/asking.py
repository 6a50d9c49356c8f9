"""Ask the policy about a promotion that somebody thinks of, or about one that was made; approve one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gitml.entities.policy import Check
from gitml.entities.registry import ModelComment, ModelVersion, MoveTag
from gitml.errors import NotFoundError, UsageError
from gitml.formats.registry_names import check_stage, parse_ref
from gitml.registry.lookup import get_state
from gitml.registry.models import comment
from gitml.registry.naming import project_stages
from gitml.registry.policy import evaluate, judge
from gitml.registry.policy_checks import ANY_STAGE
from gitml.registry.policy_source import load_policy
from gitml.registry.reading import read_registry
from gitml.registry.signatures import find_signers
from gitml.registry.state import ModelState, sort_key
from gitml.repo import Repo

_TAGS = "refs/tags/"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the policy asks of a promotion, and what was found.

    Attributes:
        model: The model's name.
        version: The version.
        stage: The stage.
        source: Where the policy is; None if there is none.
        checks: What it asks.
        move: The promotion, if it was made already.
    """

    model: str
    version: int
    stage: str
    source: str | None
    checks: tuple[Check, ...]
    move: MoveTag | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing that is asked for is known not to hold."""
        return all(check.holds is not False for check in self.checks)


def ask(
    repo: Repo, version: ModelVersion, stage: str, revision: str | None = None,
    allowed_signers: Path | None = None,
) -> Asked:  # fmt: skip
    """Ask about a version that might come into a stage; where it holds the stage, about how it came there.

    Args:
        repo: The repository.
        version: The version.
        stage: The stage, in any case.
        revision: The commit that has the policy, if not the one that `load_policy` finds.
        allowed_signers: The file of allowed signers; the user's own if not given.

    Raises:
        InvalidNameError: There is no such stage.
        PolicyFileError: The policy can't be read.
    """
    policy = load_policy(repo, revision)
    stage = check_stage(stage, (*policy.stages, *project_stages(repo)))
    state = get_state(repo, version.name)
    entry = state.entry("stage", stage) if state.holder(stage) == version.version else None
    if entry is not None:
        return _of_move(repo, state, entry, revision, allowed_signers)
    checks = evaluate(repo, state, version.version, stage, policy)
    return Asked(state.name, version.version, stage, policy.source, tuple(checks))


def ask_of_tag(
    repo: Repo, name: str, revision: str | None = None, allowed_signers: Path | None = None
) -> Asked:
    """Ask about a promotion that was made, by its tag; the rest is as for `ask`.

    Raises:
        NotFoundError: There is no such tag, or it counts for nothing.
        UsageError: It is no name of a promotion's tag.
        PolicyFileError: The policy can't be read.
    """
    ref = _TAGS + name.removeprefix(_TAGS)
    known = parse_ref(ref)
    if known is None or known.kind != "stage":
        raise UsageError(f"'{name}' is no tag of a promotion", hint="gitml/stages/NAME/STAGE/N")
    registry = read_registry(repo)
    state = registry.models.get(known.model)
    move = next((one for one in state.events if one.ref == ref), None) if state else None
    if state is None or move is None:
        why = next((one.problem for one in registry.findings if one.ref == ref), None)
        raise NotFoundError(
            f"the tag '{name}' counts for nothing: {why}" if why else f"there is no tag '{name}'",
            hint="gitml verify tells more" if why else "gitml pull brings tags",
        )
    return _of_move(repo, state, move, revision, allowed_signers)


def _of_move(
    repo: Repo, state: ModelState, move: MoveTag, revision: str | None, allowed_signers: Path | None
) -> Asked:
    policy = load_policy(repo, revision)
    earlier = [one for one in state.events if sort_key(one) < sort_key(move)]
    before = ModelState.of(state.id, state.tags.values(), earlier, state.record)
    checks = judge(repo, before, move, policy, made=move.oid, signers=find_signers(repo, allowed_signers))
    return Asked(state.name, move.version, move.name, policy.source, tuple(checks), move)


def approve(
    repo: Repo, version: ModelVersion, stage: str | None, text: str | None = None, *, withdrawn: bool = False
) -> ModelComment:
    """Approve a version for a stage, or for any; or take that back.

    Raises:
        InvalidNameError: There is no such stage.
    """
    place = ANY_STAGE if stage is None else check_stage(stage, project_stages(repo))
    return comment(repo, version.name, text or "", version.version, approves=place, withdrawn=withdrawn)
