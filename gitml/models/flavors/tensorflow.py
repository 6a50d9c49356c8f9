"""TensorFlow: models of its Keras as `.keras` files; modules as SavedModels, which are programs."""

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
from gitml.models.flavors import keras_files as files
from gitml.models.flavors.shared import (
    NotThisFrameworkError,
    file_of,
    import_module,
    installed_as,
    warn_of_version,
)

_SAVED, _FORMAT_FILE = "tf2model", "save_format.txt"
_KERAS, _MODULE = "keras", "tf2-module"


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """A module of TensorFlow as `python_function`."""

    model: Any

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Call it with a tensor, and give an array."""
        import pandas as pd

        tensorflow = _tensorflow()
        if isinstance(data, pd.DataFrame):
            data = data.to_numpy()
        found = self.model(tensorflow.convert_to_tensor(data), **(params or {}))
        return found.numpy() if isinstance(found, tensorflow.Tensor) else found


@dataclass(frozen=True, slots=True)
class TensorflowFlavor:
    """Models of TensorFlow: Keras, and `tf.Module`."""

    name: str = "tensorflow"
    loader_module: str = "mlflow.tensorflow"

    @property
    def packages(self) -> tuple[str, ...]:
        """The build of TensorFlow that is here."""
        return (installed_as("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos"),)

    def write(self, model: Any, folder: Path, options: Mapping[str, Any]) -> Written:
        """Write `data/model.keras`, or the folder `tf2model`."""
        tensorflow = _tensorflow()
        if isinstance(model, tensorflow.keras.Model):
            files.write(model, folder / files.FOLDER, "tensorflow.keras", options.get("keras_model_kwargs"))
            (folder / files.FOLDER / _FORMAT_FILE).write_text("tf", encoding="utf-8")
            facts = {
                "data": files.FOLDER,
                "keras_version": str(tensorflow.__version__),
                "model_type": _KERAS,
                "save_format": "tf",
            }
            return Written(facts, {"data": files.FOLDER}, ("keras",))
        if not isinstance(model, tensorflow.Module):
            raise NotThisFrameworkError(model, "TensorFlow", "give a model of Keras or a tf.Module")
        try:
            tensorflow.saved_model.save(
                model, str(folder / _SAVED), **(options.get("saved_model_kwargs") or {})
            )
        except (ValueError, TypeError, AssertionError) as err:
            raise UsageError(f"TensorFlow can't write this {type(model).__name__}: {err!s:.500}") from err
        return Written({"model_type": _MODULE, "saved_model_dir": _SAVED}, {})

    def code(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
        """A SavedModel is a program, which can read and write files; of Keras, functions of bytes."""
        del options
        if _kind(facts) == _MODULE:
            return (f"'{_saved(folder, facts).name}' is a program of TensorFlow",)
        return files.code(file_of(folder, facts, "data", files.FOLDER))

    def read(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Load the model."""
        tensorflow = _tensorflow()
        warn_of_version(self.packages[0], facts.get("keras_version"))
        if _kind(facts) == _MODULE:
            return tensorflow.saved_model.load(str(_saved(folder, facts)))
        data = file_of(folder, facts, "data", files.FOLDER)
        below = data.relative_to(folder).as_posix()
        name = next((name for name in (files.FILE, *files.OLD_FILES) if (data / name).exists()), files.FILE)
        path = file_of(folder, {"data": f"{below}/{name}"}, "data")
        return files.read(data, path, options.get("custom_objects"))

    def wrap(self, model: Any, facts: Mapping[str, Any], function: Mapping[str, Any]) -> Predictor:
        """Predict with Keras, or call the module."""
        del function
        return _Wrapped(model) if _kind(facts) == _MODULE else files.Wrapped(model)


FLAVOR = TensorflowFlavor()


def _tensorflow() -> Any:
    return import_module("tensorflow", "a model of TensorFlow", "tensorflow")


def _kind(facts: Mapping[str, Any]) -> str:
    found = str(facts.get("model_type"))
    if found not in (_KERAS, _MODULE):
        raise DamagedError(f"the model says that it is a '{found:.40}', which gitml can't load")
    return found


def _saved(folder: Path, facts: Mapping[str, Any]) -> Path:
    return file_of(folder, facts, "saved_model_dir", _SAVED)


def save_model(
    model: Any, path: str | os.PathLike[str], conda_env: Any = None, code_paths: Any = None, *,
    saved_model_kwargs: Mapping[str, Any] | None = None, keras_model_kwargs: Mapping[str, Any] | None = None,
    **common: Any,
) -> Model:  # fmt: skip
    """Save a model of TensorFlow to a folder.

    Args:
        model: A model of Keras, or a `tf.Module` with functions, which becomes a SavedModel: a program.
        path: The folder, which must not exist or be empty.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        saved_model_kwargs: Keywords for `tf.saved_model.save`.
        keras_model_kwargs: Keywords for the model's own `save`.
        common: See `gitml.models.saving.Common`.

    Raises:
        UsageError: It is no model of TensorFlow, or can't be written.
    """
    options = {"saved_model_kwargs": saved_model_kwargs, "keras_model_kwargs": keras_model_kwargs}
    given = {"conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.save_model(FLAVOR, model, path, options, given)


def log_model(
    model: Any, artifact_path: str | None = None, conda_env: Any = None, code_paths: Any = None, *,
    saved_model_kwargs: Mapping[str, Any] | None = None, keras_model_kwargs: Mapping[str, Any] | None = None,
    **common: Any,
) -> ModelInfo:  # fmt: skip
    """Keep a model of TensorFlow with the current run.

    Args:
        model: A model of Keras, or a `tf.Module`.
        artifact_path: The folder among the run's artifacts; `model` if not given.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        saved_model_kwargs: As for `save_model`.
        keras_model_kwargs: As there.
        common: See `Common` and `Place` in `gitml.models.saving`.
    """
    options = {"saved_model_kwargs": saved_model_kwargs, "keras_model_kwargs": keras_model_kwargs}
    given = {"artifact_path": artifact_path, "conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.log_model(FLAVOR, model, options, given)


def load_model(
    model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None, *,
    custom_objects: Mapping[str, Any] | None = None, trust: bool | None = None,
) -> Any:  # fmt: skip
    """Load a model of TensorFlow.

    Args:
        model_uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `models:/NAME/Production`, `NAME@v3` …
        dst_path: The folder to copy its files to.
        custom_objects: Classes and functions of a model of Keras that are not registered with it, by name.
        trust: Whether code in it may run; see `gitml.models.trust`.

    Raises:
        NotFoundError: There is no such model, or it is of another framework.
        UntrustedModelError: It would run code, and nothing vouches for it.
    """
    options = {"custom_objects": custom_objects}
    return loading.load_native(FLAVOR.name, model_uri, dst_path=dst_path, trust=trust, options=options)
