"""LightGBM: its own text for boosters; estimators as skops files, or as pickles where they are asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.entities.model import Model, ModelInfo
from gitml.errors import DamagedError, UsageError
from gitml.models import loading, saving
from gitml.models.contract import Predictor, Written
from gitml.models.flavors.shared import (
    NotThisFrameworkError,
    class_name,
    file_of,
    import_module,
    warn_of_version,
)
from gitml.models.flavors.sklearn import FLAVOR as SKLEARN

_BOOSTER = "lightgbm.basic.Booster"
_FILE = "model.lgb"
# A booster in a skops file is its text; the others are made of it and of plain values.
_HARMLESS = (
    _BOOSTER,
    "collections.OrderedDict",
    "collections.defaultdict",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMModel",
    "lightgbm.sklearn.LGBMRanker",
    "lightgbm.sklearn.LGBMRegressor",
)


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """A booster or an estimator as `python_function`."""

    model: Any

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predict; params are keywords of the model's own `predict`."""
        return self.model.predict(data, **(params or {}))


@dataclass(frozen=True, slots=True)
class LightgbmFlavor:
    """Boosters of LightGBM, and its estimators after scikit-learn's manner."""

    name: str = "lightgbm"
    loader_module: str = "mlflow.lightgbm"
    packages: tuple[str, ...] = ("lightgbm",)

    def write(self, model: Any, folder: Path, options: Mapping[str, Any]) -> Written:
        """Write `model.lgb`; of an estimator `model.skops` or `model.pkl`."""
        lightgbm = import_module("lightgbm", "a model of LightGBM", "lightgbm")
        if not isinstance(model, (lightgbm.Booster, lightgbm.LGBMModel)):
            raise NotThisFrameworkError(
                model, "LightGBM", "give a Booster or an estimator such as LGBMClassifier"
            )
        told = {"model_class": class_name(model), "lgb_version": str(lightgbm.__version__)}
        if isinstance(model, lightgbm.Booster):
            if options.get("serialization_format") is not None:
                raise UsageError(
                    "a Booster is written as LightGBM's own text", hint="leave 'serialization_format' out"
                )
            model.save_model(str(folder / _FILE))
            return Written({"data": _FILE, **told}, {"data": _FILE}, modules=frozenset(("lightgbm.basic",)))
        written = SKLEARN.write(model, folder, _trusting(options))
        file = written.facts["pickled_model"]
        facts = {
            "data": file,
            **told,
            "serialization_format": written.facts["serialization_format"],
            "skops_trusted_types": written.facts["skops_trusted_types"],
        }
        packages = (*SKLEARN.packages, *written.packages)
        return Written(facts, {"data": file}, packages, modules=written.modules)

    def code(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
        """Text is data; of a skops file all is that LightGBM's own estimators are made of."""
        path = file_of(folder, facts, "data")
        if _is_booster(facts):
            return ()
        return SKLEARN.code(folder, _as_sklearn(path, facts, folder), _trusting(options))

    def read(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Load the booster or estimator."""
        path = file_of(folder, facts, "data")
        lightgbm = import_module("lightgbm", "a model of LightGBM", "lightgbm")
        warn_of_version("lightgbm", facts.get("lgb_version"))
        if not _is_booster(facts):
            return SKLEARN.read(folder, _as_sklearn(path, facts, folder), options)
        try:
            return lightgbm.Booster(model_file=str(path))
        except (lightgbm.basic.LightGBMError, ValueError) as err:
            raise DamagedError(f"LightGBM can't read '{path.name}': {err!s:.300}") from err

    def wrap(self, model: Any, facts: Mapping[str, Any], function: Mapping[str, Any]) -> Predictor:
        """Predict with the model's own `predict`."""
        del facts, function
        return _Wrapped(model)


FLAVOR = LightgbmFlavor()


def _is_booster(facts: Mapping[str, Any]) -> bool:
    return str(facts.get("model_class") or _BOOSTER) == _BOOSTER


def _as_sklearn(path: Path, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    # Releases of MLflow that did not say wrote cloudpickles.
    kind = facts.get("serialization_format") or "cloudpickle"
    return {"pickled_model": path.relative_to(folder).as_posix(), "serialization_format": kind}


def _trusting(options: Mapping[str, Any]) -> dict[str, Any]:
    named = options.get("skops_trusted_types") or ()
    return {**options, "skops_trusted_types": sorted({*_HARMLESS, *named})}


def save_model(
    lgb_model: Any, path: str | os.PathLike[str], conda_env: Any = None, code_paths: Any = None, *,
    serialization_format: str | None = None, skops_trusted_types: Sequence[str] | None = None, **common: Any,
) -> Model:  # fmt: skip
    """Save a model of LightGBM to a folder.

    Args:
        lgb_model: A `Booster`, or an estimator such as `LGBMClassifier`.
        path: The folder, which must not exist or be empty.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        serialization_format: For estimators: `skops`, which is data; or `cloudpickle` or `pickle`, which
            run code when they are loaded.
        skops_trusted_types: Types in it that skops does not know to be harmless, and you do.
        common: See `gitml.models.saving.Common`.

    Raises:
        UsageError: It is no model of LightGBM.
        MissingPackageError: skops is not installed.
    """
    options = {"serialization_format": serialization_format, "skops_trusted_types": skops_trusted_types}
    given = {"conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.save_model(FLAVOR, lgb_model, path, options, given)


def log_model(
    lgb_model: Any, artifact_path: str | None = None, conda_env: Any = None, code_paths: Any = None, *,
    serialization_format: str | None = None, skops_trusted_types: Sequence[str] | None = None, **common: Any,
) -> ModelInfo:  # fmt: skip
    """Keep a model of LightGBM with the current run.

    Args:
        lgb_model: A `Booster`, or an estimator such as `LGBMClassifier`.
        artifact_path: The folder among the run's artifacts; `model` if not given.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        serialization_format: As for `save_model`.
        skops_trusted_types: As there.
        common: See `Common` and `Place` in `gitml.models.saving`.
    """
    options = {"serialization_format": serialization_format, "skops_trusted_types": skops_trusted_types}
    given = {"artifact_path": artifact_path, "conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.log_model(FLAVOR, lgb_model, options, given)


def load_model(
    model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None, *,
    trust: bool | None = None, skops_trusted_types: Sequence[str] | None = None,
) -> Any:  # fmt: skip
    """Load a model of LightGBM.

    Args:
        model_uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `models:/NAME/Production`, `NAME@v3` …
        dst_path: The folder to copy its files to.
        trust: Whether code in it may run; see `gitml.models.trust`.
        skops_trusted_types: Types in it that skops does not know to be harmless, and you do.

    Raises:
        NotFoundError: There is no such model, or it is of another framework.
        UntrustedModelError: It would run code, and nothing vouches for it.
    """
    options = {"skops_trusted_types": skops_trusted_types}
    return loading.load_native(FLAVOR.name, model_uri, dst_path=dst_path, trust=trust, options=options)
