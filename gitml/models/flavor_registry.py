"""Which flavors there are: gitml's own, and those that installed packages bring as `gitml.flavors`."""

from __future__ import annotations

import importlib
import importlib.metadata
from functools import cache
from typing import cast

from gitml.errors import NotFoundError, UsageError
from gitml.models.contract import Flavor

GROUP = "gitml.flavors"
# Name → module and name there. Nothing is imported to list them.
_BUILT_IN = {
    "python_function": "gitml.models.flavors.pyfunc:FLAVOR",
} | {
    name: f"gitml.models.flavors.{name}:FLAVOR"
    for name in (
        "catboost", "keras", "lightgbm", "onnx", "pytorch", "sentence_transformers", "sklearn", "spacy", "spark",
        "statsmodels", "tensorflow", "transformers", "xgboost",
    )
}  # fmt: skip
# Loader modules of MLflow's that are not `mlflow.<name of the flavor>`.
_LOADERS = {
    "mlflow.pyfunc.model": "python_function",
    "mlflow.pyfunc.loaders.code_model": "python_function",
}


class UnknownFlavorError(NotFoundError):
    """There is no flavor of that name here."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"gitml does not know the flavor '{name}'",
            hint=f"it knows {', '.join(list_flavors())}; packages bring others, as entry points '{GROUP}'",
        )
        self.name = name


def list_flavors() -> list[str]:
    """Name all flavors, without importing any."""
    return sorted({*_BUILT_IN, *_entry_points()})


@cache
def find_flavor(name: str) -> Flavor:
    """Find a flavor by its key in `MLmodel` files.

    Raises:
        UnknownFlavorError: There is none.
        UsageError: The package that brings it can't be loaded.
    """
    place = _BUILT_IN.get(name)
    if place is not None:
        module, _, attribute = place.partition(":")
        return cast("Flavor", getattr(importlib.import_module(module), attribute))
    entry = _entry_points().get(name)
    if entry is None:
        raise UnknownFlavorError(name)
    try:
        found = entry.load()
        return cast("Flavor", found() if isinstance(found, type) else found)
    except Exception as err:
        raise UsageError(
            f"the flavor '{name}' ({entry.value}) can't be loaded: {err}",
            hint="mend or uninstall the package that brings it",
        ) from err


def flavor_of_loader(module: str) -> str | None:
    """Name the flavor that stands for a `loader_module` of MLflow's; None if it is some other module."""
    if module in _LOADERS:
        return _LOADERS[module]
    vendor, _, name = module.partition(".")
    if vendor == "mlflow" and name in (*_BUILT_IN, *_entry_points()):
        return name
    return next((name for name in _entry_points() if find_flavor(name).loader_module == module), None)


@cache
def _entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    return {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}
