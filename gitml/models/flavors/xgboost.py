"""XGBoost: its own JSON or binary JSON, which are data."""

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
    class_name,
    file_of,
    import_module,
    installed_as,
    warn_of_version,
)

_FORMATS = ("ubj", "json")
_BOOSTER = "xgboost.core.Booster"
# Classes that are made from their name and then read the file; any other is somebody's code.
_CLASSES = (
    "XGBClassifier", "XGBModel", "XGBRanker", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor"
)  # fmt: skip
_KNOWN = (_BOOSTER, *(f"xgboost.sklearn.{name}" for name in _CLASSES))


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """A booster or an estimator as `python_function`."""

    model: Any

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predict; params are keywords of the model's own `predict`."""
        if class_name(self.model) == _BOOSTER:
            matrix = import_module("xgboost", "a model of XGBoost", "xgboost").DMatrix(data)
            return self.model.predict(matrix, **(params or {}))
        return self.model.predict(data, **(params or {}))


@dataclass(frozen=True, slots=True)
class XgboostFlavor:
    """Boosters of XGBoost, and its estimators after scikit-learn's manner."""

    name: str = "xgboost"
    loader_module: str = "mlflow.xgboost"

    @property
    def packages(self) -> tuple[str, ...]:
        """The build of XGBoost that is here."""
        return (installed_as("xgboost", "xgboost-cpu"),)

    def write(self, model: Any, folder: Path, options: Mapping[str, Any]) -> Written:
        """Write `model.ubj` or `model.json`."""
        xgboost = import_module("xgboost", "a model of XGBoost", "xgboost")
        if not isinstance(model, (xgboost.Booster, xgboost.XGBModel)):
            raise NotThisFrameworkError(
                model, "XGBoost", "give a Booster or an estimator such as XGBClassifier"
            )
        kind = choice("model format", options.get("model_format"), _FORMATS)
        file = f"model.{kind}"
        try:
            model.save_model(str(folder / file))
        except Exception as err:
            raise UsageError(
                f"XGBoost can't write this {type(model).__name__}: {err}", hint="fit it first"
            ) from err
        facts = {
            "data": file,
            "model_class": class_name(model),
            "model_format": kind,
            "xgb_version": str(xgboost.__version__),
        }
        packages = () if class_name(model) == _BOOSTER else ("scikit-learn",)
        return Written(facts, {"data": file}, packages, modules=frozenset((type(model).__module__,)))

    def code(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
        """The file is data; a class that is not XGBoost's own is code."""
        del options
        file_of(folder, facts, "data")
        kind = _class_of(facts)
        return () if kind in _KNOWN else (f"it makes an object of the class '{kind}'",)

    def read(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Load the booster or estimator."""
        del options
        path = file_of(folder, facts, "data")
        xgboost = import_module("xgboost", "a model of XGBoost", "xgboost")
        warn_of_version(self.packages[0], facts.get("xgb_version"))
        module, _, name = _class_of(facts).rpartition(".")
        model = getattr(import_module(module, "the model", module.partition(".")[0]), name)()
        try:
            model.load_model(str(path))
        except (xgboost.core.XGBoostError, ValueError) as err:
            problem = str(err).strip().partition("\n")[0]
            raise DamagedError(f"XGBoost can't read '{path.name}': {problem:.300}") from err
        return model

    def wrap(self, model: Any, facts: Mapping[str, Any], function: Mapping[str, Any]) -> Predictor:
        """Predict with the model's own `predict`."""
        del facts, function
        return _Wrapped(model)


FLAVOR = XgboostFlavor()


def _class_of(facts: Mapping[str, Any]) -> str:
    found = str(facts.get("model_class") or _BOOSTER)
    if "." not in found:
        raise DamagedError(f"the model says that its class is '{found:.80}', which has no module")
    return found


def save_model(
    xgb_model: Any, path: str | os.PathLike[str], conda_env: Any = None, code_paths: Any = None, *,
    model_format: str = "ubj", **common: Any,
) -> Model:  # fmt: skip
    """Save a model of XGBoost to a folder.

    Args:
        xgb_model: A `Booster`, or an estimator such as `XGBClassifier`.
        path: The folder, which must not exist or be empty.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        model_format: `ubj` or `json`.
        common: See `gitml.models.saving.Common`.

    Raises:
        UsageError: It is no model of XGBoost, or was not trained.
    """
    given = {"conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.save_model(FLAVOR, xgb_model, path, {"model_format": model_format}, given)


def log_model(
    xgb_model: Any, artifact_path: str | None = None, conda_env: Any = None, code_paths: Any = None, *,
    model_format: str = "ubj", **common: Any,
) -> ModelInfo:  # fmt: skip
    """Keep a model of XGBoost with the current run.

    Args:
        xgb_model: A `Booster`, or an estimator such as `XGBClassifier`.
        artifact_path: The folder among the run's artifacts; `model` if not given.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        model_format: As for `save_model`.
        common: See `Common` and `Place` in `gitml.models.saving`.
    """
    given = {"artifact_path": artifact_path, "conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.log_model(FLAVOR, xgb_model, {"model_format": model_format}, given)


def load_model(
    model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None, *,
    trust: bool | None = None,
) -> Any:  # fmt: skip
    """Load a model of XGBoost.

    Args:
        model_uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `models:/NAME/Production`, `NAME@v3` …
        dst_path: The folder to copy its files to.
        trust: Whether code in it may run; see `gitml.models.trust`.

    Raises:
        NotFoundError: There is no such model, or it is of another framework.
        UntrustedModelError: It would run code, and nothing vouches for it.
    """
    return loading.load_native(FLAVOR.name, model_uri, dst_path=dst_path, trust=trust)
