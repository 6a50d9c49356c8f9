"""Keras: `.keras` files, which are data unless a layer is a function of bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.entities.model import Model, ModelInfo
from gitml.errors import UsageError
from gitml.models import loading, saving
from gitml.models.contract import Predictor, Written
from gitml.models.flavors import keras_files as files
from gitml.models.flavors.shared import (
    NotThisFrameworkError,
    file_of,
    import_module,
    installed_as,
    warn_of_version,
)

# What computes, by the backend's name.
_BACKENDS = {"tensorflow": ("tensorflow", "tensorflow-cpu"), "torch": ("torch",), "jax": ("jax",)}


@dataclass(frozen=True, slots=True)
class KerasFlavor:
    """Models of Keras 3."""

    name: str = "keras"
    loader_module: str = "mlflow.keras"
    packages: tuple[str, ...] = ("keras",)

    def write(self, model: Any, folder: Path, options: Mapping[str, Any]) -> Written:
        """Write `data/model.keras`."""
        keras = import_module("keras", "a model of Keras", "keras")
        if not isinstance(model, keras.Model):
            raise NotThisFrameworkError(model, "Keras", "give a keras.Model")
        files.write(model, folder / files.FOLDER, "keras", options.get("save_model_kwargs"))
        backend = str(keras.backend.backend())
        facts = {
            "data": files.FOLDER,
            "keras_backend": backend,
            "keras_version": str(keras.__version__),
            "save_exported_model": False,
        }
        packages = (installed_as(*_BACKENDS[backend]),) if backend in _BACKENDS else ()
        return Written(facts, {}, packages)

    def code(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
        """Layers that are functions of bytes; programs that were exported."""
        del options
        data = file_of(folder, facts, "data", files.FOLDER)
        if facts.get("save_exported_model"):
            return (f"'{data.name}' is a program of TensorFlow",)
        return files.code(data)

    def read(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Load the model."""
        data = file_of(folder, facts, "data", files.FOLDER)
        warn_of_version("keras", facts.get("keras_version"))
        if facts.get("save_exported_model"):
            raise UsageError(
                "the model was exported as a program of TensorFlow, which Keras can't load",
                hint="tensorflow.saved_model.load reads its folder 'data/model'",
            )
        path = file_of(folder, {"data": f"{data.relative_to(folder).as_posix()}/{files.FILE}"}, "data")
        return files.read(data, path, options.get("custom_objects"))

    def wrap(self, model: Any, facts: Mapping[str, Any], function: Mapping[str, Any]) -> Predictor:
        """Predict with the model's own `predict`."""
        del facts, function
        return files.Wrapped(model)


FLAVOR = KerasFlavor()


def save_model(
    model: Any, path: str | os.PathLike[str], *, conda_env: Any = None, code_paths: Any = None,
    save_model_kwargs: Mapping[str, Any] | None = None, **common: Any,
) -> Model:  # fmt: skip
    """Save a model of Keras to a folder.

    Args:
        model: The `keras.Model`.
        path: The folder, which must not exist or be empty.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        save_model_kwargs: Keywords for the model's own `save`.
        common: See `gitml.models.saving.Common`.

    Raises:
        UsageError: It is no model of Keras, or can't be written.
    """
    given = {"conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.save_model(FLAVOR, model, path, {"save_model_kwargs": save_model_kwargs}, given)


def log_model(
    model: Any, artifact_path: str | None = None, *, conda_env: Any = None, code_paths: Any = None,
    save_model_kwargs: Mapping[str, Any] | None = None, **common: Any,
) -> ModelInfo:  # fmt: skip
    """Keep a model of Keras with the current run.

    Args:
        model: The `keras.Model`.
        artifact_path: The folder among the run's artifacts; `model` if not given.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        save_model_kwargs: As for `save_model`.
        common: See `Common` and `Place` in `gitml.models.saving`.
    """
    given = {"artifact_path": artifact_path, "conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.log_model(FLAVOR, model, {"save_model_kwargs": save_model_kwargs}, given)


def load_model(
    model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None,
    custom_objects: Mapping[str, Any] | None = None, *, trust: bool | None = None,
) -> Any:  # fmt: skip
    """Load a model of Keras.

    Args:
        model_uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `models:/NAME/Production`, `NAME@v3` …
        dst_path: The folder to copy its files to.
        custom_objects: Classes and functions of the model that are not registered with Keras, by name.
        trust: Whether code in it may run; see `gitml.models.trust`.

    Raises:
        NotFoundError: There is no such model, or it is of another framework.
        UntrustedModelError: It would run code, and nothing vouches for it.
    """
    options = {"custom_objects": custom_objects}
    return loading.load_native(FLAVOR.name, model_uri, dst_path=dst_path, trust=trust, options=options)
