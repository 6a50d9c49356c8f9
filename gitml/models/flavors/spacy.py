"""spaCy: folders of its own format, which are data."""

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
from gitml.models.flavors.hub_files import code_in
from gitml.models.flavors.shared import NotThisFrameworkError, file_of, import_module, warn_of_version

_DATA = "model.spacy"
_TABLES = ("vocab/lookups.bin", "vocab/lookups_extra.bin")  # msgpack


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """A pipeline of spaCy that sorts texts."""

    model: Any

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Say of each text in a table's one column how it is sorted."""
        import pandas as pd

        del params
        if not isinstance(data, pd.DataFrame) or len(data.columns) != 1:
            raise UsageError("a model of spaCy predicts a table of one column", hint="give its texts in it")
        return pd.DataFrame({"predictions": [document.cats for document in self.model.pipe(data.iloc[:, 0])]})


@dataclass(frozen=True, slots=True)
class SpacyFlavor:
    """Pipelines of spaCy."""

    name: str = "spacy"
    loader_module: str = "mlflow.spacy"
    packages: tuple[str, ...] = ("spacy",)

    def write(self, model: Any, folder: Path, options: Mapping[str, Any]) -> Written:
        """Write the folder `model.spacy`; it predicts only if a part of it sorts texts."""
        del options
        spacy = import_module("spacy", "a model of spaCy", "spacy")
        if not isinstance(model, spacy.Language):
            raise NotThisFrameworkError(model, "spaCy", "give a pipeline: spacy.blank('en')")
        model.to_disk(folder / _DATA)
        sorts = any(isinstance(part, spacy.pipeline.TextCategorizer) for _, part in model.pipeline)
        facts = {"data": _DATA, "spacy_version": str(spacy.__version__)}
        return Written(facts, {"data": _DATA} if sorts else None)

    def code(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
        """None of spaCy's own; parts of others may have written pickles."""
        del options
        return code_in(file_of(folder, facts, "data", _DATA), harmless=_TABLES)

    def read(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Load the pipeline."""
        del options
        data = file_of(folder, facts, "data", _DATA)
        spacy = import_module("spacy", "a model of spaCy", "spacy")
        warn_of_version("spacy", facts.get("spacy_version"))
        try:
            return spacy.load(data)
        except (OSError, ValueError, KeyError) as err:
            raise DamagedError(f"spaCy can't read '{data.name}': {err!s:.300}") from err

    def wrap(self, model: Any, facts: Mapping[str, Any], function: Mapping[str, Any]) -> Predictor:
        """Sort texts."""
        del facts, function
        return _Wrapped(model)


FLAVOR = SpacyFlavor()


def save_model(
    spacy_model: Any,
    path: str | os.PathLike[str],
    conda_env: Any = None,
    code_paths: Any = None,
    **common: Any,
) -> Model:
    """Save a pipeline of spaCy to a folder.

    Args:
        spacy_model: The pipeline.
        path: The folder, which must not exist or be empty.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        common: See `gitml.models.saving.Common`.

    Raises:
        UsageError: It is no pipeline of spaCy.
    """
    given = {"conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.save_model(FLAVOR, spacy_model, path, {}, given)


def log_model(
    spacy_model: Any,
    artifact_path: str | None = None,
    conda_env: Any = None,
    code_paths: Any = None,
    **common: Any,
) -> ModelInfo:
    """Keep a pipeline of spaCy with the current run.

    Args:
        spacy_model: The pipeline.
        artifact_path: The folder among the run's artifacts; `model` if not given.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        common: See `Common` and `Place` in `gitml.models.saving`.
    """
    given = {"artifact_path": artifact_path, "conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.log_model(FLAVOR, spacy_model, {}, given)


def load_model(
    model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None, *,
    trust: bool | None = None,
) -> Any:  # fmt: skip
    """Load a pipeline of spaCy.

    Args:
        model_uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `models:/NAME/Production`, `NAME@v3` …
        dst_path: The folder to copy its files to.
        trust: Whether code in it may run; see `gitml.models.trust`.

    Raises:
        NotFoundError: There is no such model, or it is of another framework.
        UntrustedModelError: It would run code, and nothing vouches for it.
    """
    return loading.load_native(FLAVOR.name, model_uri, dst_path=dst_path, trust=trust)
