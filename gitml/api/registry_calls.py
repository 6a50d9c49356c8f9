"""The fluent calls for the model registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gitml.api.connection import open_repository
from gitml.api.fluent import get_client
from gitml.api.reading_calls import get_tracking_uri
from gitml.api.registry_handles import ModelVersion, RegisteredModel
from gitml.errors import UsageError


def register_model(
    model_uri: str,
    name: str,
    await_registration_for: int | None = None,
    *,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
) -> ModelVersion:
    """Make the next version of a model, which is new if nobody used its name.

    Args:
        model_uri: `runs:/RUN/path`, for files that a run kept: of one that is still live, as they
            are now; or `models:/NAME/3`, `models:/NAME@alias` for a version's.
        name: The model.
        await_registration_for: Has no effect: it is there when this returns.
        tags: Tags of the version; values become text.
        description: What it is.

    Raises:
        NotFoundError: There is no such run, or it has nothing at the path.
        RefusedError: The run was deleted.
        UsageError: The URI is no run's and no version's.
    """
    del await_registration_for
    return get_client().register_version(model_uri, name, tags=tags, description=description)


def search_registered_models(
    max_results: int | None = None, filter_string: str | None = None, order_by: Sequence[str] | None = None
) -> list[RegisteredModel]:
    """List models, by name; see `Client.search_registered_models`."""
    return get_client().search_registered_models(filter_string, max_results, order_by).to_list()


def search_model_versions(
    max_results: int | None = None, filter_string: str | None = None, order_by: Sequence[str] | None = None
) -> list[ModelVersion]:
    """List versions of all models, those changed last first; see `Client.search_model_versions`."""
    return get_client().search_model_versions(filter_string, max_results, order_by).to_list()


def set_model_version_tag(
    name: str, version: int | str | None = None, key: str | None = None, value: Any = None
) -> None:
    """Set a tag of a version; the value becomes text."""
    get_client().set_model_version_tag(name, version, key, value)


def get_registry_uri() -> str:
    """Give the repository that models are registered in: the one of the runs."""
    return get_tracking_uri()


def set_registry_uri(uri: str | Path) -> None:
    """Accept the repository in use; models are registered where their runs are.

    Raises:
        NotARepositoryError: The path is in no repository.
        UsageError: It is another repository, or the address of a server.
    """
    own = get_client().repo.git.common_dir.resolve()
    other = open_repository(uri)
    try:
        if other.git.common_dir.resolve() != own:
            raise UsageError(
                f"'{uri}' is not the repository of the runs, and models are registered where their runs are",
                hint="gitml.set_tracking_uri chooses the repository of both",
            )
    finally:
        other.close()
