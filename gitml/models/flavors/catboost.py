"""CatBoost: its own binary format or JSON, which are data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.entities.model import Model, ModelInfo
from gitml.errors import DamagedError, UsageError
from gitml.models import loading, saving
from gitml.models.contract import Predictor, Written
from gitml.models.flavors.shared import (
    NotThisFrameworkError,
    choice,
    file_of,
    import_module,
    warn_of_version,
)

_FILE = "model.cb"
_FORMATS = ("cbm", "json")
_CLASSES = ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker")


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """A model of CatBoost as `python_function`."""

    model: Any

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predict; params are keywords of the model's own `predict`."""
        return self.model.predict(data, **(params or {}))


@dataclass(frozen=True, slots=True)
class CatboostFlavor:
    """Models of CatBoost."""

    name: str = "catboost"
    loader_module: str = "mlflow.catboost"
    packages: tuple[str, ...] = ("catboost",)

    def write(self, model: Any, folder: Path, options: Mapping[str, Any]) -> Written:
        """Write `model.cb`."""
        catboost = import_module("catboost", "a model of CatBoost", "catboost")
        kind = next((name for name in _CLASSES[::-1] if isinstance(model, getattr(catboost, name))), None)
        if kind is None:
            raise NotThisFrameworkError(model, "CatBoost", f"give one of {', '.join(_CLASSES)}")
        form = choice("format", options.get("format"), _FORMATS)
        try:
            model.save_model(str(folder / _FILE), format=form)
        except catboost.CatBoostError as err:
            raise UsageError(
                f"CatBoost can't write this {type(model).__name__}: {err}", hint="fit it first"
            ) from err
        facts = {
            "data": _FILE,
            "model_type": kind,
            "save_format": form,
            "catboost_version": str(catboost.__version__),
        }
        return Written(facts, {"data": _FILE}, modules=frozenset(("catboost",)))

    def code(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
        """None: the file is data."""
        del options
        file_of(folder, facts, "data", _FILE)
        _class_of(facts)
        return ()

    def read(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Load the model."""
        del options
        path = file_of(folder, facts, "data", _FILE)
        catboost = import_module("catboost", "a model of CatBoost", "catboost")
        warn_of_version("catboost", facts.get("catboost_version"))
        model = getattr(catboost, _class_of(facts))()
        try:
            model.load_model(str(path), str(facts.get("save_format") or "cbm"))
        except catboost.CatBoostError as err:
            raise DamagedError(f"CatBoost can't read '{path.name}': {err!s:.300}") from err
        return model

    def wrap(self, model: Any, facts: Mapping[str, Any], function: Mapping[str, Any]) -> Predictor:
        """Predict with the model's own `predict`."""
        del facts, function
        return _Wrapped(model)


FLAVOR = CatboostFlavor()


def _class_of(facts: Mapping[str, Any]) -> str:
    found = str(facts.get("model_type"))
    if found not in _CLASSES:
        raise DamagedError(f"the model says that it is a '{found:.40}', which CatBoost does not have")
    return found


def save_model(
    cb_model: Any, path: str | os.PathLike[str], conda_env: Any = None, code_paths: Any = None, *,
    format: str = "cbm", **common: Any,  # noqa: A002 - CatBoost's own word
) -> Model:  # fmt: skip
    """Save a model of CatBoost to a folder.

    Args:
        cb_model: A `CatBoost`, `CatBoostClassifier`, `CatBoostRegressor` or `CatBoostRanker`.
        path: The folder, which must not exist or be empty.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        format: `cbm`, or `json`, which can't have features that are categories.
        common: See `gitml.models.saving.Common`.

    Raises:
        UsageError: It is no model of CatBoost, or was not trained.
    """
    given = {"conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.save_model(FLAVOR, cb_model, path, {"format": format}, given)


def log_model(
    cb_model: Any, artifact_path: str | None = None, conda_env: Any = None, code_paths: Any = None, *,
    format: str = "cbm", **common: Any,  # noqa: A002
) -> ModelInfo:  # fmt: skip
    """Keep a model of CatBoost with the current run.

    Args:
        cb_model: A `CatBoost`, `CatBoostClassifier`, `CatBoostRegressor` or `CatBoostRanker`.
        artifact_path: The folder among the run's artifacts; `model` if not given.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        format: As for `save_model`.
        common: See `Common` and `Place` in `gitml.models.saving`.
    """
    given = {"artifact_path": artifact_path, "conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.log_model(FLAVOR, cb_model, {"format": format}, given)


def load_model(
    model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None, *,
    trust: bool | None = None,
) -> Any:  # fmt: skip
    """Load a model of CatBoost.

    Args:
        model_uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `models:/NAME/Production`, `NAME@v3` …
        dst_path: The folder to copy its files to.
        trust: Whether code that it brings along may run; see `gitml.models.trust`.

    Raises:
        NotFoundError: There is no such model, or it is of another framework.
        UntrustedModelError: It would run code, and nothing vouches for it.
    """
    return loading.load_native(FLAVOR.name, model_uri, dst_path=dst_path, trust=trust)
