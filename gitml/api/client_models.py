"""The client's calls for registered models: make, find, rename, delete, tag, and aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gitml.api.client_runs import RunCalls
from gitml.api.paging import page_of
from gitml.api.registry_handles import ModelVersion, RegisteredModel, latest_versions
from gitml.api.values import PagedList
from gitml.entities.registry import NO_STAGE
from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.registry.state import ModelState


class ModelCalls(RunCalls):
    """Create, find, rename, delete and tag models, and say what their aliases mean."""

    def create_registered_model(
        self, name: str, tags: Mapping[str, Any] | None = None, description: str | None = None
    ) -> RegisteredModel:
        """Make a model that has no versions yet.

        Args:
            name: Its name, up to 250 characters, without '/' and ':'.
            tags: First tags; values become text.
            description: What it is.

        Raises:
            ModelExistsError: The name is taken.
            InvalidNameError: The name can't be used.
        """
        from gitml.registry import models

        models.create_model(self.repo, name, description=description, tags=tags)
        return self.get_registered_model(name)

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Look a model up by its name, or by one that it had.

        Raises:
            ModelNotFoundError: There is none.
            ModelDeletedError: It was deleted.
        """
        return RegisteredModel(self._model(name))

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int | None = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RegisteredModel]:
        """List models, by name.

        Args:
            filter_string: Conditions on `name`, `creation_timestamp`,
                `last_updated_timestamp` (ms) and `tags.<key>`, in the grammar of
                docs/reference/filters.md.
            max_results: How many a page; None is all.
            order_by: Sort keys such as `last_updated_timestamp DESC`.
            page_token: The `token` of the page before.

        Raises:
            FilterSyntaxError: The filter or an ordering means nothing.
        """
        from gitml.api.registry_filter import MODELS  # SQLite is not needed to record
        from gitml.registry.reading import read_registry

        states = read_registry(self.repo).models.values()
        known = [RegisteredModel(state) for state in states if not state.is_deleted]
        known.sort(key=lambda model: (model.name, model.entity.id))
        found = MODELS.select(known, filter_string, order_by or ())
        items, token = page_of(found, max_results, page_token)
        return PagedList(items, token)

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Give a model another name; the old one leads to it until another model takes it.

        Raises:
            ModelExistsError: The new name is taken.
            NotFoundError: There is no such model.
        """
        from gitml.registry import models

        models.rename_model(self.repo, name, new_name)
        return self.get_registered_model(new_name)

    def update_registered_model(self, name: str, description: str | None = None) -> RegisteredModel:
        """Say what a model is; None removes what was said.

        Raises:
            NotFoundError: There is no such model.
        """
        from gitml.registry import models

        models.describe_model(self.repo, name, description)
        return self.get_registered_model(name)

    def delete_registered_model(self, name: str) -> None:
        """Hide a model with its versions; `gitml models restore` brings them back.

        Raises:
            NotFoundError: There is no such model.
        """
        from gitml.registry import models

        models.delete_model(self.repo, name)

    def get_latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[ModelVersion]:
        """Give the newest version of a model in each stage and in none, by number.

        Args:
            name: The model.
            stages: Only those in these stages, in any case; 'None' is no stage.

        Raises:
            InvalidNameError: There is no such stage.
            NotFoundError: There is no such model.
        """
        state = self._model(name)
        wanted = None if stages is None else {self._stage(stage) for stage in stages}
        return [
            version for version in latest_versions(state) if wanted is None or version.current_stage in wanted
        ]

    def set_registered_model_tag(self, name: str, key: str, value: Any) -> None:
        """Set a tag of a model; the value becomes text.

        Raises:
            NotFoundError: There is no such model.
        """
        from gitml.registry import models

        models.tag_model(self.repo, name, {key: value})

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Remove a tag of a model; without effect if it has none of that key, as in MLflow.

        Raises:
            NotFoundError: There is no such model.
        """
        from gitml.registry import models

        if key in self.get_registered_model(name).tags:
            models.untag_model(self.repo, name, key)

    def set_registered_model_alias(self, name: str, alias: str, version: int | str) -> None:
        """Let an alias mean a version of a model from now on.

        Args:
            name: The model.
            alias: Letters, digits, '_', '-' and '.'; not `latest` nor `v3`.
            version: The version's number.

        Raises:
            InvalidNameError: The alias can't be used.
            NotFoundError: There is no such model or version.
        """
        from gitml.registry import aliases

        aliases.set_alias(self.repo, name, alias, version_number(version))

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Let an alias mean nothing; without effect if it did not mean anything, as in MLflow.

        Raises:
            NotFoundError: There is no such model.
        """
        from gitml.registry import aliases

        if alias in self._model(name).moves.aliases:
            aliases.remove_alias(self.repo, name, alias)

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Look up the version that an alias means.

        Raises:
            NotFoundError: There is no such model, or the alias means nothing.
        """
        from gitml.registry.names import ModelName, find_version

        if alias.lower() == "latest":  # as in models:/NAME@latest
            return ModelVersion(find_version(self.repo, ModelName("latest", name)))
        return ModelVersion(find_version(self.repo, ModelName("alias", name, alias)))

    def _model(self, name: str) -> ModelState:
        from gitml.registry.lookup import get_state

        return get_state(self.repo, name)

    def _stage(self, stage: str) -> str:
        """A stage as it is written; 'None' is no stage."""
        from gitml.formats.registry_names import check_stage
        from gitml.registry.naming import project_stages

        if str(stage).lower() == NO_STAGE.lower():
            return NO_STAGE
        return check_stage(stage, project_stages(self.repo))


def version_number(version: object) -> int:
    """Read the number of a version, given as a number or as its digits.

    Raises:
        UsageError: It is neither.

    Example:
        >>> version_number("3"), version_number(3)
        (3, 3)
    """
    if isinstance(version, int) and not isinstance(version, bool):
        return version
    if isinstance(version, str) and version.isascii() and version.isdigit() and len(version) < 19:
        return int(version)
    raise UsageError(f"{version!r:.100} is no number of a version", hint="give 3 or '3'")
