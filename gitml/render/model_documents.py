"""Models, versions and what happened to them, for programs: part of "schema": 1."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gitml.entities.artifact import Artifact, Purge
from gitml.entities.registry import ModelComment, ModelVersion, MoveTag, RegisteredModel, VersionTag
from gitml.entities.run import Run
from gitml.render.listing import Listing
from gitml.render.numbers import utc_text

REGISTERED = "registered"

_MODEL_FIELDS = (
    "name", "latest", "versions", "stages", "aliases", "created", "updated", "deleted", "description", "tags", "id",
    "former_names",
)  # fmt: skip
_VERSION_FIELDS = (
    "name", "version", "stage", "aliases", "run", "path", "digest", "created", "updated", "author", "description",
    "tags", "source", "deleted", "uri", "record", "ref", "tag",
)  # fmt: skip
_EVENT_FIELDS = (
    "model", "time", "kind", "event", "version", "place", "previous", "archived", "left", "who", "signed", "comment",
    "ref", "tag", "override",
)  # fmt: skip


def model_document(model: RegisteredModel) -> dict[str, Any]:
    """Describe a model."""
    return {
        "id": model.id,
        "name": model.name,
        "description": model.description,
        "tags": dict(model.tags),
        "created": utc_text(model.created_ms),
        "updated": utc_text(model.updated_ms),
        "deleted": _time(model.deleted_ms),
        "former_names": list(model.former),
        "versions": model.versions,
        "latest": model.latest,
        "stages": dict(model.holders),
        "aliases": dict(model.aliases),
    }


def version_document(version: ModelVersion) -> dict[str, Any]:
    """Describe a version."""
    return {
        "name": version.name,
        "version": version.version,
        "uri": version.uri,
        "stage": version.stage,
        "aliases": list(version.aliases),
        "description": version.description,
        "tags": dict(version.tags),
        "run": version.run_id,
        "record": version.record,
        "path": version.path,
        "digest": version.digest,
        "source": version.source,
        "author": version.author,
        "created": utc_text(version.created_ms),
        "updated": utc_text(version.updated_ms),
        "deleted": _time(version.deleted_ms),
        "ref": version.ref,
        "tag": version.tag,
    }


def event_document(model: str, event: VersionTag | MoveTag, signed: bool) -> dict[str, Any]:
    """Describe a registration or a move of a model; `place` is the stage or alias."""
    move = event if isinstance(event, MoveTag) else None
    return {
        "model": model,
        "time": utc_text(event.time_ms),
        "kind": move.kind if move else "version",
        "event": move.event if move else REGISTERED,
        "version": event.version if isinstance(event, MoveTag) else event.number,
        "place": move.name if move else None,
        "previous": move.previous if move else None,
        "archived": list(move.archived) if move else [],
        "left": list(move.left) if move else [],
        "who": event.who,
        "signed": signed,
        "comment": event.comment if isinstance(event, MoveTag) else event.description,
        "ref": event.ref,
        "tag": event.oid,
        "override": move.override if move else None,
    }


def comment_document(comment: ModelComment) -> dict[str, Any]:
    """Describe a comment."""
    return {
        "time": utc_text(comment.time_ms),
        "author": comment.author,
        "version": comment.version,
        "text": comment.text,
        "approves": comment.approves,
        "withdrawn": comment.withdrawn,
    }


def file_document(file: Artifact, path: str) -> dict[str, Any]:
    """Describe a file of a version that is at `path` of its run: named as it is below that."""
    inner = file.path[len(path) + 1 :] if path and file.path != path else file.path.rpartition("/")[2]
    return {
        "path": inner if path else file.path,
        "size": file.size,
        "oid": file.pointer.oid if file.pointer else None,
        "purged": _purged(file.purged) if file.purged else None,
    }


def models_listing(models: Sequence[RegisteredModel]) -> Listing:
    """List models."""
    documents = [model_document(model) for model in models]
    markdown = ("name", "latest", "stages", "aliases", "updated")
    records = [
        document | {"stages": _places(document["stages"], ""), "aliases": _places(document["aliases"], "@")}
        for document in documents
    ]
    return Listing("models", documents, records, _MODEL_FIELDS, _MODEL_FIELDS, markdown)


def _places(places: Mapping[str, int], mark: str) -> str:
    return " ".join(f"{mark}{place}=v{version}" for place, version in places.items())


def versions_listing(
    versions: Sequence[ModelVersion], runs: Mapping[str, Run], metrics: Sequence[str]
) -> Listing:
    """List versions with metrics of their runs."""
    documents = [_measured(version, runs.get(version.run_id)) for version in versions]
    records = [
        document
        | {"aliases": " ".join(document["aliases"])}
        | {f"metrics.{key}": document["metrics"].get(key) for key in metrics}
        for document in documents
    ]
    fields = (*_VERSION_FIELDS, *(f"metrics.{key}" for key in metrics))
    markdown = ("version", "stage", "aliases", "run", *(f"metrics.{key}" for key in metrics), "created")
    return Listing("versions", documents, records, fields, _VERSION_FIELDS, markdown)


def _measured(version: ModelVersion, run: Run | None) -> dict[str, Any]:
    metrics = {key: summary.last for key, summary in run.metrics.items()} if run else {}
    return version_document(version) | {"run_name": run.name if run else None, "metrics": metrics}


def version_listing(
    version: ModelVersion, run: Run | None, files: Sequence[Artifact], comments: Sequence[ModelComment],
    story: Sequence[dict[str, Any]],
) -> Listing:  # fmt: skip
    """Describe one version with everything around it."""
    document = _measured(version, run) | {
        "files": [file_document(file, version.path) for file in files],
        "comments": [comment_document(comment) for comment in comments],
        "history": list(story),
    }
    record = document | {"aliases": " ".join(version.aliases)}
    return Listing("version", [document], [record], _VERSION_FIELDS, _VERSION_FIELDS)


def history_listing(documents: Sequence[dict[str, Any]]) -> Listing:
    """List what happened to a model."""
    records = [
        document | {key: " ".join(f"v{one}" for one in document[key]) for key in ("archived", "left")}
        for document in documents
    ]
    markdown = ("time", "event", "version", "place", "previous", "who", "signed", "comment")
    return Listing("events", documents, records, _EVENT_FIELDS, _EVENT_FIELDS, markdown)


def holders_listing(model: str, time_ms: int, places: Sequence[MoveTag], signed: Collection[str]) -> Listing:
    """List what was where at a time, and who had put it there."""
    documents = [
        {
            "model": model,
            "at": utc_text(time_ms),
            "kind": place.kind,
            "place": place.name,
            "version": place.version,
            "since": utc_text(place.time_ms),
            "who": place.who,
            "signed": place.oid in signed,
            "comment": place.comment,
            "previous": place.previous,
            "ref": place.ref,
            "tag": place.oid,
        }
        for place in places
    ]
    fields = (
        "model",
        "at",
        "kind",
        "place",
        "version",
        "since",
        "who",
        "signed",
        "comment",
        "previous",
        "ref",
        "tag",
    )
    markdown = ("place", "version", "since", "who", "signed", "comment", "previous")
    return Listing("holders", documents, documents, fields, fields, markdown)


def comments_listing(comments: Sequence[ModelComment]) -> Listing:
    """List comments."""
    fields = ("time", "author", "version", "text", "approves", "withdrawn")
    return Listing.of("comments", [comment_document(comment) for comment in comments], fields)


def _time(ms: int | None) -> str | None:
    return None if ms is None else utc_text(ms)


def _purged(purge: Purge) -> str:
    from gitml.render.care_text import purge_text  # it loads what cleans up

    return purge_text(purge)
