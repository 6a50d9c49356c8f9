"""MLflow-shaped views of registered models and their versions.

Like handles of runs they are pictures of the moment they were made; look the model up
again for a later one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from gitml.api.notebook import mime_bundle
from gitml.api.reserved import artifact_uri
from gitml.entities import registry as entities

if TYPE_CHECKING:
    from gitml.registry.state import ModelState

_OWN_TAGS = (entities.RUN_LINK_TAG, entities.MODEL_ID_TAG)


class _Handle(ABC):
    """What handles of both kinds can do, in MLflow's way and in a notebook's."""

    _FIELDS: ClassVar[tuple[str, ...]]

    def to_dictionary(self) -> dict[str, Any]:
        """Turn into plain dictionaries and lists, as for JSON."""
        return {name: _plain(value) for name, value in self}

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for name in self._FIELDS:
            yield name, getattr(self, name)

    @abstractmethod
    def _repr_html_(self) -> str: ...

    @abstractmethod
    def _repr_markdown_(self) -> str: ...

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        del include, exclude
        return mime_bundle(self, repr(self))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.to_dictionary() if isinstance(value, _Handle) else value


class ModelVersion(_Handle):
    """A version of a model in MLflow's shape; times are in ms since 1970, UTC.

    `entity` is gitml's own form, which has more: the digest of its files, the record
    that it names, its tag.
    """

    _FIELDS = (
        "name", "version", "creation_timestamp", "last_updated_timestamp", "description", "user_id",
        "current_stage", "source", "run_id", "run_link", "status", "status_message", "tags", "aliases", "model_id",
    )  # fmt: skip

    def __init__(self, entity: entities.ModelVersion) -> None:
        self._entity = entity

    @property
    def entity(self) -> entities.ModelVersion:
        """The version in gitml's own form."""
        return self._entity

    @property
    def name(self) -> str:
        """The model's name."""
        return self._entity.name

    @property
    def version(self) -> int:
        """The number."""
        return self._entity.version

    @property
    def creation_timestamp(self) -> int:
        """When it was registered."""
        return self._entity.created_ms

    @property
    def last_updated_timestamp(self) -> int:
        """When its stage last changed, or when it was registered."""
        return self._entity.updated_ms

    @property
    def description(self) -> str | None:
        """What it is."""
        return self._entity.description

    @property
    def user_id(self) -> str:
        """Who registered it."""
        return self._entity.author

    @property
    def current_stage(self) -> str:
        """The stage that it is in, 'None' if in none."""
        return self._entity.stage or entities.NO_STAGE

    @property
    def source(self) -> str:
        """Where it is from: `runs:/…`, or `models:/…` if it is a copy."""
        return self._entity.source or artifact_uri(self._entity.run_id, self._entity.path)

    @property
    def run_id(self) -> str:
        """The run that made it."""
        return self._entity.run_id

    @property
    def run_link(self) -> str | None:
        """The address that was given when it was made."""
        return self._entity.tags.get(entities.RUN_LINK_TAG)

    @property
    def status(self) -> str:
        """Always 'READY': a version is there when its tag is."""
        return "READY"

    @property
    def status_message(self) -> None:
        """Always None."""
        return

    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
        return {key: value for key, value in self._entity.tags.items() if key not in _OWN_TAGS}

    @property
    def aliases(self) -> list[str]:
        """What it is called."""
        return list(self._entity.aliases)

    @property
    def model_id(self) -> str | None:
        """The id of a logged model of MLflow's, if one was given when it was made."""
        return self._entity.tags.get(entities.MODEL_ID_TAG)

    def __eq__(self, other: object) -> bool:
        return self._entity == other._entity if isinstance(other, ModelVersion) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._entity.ref)

    def __repr__(self) -> str:
        called = "".join(f" @{alias}" for alias in self._entity.aliases)
        return f"<ModelVersion '{self.name}' v{self.version} {self.current_stage}{called} run={self.run_id[:12]}>"

    def _repr_html_(self) -> str:
        from gitml.render.html import version_html  # only notebooks draw

        return version_html(self._entity)

    def _repr_markdown_(self) -> str:
        from gitml.render.notebook_markdown import version_markdown

        return version_markdown(self._entity)


class RegisteredModel(_Handle):
    """A model in MLflow's shape; times are in ms since 1970, UTC.

    `entity` is gitml's own form, which also says who holds which stage.
    """

    _FIELDS = (
        "name", "creation_timestamp", "last_updated_timestamp", "description", "latest_versions", "tags", "aliases",
    )  # fmt: skip

    def __init__(self, state: ModelState) -> None:
        self._state = state
        self._entity = state.model()

    @property
    def entity(self) -> entities.RegisteredModel:
        """The model in gitml's own form."""
        return self._entity

    @property
    def name(self) -> str:
        """Its name."""
        return self._entity.name

    @property
    def creation_timestamp(self) -> int:
        """When it was made."""
        return self._entity.created_ms

    @property
    def last_updated_timestamp(self) -> int:
        """When anything about it last changed."""
        return self._entity.updated_ms

    @property
    def description(self) -> str | None:
        """What it is."""
        return self._entity.description

    @property
    def latest_versions(self) -> list[ModelVersion]:
        """The newest version in each stage and in none, by number."""
        return latest_versions(self._state)

    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
        return dict(self._entity.tags)

    @property
    def aliases(self) -> dict[str, int]:
        """Alias to the number of the version that it means."""
        return dict(self._entity.aliases)

    def __eq__(self, other: object) -> bool:
        return self._entity == other._entity if isinstance(other, RegisteredModel) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._entity.id)

    def __repr__(self) -> str:
        held = "".join(f" {stage}=v{version}" for stage, version in self._entity.holders.items())
        latest = "no versions" if self._entity.latest is None else f"latest=v{self._entity.latest}"
        return f"<RegisteredModel '{self.name}' {latest}{held}>"

    def _repr_html_(self) -> str:
        from gitml.render.html import model_html  # only notebooks draw

        return model_html(self._entity, [version.entity for version in self.latest_versions])

    def _repr_markdown_(self) -> str:
        from gitml.render.notebook_markdown import model_markdown

        return model_markdown(self._entity, [version.entity for version in self.latest_versions])


def latest_versions(state: ModelState) -> list[ModelVersion]:
    """Give the newest version of a model in each stage and in none, by number."""
    return [ModelVersion(state.version(number)) for number in sorted(state.latest_by_stage().values())]
