"""What several flavors say and look at in the same way."""

from __future__ import annotations

import importlib
import importlib.metadata
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gitml.errors import DamagedError, UsageError
from gitml.models import loading
from gitml.models.directory import member
from gitml.models.errors import MissingPackageError


class NotThisFrameworkError(UsageError):
    """What is to be saved was not made with the flavor's framework."""

    def __init__(self, model: object, framework: str, hint: str) -> None:
        super().__init__(f"{class_name(model)} is no model of {framework}", hint=hint)


def class_name(value: object) -> str:
    """Name an object's class with its module, as MLflow writes it.

    Example:
        >>> class_name(Path())
        'pathlib.PosixPath'
    """
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


def import_module(name: str, what: str, requirement: str) -> Any:
    """Import a module of a framework, or say what to install.

    Args:
        name: The module.
        what: What is to be done with it, for the error.
        requirement: What pip is to install.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as err:
        if err.name is not None and err.name.partition(".")[0] != name.partition(".")[0]:
            raise  # the framework is there, something that it needs is not
        raise MissingPackageError(what, requirement) from err


def installed_as(*distributions: str) -> str:
    """Name the one of several builds of a framework that is installed; the first if none is."""
    for name in distributions:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        return name
    return distributions[0]


def file_of(folder: Path, facts: Mapping[str, Any], key: str, default: str | None = None) -> Path:
    """Find the file that a flavor's facts name.

    Raises:
        DamagedError: They name none, or it is not there.
        UnsafePathError: It leads out of the folder.
    """
    name = facts.get(key, default)
    if name is None:
        raise DamagedError(f"the model does not say where its '{key}' is", hint="get or save the model anew")
    return member(folder, key, name)


def choice(key: str, given: object, allowed: tuple[str, ...]) -> str:
    """Check an option that is one of some words; the first is meant where nothing was given.

    Raises:
        UsageError: It is none of them.
    """
    if given is None:
        return allowed[0]
    if given not in allowed:
        raise UsageError(f"there is no {key} '{given!s:.40}'", hint=f"there are {', '.join(allowed)}")
    return str(given)


def warn_of_version(distribution: str, wanted: object) -> None:
    """Tell that a model was made with another release of its framework, if it was."""
    try:
        here = importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:  # a build of it that has another name
        return
    if wanted is not None and str(wanted).partition("+")[0] != here.partition("+")[0]:
        warnings.warn(
            f"the model was made with {distribution} {wanted}, and {here} is installed: "
            f"pip install '{distribution}=={str(wanted).partition('+')[0]}'",
            loading.ModelVersionsWarning,
            stacklevel=5,
        )
