"""Models of Keras as `.keras` files, and how they predict; with any backend."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.errors import DamagedError, UsageError
from gitml.models.flavors.shared import import_module

FOLDER, FILE, MODULE_FILE = "data", "model.keras", "keras_module.txt"
OLD_FILES = ("model.h5", "model")
CUSTOM_OBJECTS = ("global_custom_objects.cloudpickle", "custom_objects.cloudpickle")
# What makes functions of bytes, or runs programs of other frameworks.
_CODE = ("__lambda__", "Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
_MAX_CONFIG = 256 << 20


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A model of Keras as `python_function`."""

    model: Any

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predict arrays; of a table, a table. Params are keywords of the model's own `predict`."""
        import pandas as pd

        told = {"verbose": 0, **(params or {})}
        if isinstance(data, pd.DataFrame):
            return pd.DataFrame(self.model.predict(data.to_numpy(), **told), index=data.index)
        return self.model.predict(data, **told)


def write(model: Any, folder: Path, module: str, save: Mapping[str, Any] | None = None) -> None:
    """Write a model's `.keras` file, and what MLflow wants to know.

    Raises:
        UsageError: Keras can't write it.
    """
    folder.mkdir()
    (folder / MODULE_FILE).write_text(module, encoding="utf-8")
    try:
        model.save(str(folder / FILE), **(save or {}))
    except (TypeError, ValueError, NotImplementedError) as err:
        raise UsageError(f"Keras can't write this {type(model).__name__}: {err!s:.500}") from err


def code(folder: Path) -> tuple[str, ...]:
    """Say what in a model's files runs code, a sentence each.

    Raises:
        DamagedError: There is no model.
    """
    found = [f"'{name}' is a cloudpickle" for name in CUSTOM_OBJECTS if (folder / name).exists()]
    path = folder / FILE
    if path.exists():
        found += [f"'{path.name}' has {part}" for part in dict.fromkeys(_code_in(path))]
    elif any((folder / name).exists() for name in OLD_FILES):
        found.append("it is in an old format of Keras, which can hold code")
    else:
        raise DamagedError(f"the model lacks its file '{FOLDER}/{FILE}'", hint="get or save the model anew")
    return tuple(found)


def read(folder: Path, path: Path, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Load a model; if it runs code, the user has agreed.

    Raises:
        DamagedError: It is no model of Keras.
        UsageError: It has classes that the caller must bring.
    """
    keras = import_module("keras", "a model of Keras", "keras")
    objects = {**_pickled(folder), **(custom_objects or {})}
    options = {} if path.suffix != ".keras" else {"safe_mode": not any(_code_in(path))}
    try:
        return keras.saving.load_model(str(path), custom_objects=objects or None, **options)
    except (TypeError, ValueError) as err:
        told = str(err)
        if "custom" in told or "registered" in told:
            hint = "import the module that has it first, or custom_objects={'Name': Class}"
            raise UsageError(f"Keras lacks a class of the model: {told:.300}", hint=hint) from err
        raise DamagedError(f"Keras can't read '{path.name}': {told:.300}") from err


def _pickled(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in CUSTOM_OBJECTS:
        if (folder / name).exists():
            cloudpickle = import_module("cloudpickle", "the model's own classes", "cloudpickle")
            with (folder / name).open("rb") as stream:
                found |= cloudpickle.load(stream)
    return found


def _code_in(path: Path) -> Iterator[str]:
    """Look through a `.keras` file; nothing of it is loaded."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > _MAX_CONFIG:
                raise ValueError("its configuration is too large")
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError) as err:
        raise DamagedError(f"'{path.name}' is no model of Keras: {err!s:.200}") from err
    yield from _walk(config)


def _walk(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        name, module = value.get("class_name"), value.get("module")
        if name in _CODE:
            yield f"a {name}"
        elif (
            name is not None
            and module is not None
            and not _is_keras(str(module))
            and not value.get("registered_name")
        ):
            yield f"an object of '{module}.{name}'"
        for inner in value.values():
            yield from _walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner)


def _is_keras(module: str) -> bool:
    return module == "builtins" or module.partition(".")[0] == "keras"
