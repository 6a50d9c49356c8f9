"""Load any model as `python_function`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from gitml.entities.model import PYTHON_FUNCTION
from gitml.models.contract import Flavor
from gitml.models.errors import NoFlavorError
from gitml.models.flavor_registry import find_flavor, flavor_of_loader
from gitml.models.loading import read, warn_of_other_versions
from gitml.models.locating import Located, locate
from gitml.models.pyfunc.model import PyFuncModel


def load_function(
    uri: str | os.PathLike[str], *, dst_path: str | os.PathLike[str] | None = None, trust: bool | None = None,
    quiet: bool = False, model_config: Mapping[str, Any] | None = None,
) -> PyFuncModel:  # fmt: skip
    """Load a model, whichever flavor it has.

    Args:
        uri: The model; see `locating.locate`.
        dst_path: The folder to copy its files to.
        trust: Whether code in it may run; see `trust`.
        quiet: Whether nothing is said of packages that are not those that it was made with.
        model_config: Values that stand over those of the model's own configuration.

    Raises:
        NoFlavorError: It can't predict.
        UntrustedModelError: It would run code, and nothing vouches for it.
        MissingPackageError: A package that it needs is not installed.
    """
    return read_function(locate(uri, dst_path), trust=trust, quiet=quiet, model_config=model_config)


def read_function(
    located: Located, *, trust: bool | None = None, quiet: bool = False, model_config: Mapping[str, Any] | None = None
) -> PyFuncModel:  # fmt: skip
    """Load a model that was found; see `load_function`."""
    flavor, facts = function_flavor(located)
    if not quiet:
        warn_of_other_versions(located)
    native = read(located, flavor, facts, trust, {"model_config": model_config})
    return PyFuncModel(
        located.model,
        flavor.wrap(native, facts, located.model.flavors[PYTHON_FUNCTION]),
        native,
        located.folder,
    )


def function_flavor(located: Located) -> tuple[Flavor, Mapping[str, Any]]:
    """Find the flavor that makes a model predict, and what the model says for it.

    Raises:
        NoFlavorError: It can't predict.
    """
    flavors = located.model.flavors
    function = flavors.get(PYTHON_FUNCTION)
    if function is None or not isinstance(function.get("loader_module"), str):
        raise NoFlavorError(located.origin.name, PYTHON_FUNCTION, sorted(flavors))
    name = flavor_of_loader(function["loader_module"]) or PYTHON_FUNCTION
    if name not in flavors:
        raise NoFlavorError(located.origin.name, name, sorted(flavors))
    return find_flavor(name), flavors[name]
