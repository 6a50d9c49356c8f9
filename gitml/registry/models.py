"""Models: make, find, rename, delete, describe, tag, comment.

What is said about a model is a record on the runs branch, as a run's later notes are: no
tag of anybody's is ever changed for it.
"""

from __future__ import annotations

import fcntl
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from gitml.entities.registry import ModelComment, ModelRecord, RegisteredModel
from gitml.errors import NotFoundError, RefusedError
from gitml.formats import commit_message
from gitml.formats.model_record import COMMENTS, decode_comment, encode_comment, encode_model
from gitml.formats.registry_names import check_model_name, collision_key, is_same_name, model_id
from gitml.formats.run_tree import MODEL_FILE
from gitml.git.repo import TreeEntry
from gitml.registry.lookup import ModelNotFoundError, get_state, version_of
from gitml.registry.reading import Registry, read_registry
from gitml.registry.state import ModelState
from gitml.repo import Repo
from gitml.tracking.commit import append_record
from gitml.tracking.redaction import redacted_tags, redacted_text
from gitml.tracking.values import clean_text


class ModelExistsError(RefusedError):
    """The name is taken."""

    error_code = "RESOURCE_ALREADY_EXISTS"

    def __init__(self, name: str, hint: str | None = None) -> None:
        super().__init__(
            f"there is a model '{name}' already", hint=hint or "choose another name, or use that model"
        )
        self.name = name


# Reading


def list_models(repo: Repo, *, deleted: bool = False) -> list[RegisteredModel]:
    """List models by name; deleted ones only if asked for."""
    models = read_registry(repo).models.values()
    found = [model.model() for model in models if deleted or not model.is_deleted]
    return sorted(found, key=lambda model: (model.name, model.id))


def get_model(repo: Repo, name: str, *, deleted: bool = False) -> RegisteredModel:
    """Find a model by its name, or by one that it had.

    Raises:
        ModelNotFoundError: There is none, or it was deleted.
    """
    return get_state(repo, name, deleted=deleted).model()


def list_comments(repo: Repo, name: str, version: int | None = None) -> list[ModelComment]:
    """List what was said about a model, or about one version of it, oldest first.

    Raises:
        NotFoundError: There is no such model or version.
        DamagedError: A comment can't be read.
    """
    model = get_state(repo, name, deleted=True)
    if version is not None:
        version_of(model, version, deleted=True)
    entries = _entries(repo, model.id)
    comments = [
        decode_comment(repo.git.read_blob(entry.oid), source=path)
        for path, entry in entries.items()
        if path.startswith(f"{COMMENTS}/")
    ]
    found = [comment for comment in comments if version is None or comment.version == version]
    return sorted(found, key=lambda comment: (comment.time_ms, comment.author, comment.text))


# Changing


def create_model(
    repo: Repo, name: str, *, description: str | None = None, tags: Mapping[str, object] | None = None,
    created_ms: int | None = None, updated_ms: int | None = None,
) -> RegisteredModel:  # fmt: skip
    """Make a model that has no versions yet; the times are given if it was made elsewhere before.

    Raises:
        ModelExistsError: The name is taken.
        InvalidNameError: The name can't be used.
    """
    check_model_name(name)
    registry = read_registry(repo)
    taken = registry.named(name)
    if taken is not None and is_same_name(taken.name, name) and not taken.is_deleted:
        raise ModelExistsError(taken.name)
    now = _now_ms()
    record = ModelRecord(
        free_id(registry, name), name, now if created_ms is None else created_ms,
        now if updated_ms is None else updated_ms,
        description=_clean(description) or None, tags=clean_tags(tags or {}),
    )  # fmt: skip
    return _write(repo, record, "created")


def free_id(registry: Registry, name: str) -> str:
    """Derive the id of a new model; count on where another model has it.

    Ids that differ by case alone would be the same file on some systems, and those that differ
    by their form of Unicode alone the same to people.
    """
    taken = {collision_key(model) for model in registry.models}
    return next(
        candidate
        for count in itertools.count(1)
        if collision_key(candidate := model_id(name, count)) not in taken
    )


def rename_model(repo: Repo, name: str, new_name: str) -> RegisteredModel:
    """Give a model another name; the old one still leads to it until another model takes it.

    Raises:
        ModelExistsError: The new name is taken.
        ModelNotFoundError: There is no such model.
    """
    check_model_name(new_name)
    state = get_state(repo, name)
    _refuse_taken(repo, new_name, state.id)
    if state.name == new_name:
        return state.model()
    former = tuple(sorted({*(state.record.former if state.record else ()), state.name} - {new_name}))
    return _change(
        repo, state, f"renamed from {state.name}", lambda old: replace(old, name=new_name, former=former)
    )


def _refuse_taken(repo: Repo, name: str, model: str, hint: str | None = None) -> None:
    for other in read_registry(repo).models.values():
        if is_same_name(other.name, name) and other.id != model and not other.is_deleted:
            raise ModelExistsError(name, hint)


def delete_model(repo: Repo, name: str) -> RegisteredModel:
    """Hide a model with its versions; `restore_model` brings it back. No tag is removed.

    Raises:
        ModelNotFoundError: There is no such model.
    """
    now = _now_ms()
    return _change(repo, get_state(repo, name), "deleted", lambda old: replace(old, deleted_ms=now))


def restore_model(repo: Repo, name: str) -> RegisteredModel:
    """Bring a deleted model back.

    Raises:
        ModelNotFoundError: There is no such model.
        ModelExistsError: Its name was taken by another one meanwhile.
    """
    registry = read_registry(repo)
    found = [model for model in registry.models.values() if model.name == name]
    state = next((model for model in found if model.is_deleted), None) or registry.named(name)
    if state is None:
        raise ModelNotFoundError(name, registry)
    _refuse_taken(
        repo, state.name, state.id,
        f"gitml models rename '{name}' NAME gives that one another name; then restore this one",
    )  # fmt: skip
    return _change(repo, state, "restored", lambda old: replace(old, deleted_ms=None))


def describe_model(repo: Repo, name: str, description: str | None) -> RegisteredModel:
    """Say what a model is; an empty text removes it."""
    text = _clean(description) or None
    return _change(repo, get_state(repo, name), "described", lambda old: replace(old, description=text))


def tag_model(repo: Repo, name: str, tags: Mapping[str, object]) -> RegisteredModel:
    """Set tags of a model."""
    clean = clean_tags(tags)
    return _change(
        repo, get_state(repo, name), f"tag {', '.join(clean)}",
        lambda old: replace(old, tags={**old.tags, **clean}),
    )  # fmt: skip


def untag_model(repo: Repo, name: str, key: str) -> RegisteredModel:
    """Remove a tag of a model.

    Raises:
        NotFoundError: It has no such tag.
    """
    state = get_state(repo, name)
    if state.record is None or key not in state.record.tags:
        raise NotFoundError(f"model '{state.name}' has no tag '{key}'", hint=f"gitml models show '{name}'")
    return _change(
        repo, state, f"tag {key} removed",
        lambda old: replace(old, tags={k: v for k, v in old.tags.items() if k != key}),
    )  # fmt: skip


def comment(
    repo: Repo, name: str, text: str, version: int | None = None, *, approves: str | None = None,
    withdrawn: bool = False,
) -> ModelComment:  # fmt: skip
    """Say something about a model, or about one version of it.

    Args:
        repo: The repository.
        name: The model.
        text: What to say; may be empty of an approval.
        version: The version, if it is about one.
        approves: The stage that the version may come into, as far as the author is concerned.
        withdrawn: Whether that is taken back.

    Raises:
        NotFoundError: There is no such model or version.
        RefusedError: The text is empty.
    """
    state = get_state(repo, name)
    if version is not None:
        version_of(state, version)
    said = _clean(text)
    if not said.strip() and approves is None:
        raise RefusedError("the comment is empty", hint="say something, or leave it")
    made = ModelComment(repo.settings.author, _now_ms(), said, version, approves, withdrawn)
    path, data = encode_comment(made)
    with _alone(repo):
        state = read_registry(repo).models.get(state.id, state)
        _append(repo, _touched(_record_of(state)), _what(made), {path: data})
    return made


def _what(said: ModelComment) -> str:
    if said.approves is None:
        return "comment"
    return f"v{said.version} {'approval withdrawn' if said.withdrawn else 'approved'}"


# Records


def change_record(
    repo: Repo, state: ModelState, action: str, change: Callable[[ModelRecord], ModelRecord]
) -> ModelState:
    """Change what is recorded of a model; gives the model as it is then."""
    with _alone(repo):
        state = read_registry(repo).models.get(state.id, state)
        old = _record_of(state)
        new = change(old)
        if new == old:
            return state
        _append(repo, _touched(new), action, {})
    return read_registry(repo).models[state.id]


def renumber_notes(repo: Repo, model: str, numbers: Mapping[int, int]) -> None:
    """Let what was said about versions follow them to their new numbers; it was said here, and never shared.

    Args:
        repo: The repository.
        model: The model's id.
        numbers: Old number to new.
    """
    with _alone(repo):
        state = read_registry(repo).models.get(model)
        if state is None or state.record is None:
            return
        record = state.record
        versions = {numbers.get(number, number): notes for number, notes in record.versions.items()}
        kept, moved = dict(_entries(repo, model)), False
        for path, entry in list(kept.items()):
            said = (
                decode_comment(repo.git.read_blob(entry.oid), source=path)
                if path.startswith(f"{COMMENTS}/")
                else None
            )
            number = None if said is None or said.version is None else numbers.get(said.version)
            if said is not None and number is not None:
                del kept[path]
                renamed, data = encode_comment(replace(said, version=number))
                kept[renamed] = TreeEntry(repo.git.write_blob(data))
                moved = True
        if not moved and versions == dict(record.versions):
            return
        record = _touched(replace(record, versions=versions))
        kept[MODEL_FILE] = TreeEntry(repo.git.write_blob(encode_model(record)))
        append_record(
            repo, repo.git.write_tree(kept), commit_message.model_message(record, "versions renumbered")
        )


def clean_tags(tags: Mapping[str, object]) -> dict[str, str]:
    """Make tags of what users hand in; what looks like a secret is redacted.

    Raises:
        InvalidNameError: A key can't be used.
    """
    return redacted_tags(tags)


def clean_description(kind: str, text: str | None) -> str:
    """Make a text of what users hand in; what looks like a secret is redacted."""
    return redacted_text(kind, clean_text(text)) if text else ""


def _clean(text: str | None) -> str:
    return clean_description("text", text)


def _change(
    repo: Repo, state: ModelState, action: str, change: Callable[[ModelRecord], ModelRecord]
) -> RegisteredModel:
    return change_record(repo, state, action, change).model()


@contextmanager
def _alone(repo: Repo) -> Iterator[None]:
    """Queue up local writers: between reading a record and writing the next nobody writes one."""
    repo.root.mkdir(parents=True, exist_ok=True)
    with (repo.root / "models.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _record_of(state: ModelState) -> ModelRecord:
    if state.record is not None:
        return state.record
    created = state.model().created_ms
    return ModelRecord(state.id, state.name, created, created)


def _touched(record: ModelRecord) -> ModelRecord:
    return replace(record, updated_ms=max(_now_ms(), record.updated_ms + 1))


def _write(repo: Repo, record: ModelRecord, action: str) -> RegisteredModel:
    _append(repo, record, action, {})
    return read_registry(repo).models[record.id].model()


def _append(repo: Repo, record: ModelRecord, action: str, files: Mapping[str, bytes]) -> None:
    entries = _entries(repo, record.id)
    for path, data in {MODEL_FILE: encode_model(record), **files}.items():
        entries[path] = TreeEntry(repo.git.write_blob(data))
    append_record(repo, repo.git.write_tree(entries), commit_message.model_message(record, action))


def _entries(repo: Repo, model: str) -> dict[str, TreeEntry]:
    """The files of a model's newest records: comments that were made apart are all there."""
    repo.index.catch_up()
    heads = next((heads for record, heads in repo.index.models() if record.id == model), [])
    return {
        entry.path: TreeEntry(entry.oid, entry.mode)
        for head in reversed(heads)
        for entry in repo.git.list_tree(head)
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
