"""Models from code: a file that ends with `set_model`, kept and run again instead of a pickle."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from gitml.errors import InvalidValueError, NotFoundError, UsageError

_model: ContextVar[list[Any] | None] = ContextVar("gitml_code_model", default=None)
_config: ContextVar[Mapping[str, Any] | None] = ContextVar("gitml_model_config", default=None)


class NoModelSetError(UsageError):
    """A file that should define a model does not."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"'{path.name}' sets no model", hint="end it with gitml.models.set_model(MyModel())")
        self.path = path


def set_model(model: Any) -> None:
    """Say which object of this file is the model; for files that are given as `python_model`.

    Args:
        model: A `PythonModel` or a function.

    Raises:
        UsageError: It is neither.
    """
    if not callable(model) and not hasattr(model, "predict"):
        raise UsageError(
            f"set_model takes a PythonModel or a function, not {type(model).__name__}",
            hint="gitml.models.set_model(MyModel())",
        )
    place = _model.get()
    if place is not None:  # else the file is run by itself, to try it
        place[:] = [model]


class ModelConfig:
    """The configuration of a model from code, as a file of code reads it.

    While the model is saved or loaded it is the `model_config` given there; else `development_config`.
    """

    def __init__(self, *, development_config: Mapping[str, Any] | str | Path | None = None) -> None:
        """Say what holds while the file is run by itself: a mapping, or a YAML file."""
        self._given = _config.get()  # the file is run while the model is loaded; it predicts later
        self._development = development_config

    def to_dict(self) -> dict[str, Any]:
        """Give all of it.

        Raises:
            NotFoundError: There is none.
        """
        if self._given is not None:
            return dict(self._given)
        if self._development is None:
            raise NotFoundError(
                "the model has no configuration",
                hint="give model_config=…, or ModelConfig(development_config=…)",
            )
        return read_config(self._development)

    def get(self, key: str) -> Any:
        """Give one value.

        Raises:
            NotFoundError: There is none of that name.
        """
        known = self.to_dict()
        if key not in known:
            raise NotFoundError(
                f"the model's configuration has no '{key}'",
                hint=f"it has {', '.join(map(str, known)) or 'nothing'}",
            )
        return known[key]


def read_config(config: Mapping[str, Any] | str | Path) -> dict[str, Any]:
    """Read a configuration: a mapping, or a YAML file.

    Raises:
        NotFoundError: There is no such file.
        InvalidValueError: It is something else.
    """
    if isinstance(config, Mapping):
        return dict(config)
    if not isinstance(config, str | Path):
        raise InvalidValueError("model_config", type(config).__name__, "it is a mapping or a YAML file")
    from gitml.formats import yaml

    try:
        data = Path(config).read_bytes()
    except OSError as err:
        raise NotFoundError(f"the configuration '{config}' can't be read: {err.strerror}") from err
    return yaml.load_mapping(data, source=str(config))


def run_file(path: Path, config: Mapping[str, Any] | None) -> Any:
    """Run a file of code, and give the model that it sets.

    Raises:
        NoModelSetError: It sets none.
    """
    source = path.read_bytes()
    place: list[Any] = []
    module = types.ModuleType(f"gitml_model_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # classes in it find their module, as pickles want
    model, given = _model.set(place), _config.set(config)
    try:
        with _foreign(source, config) as found:
            exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - that is what was asked for
    finally:
        _model.reset(model)
        _config.reset(given)
    if not (place or found):
        raise NoModelSetError(path)
    return (place or found)[0]


@contextmanager
def _foreign(source: bytes, config: Mapping[str, Any] | None) -> Iterator[list[Any]]:
    """Let a file that is written for mlflow, where that is installed, say its model to mlflow."""
    found: list[Any] = []
    if b"mlflow" not in source or importlib.util.find_spec("mlflow") is None:
        yield found
        return
    models, settings = map(importlib.import_module, ("mlflow.models.model", "mlflow.models.model_config"))
    models.__dict__["__mlflow_model__"] = None
    settings.__dict__["__mlflow_model_config__"] = None if config is None else dict(config)
    try:
        yield found
    finally:
        settings.__dict__["__mlflow_model_config__"] = None
        if models.__dict__["__mlflow_model__"] is not None:
            found.append(models.__dict__["__mlflow_model__"])
