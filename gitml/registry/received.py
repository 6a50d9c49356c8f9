"""A server's policy for promotions: the same checks, on what a push brings, before it is let in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gitml.entities.policy import Policy
from gitml.entities.registry import ModelComment, ModelRecord, MoveTag, VersionTag
from gitml.errors import GitmlError
from gitml.formats import commit_message
from gitml.formats.model_record import COMMENTS, decode_comment, decode_model
from gitml.formats.registry_names import parse_ref
from gitml.formats.registry_tag import decode_tag
from gitml.formats.run_tree import MODEL_FILE
from gitml.index.fold_models import Record, fold_models
from gitml.registry.evidence import gather
from gitml.registry.policy import judge
from gitml.registry.policy_source import load_policy
from gitml.registry.state import ModelState, sort_key
from gitml.repo import Repo
from gitml.sync.rejection import ReceivedRef, Rejection

_RULE = "policy"


def judge_push(repo: Repo, received: Sequence[ReceivedRef], runs: str | None) -> Iterator[Rejection]:
    """Find what the policy has against the promotions of a push, whose tags are sound.

    The policy is that of the default branch, as it is before the push. A promotion that says
    that it overrides the policy is refused like any other.

    Args:
        repo: The repository that is pushed to, opened with the push's quarantine.
        received: The new tags of the registry.
        runs: Tip of the branch of runs, as it is after the push.
    """
    moves = [one for one in received if (ref := parse_ref(one.ref)) is not None and ref.kind == "stage"]
    if not moves:
        return
    try:
        policy = load_policy(repo)
    except GitmlError as err:
        for one in moves:
            yield Rejection(one.ref, _RULE, err.message, err.hint or "correct it on the default branch")
        return
    if policy.source is None:
        return
    by_model: dict[str, list[VersionTag | MoveTag]] = {}
    for one in received:
        known = parse_ref(one.ref)
        if known is not None and known.kind != "alias" and one.new is not None:
            tag = decode_tag(one.ref, one.new, repo.git.read_blob(one.new))
            by_model.setdefault(known.model, []).append(tag)
    for model, tags in by_model.items():
        if any(isinstance(tag, MoveTag) for tag in tags):
            yield from _judge_model(repo, policy, model, tags, runs)


def _judge_model(
    repo: Repo, policy: Policy, model: str, tags: Sequence[VersionTag | MoveTag], runs: str | None
) -> Iterator[Rejection]:
    heads, record = recorded(repo, model, runs)
    present = gather(repo, model, record).state
    versions = [*present.tags.values(), *(tag for tag in tags if isinstance(tag, VersionTag))]
    state = ModelState.of(model, versions, present.events, record)
    for move in sorted((tag for tag in tags if isinstance(tag, MoveTag)), key=sort_key):
        try:
            checks = judge(repo, state, move, policy, made=move.oid, comments=lambda: _comments(repo, heads))
            problems = [f"{check.name}: {check.why}" for check in checks if check.holds is False]
        except GitmlError as err:
            problems = [err.message]
        for problem in problems:
            yield Rejection(
                move.ref, _RULE, problem,
                f"{policy.source} asks for it: gitml models check '{state.name}' {move.version} {move.name}",
            )  # fmt: skip
        state = state.with_more([], [move])


def recorded(repo: Repo, model: str, runs: str | None) -> tuple[list[str], ModelRecord | None]:
    """Find the newest records of a model, and what they come to, without an index: a server may not have one.

    Args:
        repo: The repository.
        model: The model's id.
        runs: Tip of the branch of runs; None if there is none.
    """
    if runs is None:
        return [], None
    wanted = f"{commit_message.MODEL_ID}: {model}"
    out = repo.git.process.run(["rev-list", "--fixed-strings", f"--grep={wanted}", runs])
    found = {
        commit: None
        for commit in out.decode().split()
        if commit_message.trailers(repo.git.commit_info(commit).message).get(commit_message.MODEL_ID) == model
    }
    if len(found) < 2:
        return list(found), _folded(repo, list(found), [])
    below: set[str] = set()
    heads: list[str] = []
    older: list[str] = []
    for commit, parents in reversed(list(repo.git.rev_list(runs))):
        if commit in found:
            (older if commit in below else heads).append(commit)
        if commit in found or commit in below:
            below.update(parents)
    return heads, _folded(repo, heads, older)


def _folded(repo: Repo, heads: Sequence[str], older: Sequence[str]) -> ModelRecord | None:
    """What records come to; `older` ones, the last first, are asked for what all of them descend from."""
    states = _states(repo, heads)
    if len(states) < 2:
        return states[0][2] if states else None
    shared = (one for one in older if all(repo.git.is_ancestor(one, head) for head in heads))
    base = _states(repo, [one for one in [next(shared, None)] if one is not None])
    return fold_models(states, base[0][2] if base else None)


def _states(repo: Repo, commits: Sequence[str]) -> list[Record]:
    found = ((commit, repo.git.read_path(commit, MODEL_FILE)) for commit in commits)
    return [
        (repo.git.commit_info(commit).time_ms, commit, decode_model(data))
        for commit, data in found
        if data is not None
    ]


def _comments(repo: Repo, heads: Sequence[str]) -> list[ModelComment]:
    entries: Mapping[str, str] = {
        entry.path: entry.oid for head in heads for entry in repo.git.list_tree(head, COMMENTS)
    }
    return [decode_comment(repo.git.read_blob(oid), source=path) for path, oid in entries.items()]
