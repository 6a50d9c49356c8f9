"""Sentence Transformers: weights as safetensors, and the rest as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.entities.model import Model, ModelInfo
from gitml.errors import DamagedError, UsageError
from gitml.models import loading, saving
from gitml.models.contract import Predictor, Written
from gitml.models.flavors.hub_files import code_in, has_own_code, public_name, reading_errors
from gitml.models.flavors.shared import NotThisFrameworkError, file_of, import_module, warn_of_version

_DATA = "model.sentence_transformer"


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """A model that gives the embeddings of sentences."""

    model: Any

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Encode texts: a text, a list of them, or a table's first column; params are keywords of `encode`."""
        import numpy as np
        import pandas as pd

        if isinstance(data, pd.DataFrame):
            data = data.iloc[:, 0]
        if isinstance(data, pd.Series | np.ndarray):
            data = data.tolist()
        return self.model.encode(data, **{"show_progress_bar": False, **(params or {})})


@dataclass(frozen=True, slots=True)
class SentenceTransformersFlavor:
    """Models of the sentence-transformers library."""

    name: str = "sentence_transformers"
    loader_module: str = "mlflow.sentence_transformers"
    packages: tuple[str, ...] = ("sentence-transformers", "transformers", "torch")

    def write(self, model: Any, folder: Path, options: Mapping[str, Any]) -> Written:
        """Write the folder `model.sentence_transformer`."""
        del options
        library = _library()
        if not isinstance(model, library.SentenceTransformer):
            raise NotThisFrameworkError(model, "sentence-transformers", "give a SentenceTransformer")
        try:
            model.save(str(folder / _DATA), create_model_card=False)
        except (ValueError, RuntimeError, TypeError) as err:
            raise UsageError(f"sentence-transformers can't write this model: {err!s:.300}") from err
        facts: dict[str, Any] = {"sentence_transformers_version": str(library.__version__)}
        inner = next((part.auto_model for part in model.modules() if hasattr(part, "auto_model")), None)
        if inner is not None:
            facts["source_model_name"] = public_name(inner.name_or_path)
            facts["pipeline_model_type"] = type(inner).__name__
        return Written(facts, {"data": _DATA})

    def code(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
        """Weights that are pickles, and classes that come with the model or are somebody's."""
        del options, facts
        data = file_of(folder, {}, "data", _DATA)
        own = sorted({kind for kind in _classes(data) if not kind.startswith("sentence_transformers.")})
        return (*code_in(data), *(f"it makes an object of the class '{kind}'" for kind in own))

    def read(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Load the model; nothing is fetched."""
        data = file_of(folder, {}, "data", _DATA)
        warn_of_version("sentence-transformers", facts.get("sentence_transformers_version"))
        told = {"device": options["device"]} if options.get("device") is not None else {}
        own = has_own_code(data)
        try:
            return _library().SentenceTransformer(
                str(data), local_files_only=True, trust_remote_code=own, **told
            )
        except reading_errors() as err:
            raise DamagedError(f"sentence-transformers can't read '{data.name}': {err!s:.300}") from err

    def wrap(self, model: Any, facts: Mapping[str, Any], function: Mapping[str, Any]) -> Predictor:
        """Encode sentences."""
        del facts, function
        return _Wrapped(model)


FLAVOR = SentenceTransformersFlavor()


def _library() -> Any:
    return import_module("sentence_transformers", "a model of sentence-transformers", "sentence-transformers")


def _classes(data: Path) -> list[str]:
    """The classes that a model is made of, by what its files say."""
    path = data / "modules.json"
    if not path.exists():
        return []
    try:
        return [str(one["type"]) for one in json.loads(path.read_bytes())]
    except (ValueError, TypeError, KeyError, RecursionError) as err:
        raise DamagedError(f"'{path.name}' does not say what the model is made of: {err!s:.200}") from err


def save_model(
    model: Any, path: str | os.PathLike[str], *, conda_env: Any = None, code_paths: Any = None, **common: Any
) -> Model:
    """Save a model of sentence-transformers to a folder.

    Args:
        model: The `SentenceTransformer`.
        path: The folder, which must not exist or be empty.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        common: See `gitml.models.saving.Common`.

    Raises:
        UsageError: It is no such model, or can't be written.
    """
    given = {"conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.save_model(FLAVOR, model, path, {}, given)


def log_model(
    model: Any,
    artifact_path: str | None = None,
    *,
    conda_env: Any = None,
    code_paths: Any = None,
    **common: Any,
) -> ModelInfo:
    """Keep a model of sentence-transformers with the current run.

    Args:
        model: The `SentenceTransformer`.
        artifact_path: The folder among the run's artifacts; `model` if not given.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        common: See `Common` and `Place` in `gitml.models.saving`.
    """
    given = {"artifact_path": artifact_path, "conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.log_model(FLAVOR, model, {}, given)


def load_model(
    model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None, *,
    device: Any = None, trust: bool | None = None,
) -> Any:  # fmt: skip
    """Load a model of sentence-transformers.

    Args:
        model_uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `models:/NAME/Production`, `NAME@v3` …
        dst_path: The folder to copy its files to.
        device: Where to put it.
        trust: Whether code in it may run; see `gitml.models.trust`.

    Raises:
        NotFoundError: There is no such model, or it is of another framework.
        UntrustedModelError: It would run code, and nothing vouches for it.
    """
    options = {"device": device}
    return loading.load_native(FLAVOR.name, model_uri, dst_path=dst_path, trust=trust, options=options)
