"""Versions: register, copy, find, delete, describe, tag.

A version is an annotated tag of a run's record, and names content: which files they are
by their hashes, never where they are.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gitml.entities.artifact import Artifact
from gitml.entities.registry import ModelRecord, ModelVersion, TagFinding, VersionNotes, VersionTag
from gitml.entities.run import Run
from gitml.errors import ConflictError, NotFoundError, RefusedError
from gitml.formats.names import check_artifact_path
from gitml.formats.registry_names import check_model_name, version_ref
from gitml.formats.registry_tag import encode_version
from gitml.registry.lookup import get_state, version_of
from gitml.registry.models import change_record, clean_description, clean_tags, free_id
from gitml.registry.reading import Registry, read_registry
from gitml.registry.state import ModelState
from gitml.registry.tags import Sign, make_tag, now_ms
from gitml.repo import Repo
from gitml.sync.tags import shared_tags
from gitml.tracking import united
from gitml.tracking.history import get_run, list_artifacts, read_record

_ATTEMPTS = 50
_NO_NOTES = VersionNotes()


@dataclass(frozen=True, slots=True)
class Past:
    """That something was registered elsewhere before: its number, when, and what it is a copy of."""

    number: int
    time_ms: int
    source: str | None = None


class ForeignTagError(RefusedError):
    """A tag that is none of the registry's has a number that the next version needs, or one above it."""

    def __init__(self, finding: TagFinding, name: str, number: int) -> None:
        tag = finding.ref.removeprefix("refs/tags/")
        super().__init__(
            f"the next version of '{name}' is v{number}, and the tag '{tag}', which is none of the registry's, "
            f"is in its way: {finding.problem}",
            hint=f"look at it: git show {shlex.quote(tag)}; if nobody needs it: git tag -d {shlex.quote(tag)}",
        )
        self.ref = finding.ref


# Making


def register(
    repo: Repo, run: Run, name: str, path: str = "", *, description: str | None = None,
    tags: Mapping[str, object] | None = None, sign: Sign = None, past: Past | None = None,
) -> ModelVersion:  # fmt: skip
    """Make the next version of a model, which is new if nobody used its name.

    Args:
        repo: The repository.
        run: The run that has the model.
        name: The model's name.
        path: A file or folder below the run's artifacts; empty for all of them.
        description: What it is.
        tags: Tags of the version.
        sign: Whether the tag is signed, or who signs it; if not given, what git is set up for.
        past: That it was registered elsewhere before; the run may have been deleted since.

    Raises:
        ConflictError: Its number there is not the next one here.
        ForeignTagError: A tag that is none of the registry's is in the way.
        InvalidNameError: The name can't be used.
        RefusedError: The run is live or deleted, or the bytes of a file were dropped for good.
        NotFoundError: The run has nothing at the path.
    """
    check_model_name(name)
    path = check_artifact_path(path, allow_empty=True)
    run = _settled(repo, run, deleted=past is not None)
    wanted = _tag_of(repo, run, path, description, tags)
    if past is None:
        return _make(repo, name, wanted, f"model of {run.name}", sign)
    wanted = replace(wanted, source=past.source, time_ms=past.time_ms)
    return _make(repo, name, wanted, f"model of {run.name}", sign, past.number)


def register_record(
    repo: Repo, record: str, name: str, path: str = "", *, description: str | None = None,
    tags: Mapping[str, object] | None = None,
) -> ModelVersion:  # fmt: skip
    """Make the next version of a model from one record of a run, which may be live and go on.

    Args:
        repo: The repository.
        record: The record, as `tracking.commit.record_live` made it.
        name: As for `register`, as all that follows.
        path: As there.
        description: As there.
        tags: As there.

    Raises:
        NotFoundError: The run has nothing at the path.
    """
    check_model_name(name)
    path = check_artifact_path(path, allow_empty=True)
    run = read_record(repo, record)
    return _make(repo, name, _tag_of(repo, run, path, description, tags), f"model of {run.name}", None)


def _tag_of(
    repo: Repo, run: Run, path: str, description: str | None, tags: Mapping[str, object] | None
) -> VersionTag:
    """What the tag of a version says, but for its name and number."""
    artifacts = list_artifacts(repo, run, path)
    _refuse_unusable(repo, run, path, artifacts)
    return VersionTag(
        ref="", oid="", record=run.commit or "", model="", number=0, run_id=run.id, path=path,
        digest=digest_of(repo, path, artifacts), description=clean_description("description", description) or None,
        tags=clean_tags(tags or {}), source=None, who=repo.settings.author, time_ms=now_ms(),
    )  # fmt: skip


def _settled(repo: Repo, run: Run, *, deleted: bool) -> Run:
    """The run as it is now, with one record that has all of it."""
    run = get_run(repo, run.id)
    short = run.id[:8]
    if run.live:
        raise RefusedError(
            f"run '{short}' is still live, and a version names what does not change any more",
            hint=f"end it first: gitml runs finish {short}",
        )
    if run.deleted_ms is not None and not deleted:
        raise RefusedError(f"run '{short}' was deleted", hint=f"gitml runs restore {short}")
    return united.settle(repo, run)


def _refuse_unusable(repo: Repo, run: Run, path: str, artifacts: Sequence[Artifact]) -> None:
    short = run.id[:8]
    if not artifacts and not path:
        raise NotFoundError(
            f"run '{short}' has no artifacts to register",
            hint="gitml log lists runs; gitml.log_artifact adds files",
        )
    if not artifacts:
        folders = dict.fromkeys(artifact.path.partition("/")[0] for artifact in list_artifacts(repo, run))
        raise NotFoundError(
            f"run '{short}' has nothing at '{path}'",
            hint=f"it has {', '.join(list(folders)[:10])}" if folders else "it has no artifacts at all",
        )
    for artifact in artifacts:
        if artifact.purged is not None:
            raise RefusedError(
                f"the bytes of '{artifact.path}' were dropped for good by {artifact.purged.by}",
                hint="record the model anew, in another run",
            )


def digest_of(repo: Repo, path: str, artifacts: Sequence[Artifact]) -> str:
    """Hash the list of a model's files: what they are and what they are called below `path`."""
    return model_digest(
        (
            artifact.pointer.oid
            if artifact.pointer
            else hashlib.sha256(repo.git.read_blob(artifact.blob or "")).hexdigest(),
            artifact.size,
            artifact.path[len(path) + 1 if path else 0 :] or path.rpartition("/")[2],
        )
        for artifact in artifacts
    )


def model_digest(files: Iterable[tuple[str, int, str]]) -> str:
    """Hash a list of files: of each its SHA-256, its size and its path.

    Example:
        >>> model_digest([("aa", 1, "w.bin")])[:19]
        'sha256:ba8aea66e0ee'
    """
    lines = sorted(f"{oid} {size} {name}\n".encode("utf-8", "surrogateescape") for oid, size, name in files)
    return f"sha256:{hashlib.sha256(b''.join(lines)).hexdigest()}"


def copy(
    repo: Repo, source: ModelVersion, name: str, *, description: str | None = None,
    tags: Mapping[str, object] | None = None, sign: Sign = None,
) -> ModelVersion:  # fmt: skip
    """Make the next version of a model from a version of another one: the same content.

    Args:
        repo: The repository.
        source: The version.
        name: The model that gets another version.
        description: What it is, if not what the source is.
        tags: Its tags, if not those of the source.
        sign: Whether the tag is signed, or who signs it; if not given, what git is set up for.

    Raises:
        InvalidNameError: The name can't be used.
        RefusedError: It was deleted.
    """
    check_model_name(name)
    if source.deleted_ms is not None:
        raise RefusedError(
            f"version {source.version} of '{source.name}' was deleted",
            hint=f"gitml models restore '{source.name}@v{source.version}'",
        )
    wanted = VersionTag(
        ref="", oid="", record=source.record, model="", number=0, run_id=source.run_id, path=source.path,
        digest=source.digest,
        description=source.description if description is None else clean_description("description", description) or None,
        tags=source.tags if tags is None else clean_tags(tags), source=source.uri,
        who=repo.settings.author, time_ms=now_ms(),
    )  # fmt: skip
    return _make(repo, name, wanted, f"copy of {source.name} v{source.version}", sign)


def _make(
    repo: Repo, name: str, wanted: VersionTag, what: str, sign: Sign, only: int | None = None
) -> ModelVersion:
    """Take the next number that is free, if it is to be any; whoever took it first keeps it."""
    ref = ""
    for _ in range(_ATTEMPTS):
        registry = read_registry(repo)
        model, number = _next(repo, registry, name)
        ref = version_ref(model, number)
        if only not in (None, number):
            raise ConflictError(version_ref(model, only or 0), 1)
        tag = replace(wanted, ref=ref, model=model, number=number)
        message = encode_version(tag, f"{name} v{number}: {what}")
        if make_tag(repo, ref, tag.record, "commit", message, time_ms=tag.time_ms, sign=sign):
            return version_of(read_registry(repo).models[model], number, deleted=True)
    raise ConflictError(ref, _ATTEMPTS)


def _next(repo: Repo, registry: Registry, name: str) -> tuple[str, int]:
    """The id of a model and the number of its next version; a deleted one's name is free.

    A malformed tag that others have keeps its number, and the next one is free. Any other would
    leave a gap in the numbers, for ever: its number was never given.

    Raises:
        ForeignTagError: A tag that is none of the registry's is in the way.
    """
    known = registry.named(name)
    if known is None or known.is_deleted:
        model, number = free_id(registry, name), 1
    else:
        model, number = known.id, known.next_number
    taken = registry.taken("version", model)
    shared = shared_tags(repo) if number in taken else set()
    while number in taken and repo.git.tip(taken[number].ref) in shared:
        number += 1
    above = [other for other in taken if other >= number]
    if above:
        raise ForeignTagError(taken[min(above)], name, number)
    return model, number


# Reading


def get_version(repo: Repo, name: str, version: int, *, deleted: bool = False) -> ModelVersion:
    """Find a version.

    Raises:
        NotFoundError: There is no such model or version, or it was deleted.
    """
    return version_of(get_state(repo, name, deleted=deleted), version, deleted=deleted)


def list_versions(repo: Repo, name: str | None = None, *, deleted: bool = False) -> list[ModelVersion]:
    """List the versions of a model, or of all models, oldest first.

    Raises:
        ModelNotFoundError: There is no such model.
    """
    if name is not None:
        return get_state(repo, name, deleted=deleted).versions(deleted=deleted)
    models = read_registry(repo).models.values()
    return [
        version
        for model in models
        if deleted or not model.is_deleted
        for version in model.versions(deleted=deleted)
    ]


# What is said about them


def delete_version(repo: Repo, name: str, version: int) -> ModelVersion:
    """Hide a version; stages and aliases do not lead to it any more. Its tag stays.

    Raises:
        NotFoundError: There is no such model or version.
    """
    now = now_ms()
    return _note(repo, name, version, "deleted", lambda notes: replace(notes, deleted_ms=now))


def restore_version(repo: Repo, name: str, version: int) -> ModelVersion:
    """Bring a deleted version back, to where it was."""
    return _note(repo, name, version, "restored", lambda notes: replace(notes, deleted_ms=None), deleted=True)


def describe_version(repo: Repo, name: str, version: int, description: str | None) -> ModelVersion:
    """Say what a version is; an empty text removes it."""
    text = clean_description("description", description)
    return _note(repo, name, version, "described", lambda notes: replace(notes, description=text))


def tag_version(repo: Repo, name: str, version: int, tags: Mapping[str, object]) -> ModelVersion:
    """Set tags of a version."""
    clean = clean_tags(tags)
    return _note(
        repo, name, version, f"tag {', '.join(clean)}",
        lambda notes: replace(notes, tags={**notes.tags, **clean}),
    )  # fmt: skip


def untag_version(repo: Repo, name: str, version: int, key: str) -> ModelVersion:
    """Remove a tag of a version.

    Raises:
        NotFoundError: It has no such tag, or there is no such version.
    """
    found = get_version(repo, name, version)
    if key not in found.tags:
        raise NotFoundError(
            f"version {version} of model '{name}' has no tag '{key}'",
            hint=f"gitml models show '{name}@v{version}'",
        )
    return _note(
        repo, name, version, f"tag {key} removed",
        lambda notes: replace(notes, tags={**notes.tags, key: None}),
    )  # fmt: skip


def _note(
    repo: Repo, name: str, version: int, action: str, change: Callable[[VersionNotes], VersionNotes], *,
    deleted: bool = False,
) -> ModelVersion:  # fmt: skip
    state = get_state(repo, name)
    version_of(state, version, deleted=deleted)

    def noted(record: ModelRecord) -> ModelRecord:
        notes = change(record.versions.get(version, _NO_NOTES))
        return replace(record, versions={**record.versions, version: notes})

    after: ModelState = change_record(repo, state, f"v{version} {action}", noted)
    return after.version(version)
