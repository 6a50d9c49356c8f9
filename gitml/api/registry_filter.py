"""What models and their versions can be filtered and sorted by."""

from __future__ import annotations

from gitml.api.item_filter import Fields
from gitml.api.registry_handles import ModelVersion, RegisteredModel

_MILLISECONDS = "a number of milliseconds"
_TIMES = {"creation_timestamp": _MILLISECONDS, "last_updated_timestamp": _MILLISECONDS}
_TIME_NAMES = {
    "timestamp": "last_updated_timestamp",
    "created": "creation_timestamp",
    "updated": "last_updated_timestamp",
}

MODELS: Fields[RegisteredModel] = Fields(
    "models",
    texts={"name": lambda model: model.name},
    numbers={
        "creation_timestamp": lambda model: model.creation_timestamp,
        "last_updated_timestamp": lambda model: model.last_updated_timestamp,
    },
    tags=lambda model: model.entity.tags,
    aliases=_TIME_NAMES,
    examples=_TIMES,
)

VERSIONS: Fields[ModelVersion] = Fields(
    "versions of models",
    texts={
        "name": lambda version: version.name,
        "run_id": lambda version: version.run_id,
        "source_path": lambda version: version.source,
        "stage": lambda version: version.current_stage,
        "user_id": lambda version: version.user_id,
    },
    numbers={
        "version_number": lambda version: version.version,
        "creation_timestamp": lambda version: version.creation_timestamp,
        "last_updated_timestamp": lambda version: version.last_updated_timestamp,
    },
    tags=lambda version: version.entity.tags,
    aliases={
        "version": "version_number",
        "source": "source_path",
        "current_stage": "stage",
        "user": "user_id",
        **_TIME_NAMES,
    },
    examples=_TIMES,
)
