"""Promotions that are asked for by a pull request: a small file, whose merge makes the promotion.

The file is on a branch of its own, made without touching the work tree, the index or HEAD.
What was asked for is done once, however often the file is looked at: the promotion names it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gitml.entities.registry import ModelVersion, MoveTag
from gitml.errors import DamagedError, GitmlError, NotFoundError, RefusedError
from gitml.formats import yaml
from gitml.formats.registry_names import check_model_name, check_stage, encode_part, stage_key
from gitml.formats.run_tree import format_time
from gitml.git.repo import TREE_MODE, GitRepo, TreeEntry
from gitml.registry import stages
from gitml.registry.lookup import get_state
from gitml.registry.models import clean_description
from gitml.registry.naming import project_stages
from gitml.registry.state import ModelState
from gitml.registry.tags import Sign
from gitml.registry.versions import get_version
from gitml.repo import Repo

FOLDER = ".gitml/requests"
BRANCHES = "gitml-request/"
_HEAD = (
    "# A promotion that is asked for. Merged into the default branch, it is made: gitml ci apply-requests\n"
)
_DEFAULTS = ("HEAD", "main", "master")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        id: What tells it from every other one, also from an earlier one for the same.
        model: The model's name.
        version: The version.
        tag: The version's tag object: that and no other.
        stage: The stage.
        archive_existing: Whether what is there goes to Archived.
        comment: Why.
        by: `Name <email>` of who asks.
        path: The file.
    """

    id: str
    model: str
    version: int
    tag: str
    stage: str
    archive_existing: bool
    comment: str | None
    by: str
    path: str


@dataclass(frozen=True, slots=True)
class Requested:
    """A request that was written.

    Attributes:
        request: It.
        branch: The branch that has it.
        base: The name of the branch that it was made from.
    """

    request: Request
    branch: str
    base: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a request: a promotion, one that was made before, or an error."""

    path: str
    request: Request | None = None
    event: MoveTag | None = None
    before: bool = False
    error: GitmlError | None = None


def default_branch(repo: Repo) -> str | None:
    """Name the default branch of the remote as it is known here: `origin/main`."""
    for remote in ("origin", *repo.settings.remotes):
        for branch in _DEFAULTS:
            if repo.git.tip(f"refs/remotes/{remote}/{branch}") is not None:
                return f"{remote}/{branch}"
    return None


def request_promotion(
    repo: Repo, version: ModelVersion, stage: str, *, comment: str | None = None, archive_existing: bool = False,
    base: str | None = None,
) -> Requested:  # fmt: skip
    """Write a request on a branch of its own.

    Args:
        repo: The repository.
        version: The version.
        stage: The stage, in any case.
        comment: Why.
        archive_existing: Whether what is in the stage shall go to Archived.
        base: The branch to merge into; the remote's default branch, or the present one, if not given.

    Raises:
        RefusedError: The version is in the stage already, or it was asked for already.
        NotFoundError: There is no commit to go on from.
    """
    stage = check_stage(stage, project_stages(repo))
    if get_state(repo, version.name).holder(stage) == version.version:
        raise RefusedError(
            f"version {version.version} of model '{version.name}' is in {stage} already",
            hint=f"gitml models history '{version.name}' shows since when",
        )
    base = base or default_branch(repo) or "HEAD"
    parent = repo.git.resolve_commit(base)
    if parent is None:
        raise NotFoundError(f"git knows no commit '{base}'", hint="commit something first, or give --base")
    name = f"{version.model}-v{version.version}-{stage_key(stage)}"
    request = Request(
        uuid.uuid4().hex[:16], version.name, version.version, version.tag, stage, archive_existing,
        clean_description("comment", comment) or None, repo.settings.author, f"{FOLDER}/{name}.yaml",
    )  # fmt: skip
    now_s = int(time.time())
    tree = _with_file(repo.git, parent, request.path, _encode(request, now_s).encode())
    subject = f"request: {version.name} v{version.version} to {stage}"
    message = f"{subject}\n" + (f"\n{request.comment}\n" if request.comment else "")
    commit = repo.git.write_commit(tree, [parent], message, author=request.by, time_s=now_s)
    branch = f"{BRANCHES}{name}"
    if not repo.git.move_ref(f"refs/heads/{branch}", None, commit, subject):
        raise RefusedError(
            f"there is a branch '{branch}' already",
            hint=f"push it: git push origin '{branch}'; or begin anew: git branch -D '{branch}'",
        )
    return Requested(request, branch, base)


def _encode(request: Request, time_s: int) -> str:
    facts = {
        "id": request.id,
        "model": request.model,
        "version": request.version,
        "tag": request.tag,
        "stage": request.stage,
        "archive_existing": request.archive_existing or None,
        "comment": request.comment,
        "by": request.by,
        "time": format_time(time_s * 1000),
    }
    return _HEAD + yaml.dump_mapping({key: value for key, value in facts.items() if value is not None})


def _decode(path: str, data: bytes) -> Request:
    facts = yaml.load_mapping(data, source=path)
    by = _text(path, facts, "by", "unknown")
    return Request(
        _text(path, facts, "id"),
        check_model_name(facts.get("model")),
        _number(path, facts),
        _text(path, facts, "tag"),
        _text(path, facts, "stage"),
        facts.get("archive_existing") is True,
        _text(path, facts, "comment", "") or None,
        " ".join(by.split()),
        path,
    )


def _text(path: str, facts: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = facts.get(key, default)
    if not isinstance(value, str) or (default is None and not value.isprintable()):
        raise DamagedError(f"'{path}' has no text for '{key}'", hint="gitml models request writes such files")
    return value


def _number(path: str, facts: Mapping[str, Any]) -> int:
    value = facts.get("version")
    if type(value) is not int or value < 1:
        raise DamagedError(
            f"'{path}' has no number for 'version'", hint="gitml models request writes such files"
        )
    return value


def _with_file(git: GitRepo, commit: str, path: str, data: bytes) -> str:
    """The tree of a commit with one more file; folders that are not on its way stay as they are."""
    *folders, name = path.split("/")
    entries: dict[str, TreeEntry] = {}
    for depth in range(len(folders) + 1):
        folder = "/".join(folders[:depth])
        passed = folders[depth] if depth < len(folders) else name
        for entry in git.list_tree(commit, folder, recursive=False):
            if entry.path != passed:
                entries[f"{folder}/{entry.path}".lstrip("/")] = TreeEntry(entry.oid, entry.mode)
            elif depth < len(folders) and entry.mode != TREE_MODE:
                raise RefusedError(f"'{path}' can't be written: '{passed}' is a file", hint="rename it")
    entries[path] = TreeEntry(git.write_blob(data))
    return git.write_tree(entries)


def apply_requests(
    repo: Repo, commit: str, *, since: str | None = None, dry_run: bool = False, sign: Sign = None
) -> list[Applied]:
    """Make the promotions that are asked for, each once.

    Args:
        repo: The repository.
        commit: The commit that has the files, of the default branch.
        since: Leave out files that this commit has as well.
        dry_run: Ask the policy, and make nothing.
        sign: Whether the tags are signed; if not given, what git is set up for.

    Raises:
        NotFoundError: There is no such commit.
    """
    known = _files(repo, since) if since is not None else {}
    return [
        _apply(repo, path, oid, dry_run=dry_run, sign=sign)
        for path, oid in _files(repo, commit).items()
        if known.get(path) != oid
    ]


def _files(repo: Repo, name: str) -> dict[str, str]:
    commit = repo.git.resolve_commit(name)
    if commit is None:
        raise NotFoundError(
            f"git knows no commit '{name}'", hint="git fetch brings it; in CI, fetch the whole history"
        )
    return {
        f"{FOLDER}/{entry.path}": entry.oid
        for entry in repo.git.list_tree(commit, FOLDER, recursive=False)
        if entry.path.endswith(".yaml") and not entry.is_tree
    }


def _apply(repo: Repo, path: str, oid: str, *, dry_run: bool, sign: Sign) -> Applied:
    request: Request | None = None
    try:
        request = _decode(path, repo.git.read_blob(oid))
        state = get_state(repo, request.model)
        done = _made_before(state.events, request)
        if done is not None:
            return Applied(path, request, done, before=True)
        version = get_version(repo, request.model, request.version)
        if version.tag != request.tag:
            raise RefusedError(
                f"version {request.version} of model '{request.model}' is not the one that was asked for",
                hint="ask again: gitml models request",
            )
        if dry_run:
            return Applied(path, request, error=_refusal(repo, version, request))
        return Applied(path, request, _promote(repo, state, request, sign))
    except GitmlError as err:  # one bad request keeps the others from nothing
        return Applied(path, request, error=err)


def _mark(request: Request) -> str:
    return f"(request {request.id} by {request.by})"


def _made_before(events: Iterable[MoveTag], request: Request) -> MoveTag | None:
    mark = f"(request {request.id} by "
    return next((event for event in events if mark in (event.comment or "")), None)


def _promote(repo: Repo, state: ModelState, request: Request, sign: Sign) -> MoveTag:
    allowed = project_stages(repo)
    stage = check_stage(request.stage, allowed)
    comment = f"{request.comment} {_mark(request)}" if request.comment else _mark(request)
    return stages.promote(
        repo, state.name, request.version, stage, comment=comment, archive_existing=request.archive_existing,
        allowed=allowed, expected=state.holder(stage), sign=sign,
    )  # fmt: skip


def _refusal(repo: Repo, version: ModelVersion, request: Request) -> GitmlError | None:
    """What would keep the promotion from being made."""
    from gitml.registry.asking import ask

    asked = ask(repo, version, check_stage(request.stage, project_stages(repo)))
    unmet = [check for check in asked.checks if check.holds is False]
    if not unmet:
        return None
    return RefusedError(
        f"the policy does not let version {version.version} of model '{version.name}' into {asked.stage}",
        hint=f"gitml models check '{version.name}' {version.version} {encode_part(asked.stage)} says what lacks",
    )
