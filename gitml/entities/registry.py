"""The model registry: versions, the events that move them, and what changes about a model.

A model's `id` is a part of ref names and stays; its name may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

STAGING, PRODUCTION, ARCHIVED = "Staging", "Production", "Archived"
STAGES = (STAGING, PRODUCTION, ARCHIVED)
NO_STAGE = "None"  # MLflow's word

# Tags of a version for what MLflow has fields for.
RUN_LINK_TAG, MODEL_ID_TAG = "mlflow.runLink", "mlflow.modelId"

ASSIGNED, SET, REMOVED = "assigned", "set", "removed"


@dataclass(frozen=True, slots=True)
class VersionTag:
    """A version: content by its digest, in a run's record.

    Attributes:
        ref: The tag's full name.
        oid: The tag object.
        record: The record of the run that it tags.
        model: Id of the model.
        number: Which version of the model.
        run_id: The run.
        path: Where the model is below the run's artifacts; empty for all of them.
        digest: `sha256:` and the hash of the list of its files.
        description: What was said when it was registered.
        tags: The same.
        source: The version that it is a copy of, as a URI.
        who: `Name <email>` of whoever registered it.
        time_ms: When.
    """

    ref: str
    oid: str
    record: str
    model: str
    number: int
    run_id: str
    path: str
    digest: str
    description: str | None
    tags: Mapping[str, str]
    source: str | None
    who: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class MoveTag:
    """A version comes into a stage or leaves it, or an alias means it from now on.

    Attributes:
        ref: The tag's full name.
        oid: The tag object.
        target: The tag object of the version.
        model: Id of the model.
        version: Which version.
        kind: `stage` or `alias`.
        name: The stage or alias, as it was written.
        event: `assigned` or `set`, or `removed`.
        number: Which event of this stage or alias.
        order: Greater than that of every event that the writer knew of this model.
        previous: The version that had the place before.
        archived: Versions that this event moves from this stage to Archived.
        left: Versions that leave this stage by this event, and shall not come back by a rollback.
        comment: Why.
        who: `Name <email>` of whoever did it.
        time_ms: When.
        override: Why the project's policy was passed over, if it was.
    """

    ref: str
    oid: str
    target: str
    model: str
    version: int
    kind: str
    name: str
    event: str
    number: int
    order: int
    previous: int | None
    archived: tuple[int, ...]
    left: tuple[int, ...]
    comment: str | None
    who: str
    time_ms: int
    override: str | None = None


@dataclass(frozen=True, slots=True)
class TagFinding:
    """A tag below `gitml/` that is none of the registry's, and why; it counts for nothing."""

    ref: str
    problem: str


@dataclass(frozen=True, slots=True)
class VersionNotes:
    """What was said of a version after it was registered.

    `tags` stand over those of the version's tag; None removes one of those.
    """

    description: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    deleted_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What changes about a model; `former` are its earlier names."""

    id: str
    name: str
    created_ms: int = 0
    updated_ms: int = 0
    deleted_ms: int | None = None
    description: str | None = None
    former: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[int, VersionNotes] = field(default_factory=dict)
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelComment:
    """What somebody said about a model, or about one version of it.

    `approves` is the stage that the version may come into as far as they are concerned, `*` for
    any; `withdrawn` takes that back.
    """

    author: str
    time_ms: int
    text: str
    version: int | None = None
    approves: str | None = None
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version as it is now.

    Attributes:
        name: The model's name.
        model: The model's id.
        version: The number.
        run_id: The run that made it.
        record: The record of the run.
        path: Where it is below the run's artifacts.
        digest: What its files are.
        description: What it is.
        tags: Tags of the version.
        source: The version that it is a copy of.
        author: Who registered it.
        created_ms: When.
        updated_ms: When its stage last changed, or `created_ms`.
        stage: The stage that it is in, if any.
        aliases: What it is called.
        deleted_ms: When it was deleted, if it was.
        tag: The tag object.
        ref: The tag's full name.
    """

    name: str
    model: str
    version: int
    run_id: str
    record: str
    path: str
    digest: str
    description: str | None
    tags: Mapping[str, str]
    source: str | None
    author: str
    created_ms: int
    updated_ms: int
    stage: str | None
    aliases: tuple[str, ...]
    deleted_ms: int | None
    tag: str
    ref: str

    @property
    def uri(self) -> str:
        """What names it, wherever a model is named."""
        return f"models:/{self.name}/{self.version}"


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A model as it is now, without its versions.

    `holders` says which version holds which stage, `aliases` which version an alias means.
    """

    id: str
    name: str
    description: str | None
    tags: Mapping[str, str]
    created_ms: int
    updated_ms: int
    deleted_ms: int | None
    former: tuple[str, ...]
    versions: int
    latest: int | None
    holders: Mapping[str, int]
    aliases: Mapping[str, int]
