"""Where a model's name leads: a stage, an alias or `latest` leads to another version one day."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.registry.names import ModelName
    from gitml.repo import Repo

_MOVING = ("stage", "alias", "latest")


class NothingToFollowError(UsageError):
    """A model was to be followed that never moves."""

    def __init__(self, uri: str) -> None:
        super().__init__(
            f"'{uri}' always means the same model, so there is nothing to follow",
            hint="serve models:/NAME/Production, NAME#production, NAME@champion or NAME@latest",
        )


def check_moves(uri: str) -> None:
    """See that what a name leads to can change.

    Raises:
        NothingToFollowError: It can't.
    """
    from gitml.models.locating import is_stored

    if not is_stored(uri) or _parsed(uri).kind not in _MOVING:
        raise NothingToFollowError(uri)


def version_now(uri: str) -> int:
    """Say which version a name leads to now.

    The repository is opened anew for that, so that what others moved meanwhile is seen.

    Raises:
        NotFoundError: It leads to none.
    """
    from gitml.registry.names import find_version
    from gitml.repo import Repo

    with closing(Repo.open(_repo().git.common_dir)) as repo:
        return find_version(repo, _parsed(uri)).version


def fixed_name(uri: str, version: int) -> str:
    """Name the version that a name led to, so that it always leads there."""
    asked = _parsed(uri)
    return "/".join(part for part in (f"models:/{asked.name}/{version}", asked.path) if part)


def _parsed(uri: str) -> ModelName:
    from gitml.registry.names import parse_model_name
    from gitml.registry.naming import project_stages

    return parse_model_name(uri, project_stages(_repo()))


def _repo() -> Repo:
    from gitml.api.fluent import get_client

    return get_client().repo
