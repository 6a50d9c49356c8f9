"""Which flavors there are: gitml's own, and those that installed packages bring as `gitml.flavors`."""

from __future__ import annotations

from functools import cache
from typing import cast

from gitml.errors import NotFoundError, UsageError
from gitml.models.contract import Flavor
from gitml.plugins import BrokenPluginError, Plugins

GROUP = "gitml.flavors"
_BUILT_IN = {
    "python_function": "gitml.models.flavors.pyfunc:FLAVOR",
} | {
    name: f"gitml.models.flavors.{name}:FLAVOR"
    for name in (
        "catboost", "keras", "lightgbm", "onnx", "pytorch", "sentence_transformers", "sklearn", "spacy", "spark",
        "statsmodels", "tensorflow", "transformers", "xgboost",
    )
}  # fmt: skip
_FLAVORS = Plugins(GROUP, _BUILT_IN)
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
    return _FLAVORS.names()


@cache
def find_flavor(name: str) -> Flavor:
    """Find a flavor by its key in `MLmodel` files.

    Raises:
        UnknownFlavorError: There is none.
        UsageError: The package that brings it can't be loaded.
    """
    try:
        return cast("Flavor", _FLAVORS.load(name))
    except KeyError:
        raise UnknownFlavorError(name) from None
    except BrokenPluginError as err:
        raise UsageError(
            f"the flavor '{name}': {err}", hint="mend or uninstall the package that brings it"
        ) from err


def flavor_of_loader(module: str) -> str | None:
    """Name the flavor that stands for a `loader_module` of MLflow's; None if it is some other module."""
    if module in _LOADERS:
        return _LOADERS[module]
    vendor, _, name = module.partition(".")
    known = list_flavors()
    if vendor == "mlflow" and name in known:
        return name
    others = (name for name in known if name not in _BUILT_IN)
    return next((name for name in others if find_flavor(name).loader_module == module), None)
