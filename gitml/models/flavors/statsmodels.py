"""statsmodels: pickles, for it has no other format; they are loaded only with trust."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.entities.model import Model, ModelInfo
from gitml.errors import UsageError
from gitml.models import loading, saving
from gitml.models.contract import Predictor, Written
from gitml.models.flavors.shared import NotThisFrameworkError, file_of, import_module, warn_of_version

_FILE = "model.statsmodels"


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """Results of statsmodels as `python_function`."""

    model: Any

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predict; of a time series, from the `start` to the `end` of a table with one row."""
        module = import_module("statsmodels.tsa.base.tsa_model", "a model of statsmodels", "statsmodels")
        if not isinstance(self.model.model, module.TimeSeriesModel):
            return self.model.predict(data, **(params or {}))
        columns = getattr(data, "columns", ())
        if len(data) != 1 or not {"start", "end"} <= set(columns):
            raise UsageError(
                "a time series is predicted from 'start' to 'end'",
                hint="give a table of one row with both columns",
            )
        row = data.iloc[0]
        return self.model.predict(start=row["start"], end=row["end"], **(params or {}))


@dataclass(frozen=True, slots=True)
class StatsmodelsFlavor:
    """Results of fitting models of statsmodels."""

    name: str = "statsmodels"
    loader_module: str = "mlflow.statsmodels"
    packages: tuple[str, ...] = ("statsmodels",)

    def write(self, model: Any, folder: Path, options: Mapping[str, Any]) -> Written:
        """Write `model.statsmodels`, a pickle."""
        statsmodels = import_module("statsmodels", "a model of statsmodels", "statsmodels")
        if not (hasattr(model, "save") and hasattr(model, "model") and hasattr(model, "predict")):
            raise NotThisFrameworkError(model, "statsmodels", "give the results: model.fit()")
        try:
            model.save(str(folder / _FILE), bool(options.get("remove_data")))
        except (pickle.PicklingError, TypeError, AttributeError) as err:
            raise UsageError(f"pickle can't write this {type(model).__name__}: {err}") from err
        facts = {
            "data": _FILE,
            "serialization_format": "pickle",
            "statsmodels_version": str(statsmodels.__version__),
        }
        return Written(facts, {"data": _FILE})

    def code(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
        """All of it: it is a pickle."""
        del options
        return (f"'{file_of(folder, facts, 'data', _FILE).name}' is a pickle",)

    def read(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Load the results."""
        del options
        path = file_of(folder, facts, "data", _FILE)
        import_module("statsmodels.iolib.api", "a model of statsmodels", "statsmodels")
        warn_of_version("statsmodels", facts.get("statsmodels_version"))
        with path.open("rb") as stream:
            return pickle.load(stream)  # noqa: S301 - whoever loads it agreed: `code` says what it is

    def wrap(self, model: Any, facts: Mapping[str, Any], function: Mapping[str, Any]) -> Predictor:
        """Predict with the results' own `predict`."""
        del facts, function
        return _Wrapped(model)


FLAVOR = StatsmodelsFlavor()


def save_model(
    statsmodels_model: Any, path: str | os.PathLike[str], conda_env: Any = None, code_paths: Any = None, *,
    remove_data: bool = False, **common: Any,
) -> Model:  # fmt: skip
    """Save results of statsmodels to a folder, as a pickle.

    Args:
        statsmodels_model: What `fit` gave.
        path: The folder, which must not exist or be empty.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        remove_data: Leave out the data that it was fitted to; the object itself then lacks them too.
        common: See `gitml.models.saving.Common`.

    Raises:
        UsageError: It is no such results.
    """
    given = {"conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.save_model(FLAVOR, statsmodels_model, path, {"remove_data": remove_data}, given)


def log_model(
    statsmodels_model: Any, artifact_path: str | None = None, conda_env: Any = None, code_paths: Any = None, *,
    remove_data: bool = False, **common: Any,
) -> ModelInfo:  # fmt: skip
    """Keep results of statsmodels with the current run, as a pickle.

    Args:
        statsmodels_model: What `fit` gave.
        artifact_path: The folder among the run's artifacts; `model` if not given.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        remove_data: As for `save_model`.
        common: See `Common` and `Place` in `gitml.models.saving`.
    """
    given = {"artifact_path": artifact_path, "conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.log_model(FLAVOR, statsmodels_model, {"remove_data": remove_data}, given)


def load_model(
    model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None, *,
    trust: bool | None = None,
) -> Any:  # fmt: skip
    """Load results of statsmodels.

    Args:
        model_uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `models:/NAME/Production`, `NAME@v3` …
        dst_path: The folder to copy its files to.
        trust: Whether the pickle may run its code; see `gitml.models.trust`.

    Raises:
        NotFoundError: There is no such model, or it is of another framework.
        UntrustedModelError: Nothing vouches for it.
    """
    return loading.load_native(FLAVOR.name, model_uri, dst_path=dst_path, trust=trust)
