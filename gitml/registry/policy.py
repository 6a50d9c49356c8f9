"""Hold a promotion against the project's policy: the same on a laptop, in a server's hook and in CI."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from gitml.entities.policy import Check, Policy, Rule
from gitml.entities.registry import ARCHIVED, ASSIGNED, NO_STAGE, ModelComment, ModelVersion, MoveTag
from gitml.entities.verification import Signature, SignatureState
from gitml.errors import DamagedError, RefusedError
from gitml.formats import commit_message, serialization
from gitml.formats.registry_names import name_of_id, stage_key
from gitml.registry.content import list_files, recorded_run
from gitml.registry.lookup import version_of
from gitml.registry.models import list_comments
from gitml.registry.policy_checks import (
    Rival,
    check_approvals,
    check_formats,
    check_metrics,
    check_run,
    check_tags,
)
from gitml.registry.policy_source import load_policy
from gitml.registry.signatures import Signers, check_signature, find_signers, is_by
from gitml.registry.state import ModelState
from gitml.repo import Repo

# Given a tag object before it gets its name: raises where it may not.
Accept = Callable[[str], None]
Comments = Callable[[], Iterable[ModelComment]]
_MAX_MLMODEL = 1 << 20


class PolicyRefusedError(RefusedError):
    """The project's policy does not let a version into a stage, or out of it; `checks` says why."""

    def __init__(self, model: str, move: MoveTag, checks: Sequence[Check]) -> None:
        where = f"into {move.name}" if move.event == ASSIGNED else f"out of {move.name}"
        lines = "".join(f"\n  {check.name}: {check.why}" for check in checks if check.holds is False)
        super().__init__(
            f"the policy does not let v{move.version} of model '{model}' {where}:{lines}",
            hint=f"gitml models check '{model}' {move.version} {move.name} shows all that is asked; "
            "--override REASON goes on all the same, and stands in the history",
        )
        self.checks = tuple(checks)


def rules_for(policy: Policy, state: ModelState, stage: str) -> list[Rule]:
    """List the rules for a stage of a model.

    A model is asked for by all of its names: who renames it does not get around a rule.
    """
    names = {state.name, name_of_id(state.id), *(state.record.former if state.record else ())}
    key = stage_key(stage)
    return [
        rule
        for rule in policy.rules
        if stage_key(rule.stage) == key and any(fnmatchcase(name, rule.model) for name in names)
    ]


# Asking


def evaluate(
    repo: Repo, state: ModelState, version: int, stage: str, policy: Policy, comments: Comments | None = None
) -> list[Check]:
    """Say what a policy asks of a version before it comes into a stage, and whether it holds.

    Of a version that holds the stage already, conditions on the holder have nothing to compare with.

    Args:
        repo: The repository.
        state: The model, as it is before.
        version: The version.
        stage: The stage.
        policy: What is asked.
        comments: Gives what was said about the model; if not given, what this repository knows.

    Raises:
        NotFoundError: There is no such version, or its record is not here.
    """
    found = version_of(state, version)
    checks = list(_check_stage(policy, state, version, stage))
    rules = rules_for(policy, state, stage)
    if rules:
        checks += _check_rules(
            repo, state, found, rules, comments or (lambda: list_comments(repo, state.name))
        )
    signers = [rule for rule in rules if rule.signers]
    return [
        *checks,
        *(
            Check("signers", None, f"the promotion must be signed by {_any_of(rule)}", rule.line)
            for rule in signers
        ),
    ]


def judge(
    repo: Repo, state: ModelState, move: MoveTag, policy: Policy, *, made: str | None = None,
    comments: Comments | None = None, signers: Signers | None = None,
) -> list[Check]:  # fmt: skip
    """Say what a policy asks of an event, and whether it holds.

    Who must sign what comes into a stage must sign what leaves it too, since another version
    may hold it then. A rollback brings back what was let in before: nothing else is asked of it.

    Args:
        repo: The repository.
        state: The model, as it is before.
        move: The event.
        policy: What is asked.
        made: Its tag object; None if there is none yet.
        comments: As for `evaluate`.
        signers: Whose SSH signatures count; the user's own if not given.
    """
    checks: list[Check] = []
    archives = stage_key(move.name) == stage_key(ARCHIVED)
    if move.event == ASSIGNED and not archives and not _is_rollback(state, move):
        checks += (
            c for c in evaluate(repo, state, move.version, move.name, policy, comments) if c.name != "signers"
        )
    for rule in _signed_rules(policy, state, move):
        if made is None:
            checks.append(Check("signers", None, f"it must be signed by {_any_of(rule)}", rule.line))
        else:
            checks.append(_check_signer(repo, rule, made, signers or find_signers(repo)))
    return checks


def gate(repo: Repo, state: ModelState, move: MoveTag, override: str | None) -> tuple[MoveTag, Accept | None]:
    """Refuse an event that the policy does not allow, unless somebody answers for it by name.

    Returns:
        The event, which says what was overridden, and what its tag must pass before it gets its name.

    Raises:
        PolicyRefusedError: Something that is asked for does not hold.
        PolicyFileError: The policy can't be read.
    """
    policy = load_policy(repo)
    if policy.source is None:
        return move, None
    checks = judge(repo, state, move, policy)
    failed = any(check.holds is False for check in checks)
    if failed and override is None:
        raise PolicyRefusedError(state.name, move, checks)
    rules = _signed_rules(policy, state, move)
    if override is not None:
        return (replace(move, override=override) if failed or rules else move), None
    if not rules:
        return move, None

    def accept(oid: str) -> None:
        signed = [_check_signer(repo, rule, oid, find_signers(repo)) for rule in rules]
        if any(check.holds is False for check in signed):
            raise PolicyRefusedError(state.name, move, signed)

    return move, accept


def _is_rollback(state: ModelState, move: MoveTag) -> bool:
    """Whether an event is what `rollback` does now; one that only says so is not."""
    holder = state.holder(move.name)
    return holder is not None and move.left == (holder,) and move.version == state.before(move.name)


# Stages


def _check_stage(policy: Policy, state: ModelState, version: int, stage: str) -> Iterator[Check]:
    if policy.source is not None and policy.stage(stage) is None:
        yield Check("stage", False, f"'{stage}' is no stage of the project: {policy.source} defines them")
    sources = policy.transitions.get(stage.lower())
    if sources is None:
        return
    present = state.stage_of(version)
    here = present or NO_STAGE
    known = {one.lower() for one in sources} | {stage.lower()}
    told = f"v{version} is in {present}" if present else f"v{version} is in no stage"
    if here.lower() in known:
        yield Check("transition", True, told)
        return
    allowed = " or ".join("no stage" if one == NO_STAGE else one for one in sources)
    entered = f"is entered from {allowed} only" if sources else "can't be entered"
    yield Check("transition", False, f"{told}, and {stage} {entered}")


# Rules


def _check_rules(
    repo: Repo, state: ModelState, version: ModelVersion, rules: Sequence[Rule], comments: Comments
) -> Iterator[Check]:
    run = recorded_run(repo, version)
    rival = _rival(repo, state, version, rules)
    said = list(comments()) if any(rule.approvals for rule in rules) else []
    author = _author(repo, version) if said else ""
    for rule in rules:
        yield from check_metrics(rule, run, rival)
        yield from check_tags(rule, version)
        if rule.approvals:
            yield check_approvals(rule, version, author, said)
        if rule.formats:
            yield _formats(repo, version, rule)
        yield from check_run(rule, run)


def _rival(repo: Repo, state: ModelState, version: ModelVersion, rules: Sequence[Rule]) -> Rival | None:
    holder = state.holder(rules[0].stage)
    if holder is None or holder == version.version or not any(rule.metrics for rule in rules):
        return None
    held = state.version(holder)
    return Rival(holder, recorded_run(repo, held) if repo.git.has_object(held.record) else None)


def _author(repo: Repo, version: ModelVersion) -> str:
    """Who recorded the run first: later records of it may be of others, who annotated it."""
    wanted = f"{commit_message.RUN_ID}: {version.run_id}"
    out = repo.git.process.run(
        ["rev-list", "--topo-order", "--fixed-strings", f"--grep={wanted}", version.record]
    )
    for commit in reversed(out.decode().split()):
        info = repo.git.commit_info(commit)
        if commit_message.trailers(info.message).get(commit_message.RUN_ID) == version.run_id:
            return info.author
    return repo.git.commit_info(version.record).author


def _formats(repo: Repo, version: ModelVersion, rule: Rule) -> Check:
    files = list_files(repo, version)
    top = f"{version.path}/" if any(file.path != version.path for file in files) and version.path else ""
    mlmodel = next((file for file in files if file.path == top + serialization.MLMODEL), None)
    content = None
    if mlmodel is not None and mlmodel.blob is not None and mlmodel.size <= _MAX_MLMODEL:
        content = repo.git.read_blob(mlmodel.blob)
    try:
        found = serialization.formats_of((file.path.removeprefix(top) for file in files), content)
    except DamagedError as err:
        return Check("formats", False, err.message, rule.line)
    return check_formats(rule, found)


# Signatures


def _signed_rules(policy: Policy, state: ModelState, move: MoveTag) -> list[Rule]:
    """The rules on who must sign an event: of the stage that it is about, and of the one that it takes from."""
    stages = dict.fromkeys([move.name, *filter(None, [state.stage_of(move.version)])])
    keys = {stage_key(stage): stage for stage in stages}
    return [rule for stage in keys.values() for rule in rules_for(policy, state, stage) if rule.signers]


def _check_signer(repo: Repo, rule: Rule, oid: str, signers: Signers) -> Check:
    signature = check_signature(repo, oid, "tag", repo.git.read_blob(oid), signers)
    wanted = f"must be signed by {_any_of(rule)}"
    if signature is None:
        return Check("signers", False, f"it {wanted}, and is not signed: --sign", rule.line)
    if any(is_by(signature, name) for name in rule.signers):
        return Check("signers", True, f"signed by {signature.signer}", rule.line)
    return Check("signers", False, f"it {wanted}, and {_signed(signature, signers.hint)}", rule.line)


def _signed(signature: Signature, hint: str) -> str:
    if signature.state is SignatureState.GOOD:
        return f"is signed by {signature.signer} ({signature.key})"
    said = f"its signature is {signature.state.value}"
    reason = f" ({signature.reason})" if signature.reason else ""
    help_ = f": {hint}" if hint and signature.state is SignatureState.UNKNOWN else ""
    return f"{said}{reason}{help_}"


def _any_of(rule: Rule) -> str:
    return " or ".join(rule.signers)
