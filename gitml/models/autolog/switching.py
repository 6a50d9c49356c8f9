"""Which frameworks are logged, and how: switched on and off, whether they are imported yet or not."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from gitml.models.autolog import import_hooks
from gitml.models.autolog.options import FLAVORS, GENERAL, TAKES, Options, read_options
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import Logger, tell

# Flavor → distribution, the oldest release this is tested with, and the modules that bring what trains.
# `gitml.models.autolog.for_<flavor>` has `patch(module, patches, logger)`, called for each of them.
_FRAMEWORKS = {
    "catboost": ("catboost", "1.2", ("catboost",)),
    "keras": ("keras", "3.0", ("keras",)),
    "lightgbm": ("lightgbm", "4.0", ("lightgbm",)),
    "pytorch": ("lightning pytorch-lightning", "2.0", ("lightning.pytorch", "pytorch_lightning")),
    "sklearn": ("scikit-learn", "1.4", ("sklearn", "sklearn.metrics")),
    "statsmodels": ("statsmodels", "0.14", ("statsmodels.base.model",)),
    "transformers": ("transformers", "4.40", ("transformers.trainer",)),
    "xgboost": ("xgboost", "2.0", ("xgboost",)),
}


@dataclass(slots=True)
class _On:
    """A framework that is logged."""

    logger: Logger
    patches: Patches
    chosen: bool  # by itself, not with all others


_on: dict[str, _On] = {}
_mutex = threading.RLock()


def switch_one(flavor: str, given: Mapping[str, Any]) -> None:
    """Log a framework's trainings from now on, or no longer.

    Raises:
        TypeError: The framework's autologging has no such option.
    """
    _switch(flavor, read_options(flavor, given), chosen=True)


def switch_all(given: Mapping[str, Any], excluded: tuple[str, ...]) -> None:
    """Log the trainings of all frameworks, but for those that were set up by themselves; or of none.

    Raises:
        TypeError: There is no such option for all of them.
    """
    unknown = sorted(set(given) - set(GENERAL))
    if unknown:
        raise TypeError(f"autolog takes no option '{unknown[0]}'; there are {', '.join(GENERAL)}")
    for flavor in FLAVORS:
        options = read_options(
            flavor, {name: value for name, value in given.items() if name in TAKES[flavor]}
        )
        state = _on.get(flavor)
        if flavor not in excluded and (options.disable or state is None or not state.chosen):
            _switch(flavor, options, chosen=False)


def _switch(flavor: str, options: Options, *, chosen: bool) -> None:
    with _mutex:
        before = _on.pop(flavor, None)
        if before is not None:
            before.logger.is_off = True
            import_hooks.forget(before.logger)
            before.patches.restore()
        if options.disable:
            return
        state = _on[flavor] = _On(Logger(flavor, options), Patches(), chosen)
    for module in _FRAMEWORKS[flavor][2]:
        import_hooks.when_imported(module, state.logger, lambda found: _patch(flavor, state, found))


def _patch(flavor: str, state: _On, module: ModuleType) -> None:
    """Put our functions into a framework that was just imported; if that fails it works as ever."""
    options = state.logger.options
    try:
        if options.disable_for_unsupported_versions and (old := _too_old(flavor)):
            if not options.silent:
                tell(f"trainings of {flavor} are not logged: {old}")
            return
        importlib.import_module(f"gitml.models.autolog.for_{flavor}").patch(
            module, state.patches, state.logger
        )
    except Exception as err:  # noqa: BLE001 - an import must not fail by us
        state.patches.restore()
        if not options.silent:
            tell(f"trainings of {flavor} are not logged: {type(err).__name__}: {err}")


def _too_old(flavor: str) -> str | None:
    distributions, oldest, _ = _FRAMEWORKS[flavor]
    for distribution in distributions.split():
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
        if _numbers(version) < _numbers(oldest):
            return f"{distribution} {version} is older than {oldest}, the oldest that is supported"
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
