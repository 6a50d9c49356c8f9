"""From names to models and versions, or an error that says what there is."""

from __future__ import annotations

import difflib

from gitml.entities.registry import ModelVersion
from gitml.errors import NotFoundError
from gitml.registry.reading import Registry, read_registry
from gitml.registry.state import ModelState
from gitml.repo import Repo


class ModelNotFoundError(NotFoundError):
    """There is no model of that name."""

    def __init__(self, name: str, registry: Registry) -> None:
        known = [model.name for model in registry.models.values() if not model.is_deleted]
        close = difflib.get_close_matches(name, known, n=3)
        if close:
            hint = f"did you mean {', '.join(close)}?"
        elif known:
            hint = "gitml models list shows them"
        else:
            hint = "there are none yet: gitml models register RUN NAME; or bring a team's: gitml pull"
        super().__init__(f"there is no model '{name}'", hint=hint)
        self.name = name


class ModelDeletedError(NotFoundError):
    """The model was deleted."""

    def __init__(self, name: str) -> None:
        super().__init__(f"model '{name}' was deleted", hint=f"gitml models restore '{name}'")
        self.name = name


class VersionNotFoundError(NotFoundError):
    """The model has no such version, or it was deleted."""

    def __init__(self, model: ModelState, version: int) -> None:
        deleted = version in model.deleted
        there = [number for number in model.tags if number not in model.deleted]
        said = (
            f"it has v{there[-1]}"
            if len(there) == 1
            else f"it has v{there[0]} to v{there[-1]}"
            if there
            else ""
        )
        super().__init__(
            f"version {version} of model '{model.name}' was deleted"
            if deleted
            else f"model '{model.name}' has no version {version}",
            hint=f"gitml models restore '{model.name}@v{version}'"
            if deleted
            else said or f"gitml models register RUN '{model.name}' makes one",
        )
        self.model = model.name
        self.version = version


class NobodyHoldsError(NotFoundError):
    """No version is in that stage, or the alias means none."""

    def __init__(self, model: ModelState, kind: str, name: str) -> None:
        if kind == "stage":
            holders = model.model().holders
            there = ", ".join(f"{stage} is v{version}" for stage, version in holders.items())
            message = f"no version of model '{model.name}' is in {name}"
            remedy = f"gitml models promote '{model.name}' VERSION {name}"
        else:
            there = ", ".join(f"@{alias} is v{version}" for alias, version in model.model().aliases.items())
            message = f"model '{model.name}' has no alias '{name}'"
            remedy = f"gitml models alias '{model.name}' {name} VERSION"
            if model.holder(name) is not None:  # NAME@Production is tried for NAME#Production
                there = f"'{model.name}#{name}' is the stage"
        super().__init__(message, hint=there or remedy)
        self.model = model.name
        self.name = name


def get_state(repo: Repo, name: str, *, deleted: bool = False) -> ModelState:
    """Find a model by its name, or by one that it had.

    Args:
        repo: The repository.
        name: The name.
        deleted: Whether a deleted one will do.

    Raises:
        ModelNotFoundError: There is none.
        ModelDeletedError: It was deleted.
    """
    registry = read_registry(repo)
    found = registry.named(name)
    if found is None:
        raise ModelNotFoundError(name, registry)
    if found.is_deleted and not deleted:
        raise ModelDeletedError(found.name)
    return found


def version_of(model: ModelState, version: int, *, deleted: bool = False) -> ModelVersion:
    """Find a version of a model.

    Raises:
        VersionNotFoundError: There is none of that number, or it was deleted.
    """
    if version not in model.tags or (version in model.deleted and not deleted):
        raise VersionNotFoundError(model, version)
    return model.version(version)
