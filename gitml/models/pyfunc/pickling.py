"""Python models as pickles that gitml and MLflow both read.

What a user's class derives from is named in the pickle as "gitml's, or else MLflow's", so that either
package alone is enough to load it. MLflow's own pickles name MLflow's classes; without mlflow
installed gitml's stand for them.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import importlib.util
import lzma
import pickle
import types
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

from gitml.errors import DamagedError, UsageError
from gitml.models.errors import MissingPackageError
from gitml.models.pyfunc.python_model import FunctionModel, PythonModel, PythonModelContext

_OURS = "gitml.models.pyfunc.python_model"
# Class → where it may be found, in this order.
_HOMES: Mapping[type, tuple[tuple[str, str], ...]] = {
    PythonModel: ((_OURS, "PythonModel"), ("mlflow.pyfunc.model", "PythonModel")),
    FunctionModel: ((_OURS, "FunctionModel"), ("mlflow.pyfunc.model", "_FunctionPythonModel")),
    PythonModelContext: ((_OURS, "PythonModelContext"), ("mlflow.pyfunc.model", "PythonModelContext")),
}
_STAND_INS, _CHECKS = "gitml.models.pyfunc.stand_ins", "mlflow.pyfunc.utils.data_validation"
_STAND_FOR = {homes[1]: homes[0] for homes in _HOMES.values()} | {
    ("mlflow.exceptions", "MlflowException"): ("gitml.errors", "GitmlError"),
    ("mlflow.models.signature", "_TypeHints"): (_STAND_INS, "Hints"),
    (_CHECKS, "FuncInfo"): (_STAND_INS, "FuncInfo"),
    (_CHECKS, "_validate_model_input"): (_STAND_INS, "validate_model_input"),
}
_OPENERS: Mapping[object, Any] = {"lzma": lzma.open, "bzip2": bz2.open, "gzip": gzip.open}


def _first_of(homes: tuple[tuple[str, str], ...]) -> Any:
    import importlib  # the function travels in the pickle, alone

    for module, name in homes:
        try:
            return getattr(importlib.import_module(module), name)
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError(f"neither {' nor '.join(module for module, _ in homes)} is installed")


def dump(model: Any, path: Path) -> str:
    """Write a pickle.

    Returns:
        The version of cloudpickle that wrote it.

    Raises:
        MissingPackageError: cloudpickle is not installed.
        UsageError: The model can't be pickled.
    """
    cloudpickle = _cloudpickle()
    # Of a module that nothing can import, so that the function itself is written.
    finder = types.FunctionType(
        _first_of.__code__, {"__builtins__": __builtins__, "__name__": "__main__"}, "first_of"
    )
    finder.__module__ = "__main__"

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc, name-defined]
        """Names the base classes so that two packages know them."""

        def reducer_override(self, obj: Any) -> Any:
            homes = _HOMES.get(obj) if isinstance(obj, type) else None
            return (finder, (homes,)) if homes is not None else super().reducer_override(obj)

    try:
        with path.open("wb") as stream:
            Pickler(stream).dump(model)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as err:
        raise UsageError(
            f"the model can't be pickled: {err}",
            hint="give its code: python_model='model.py', which ends with gitml.models.set_model(…)",
        ) from err
    return str(cloudpickle.__version__)


def load(path: Path, compression: object = None) -> Any:
    """Read a pickle; whoever asks for that has been asked for trust.

    Raises:
        MissingPackageError: cloudpickle is not installed.
        DamagedError: It is compressed in a way that nobody knows.
    """
    _cloudpickle()
    with _opened(path, compression) as stream:
        return _Unpickler(stream).load()


class _Unpickler(pickle.Unpickler):
    """Finds gitml's classes for MLflow's, where mlflow is not installed."""

    def find_class(self, module: str, name: str, /) -> Any:
        if module.partition(".")[0] == "mlflow" and importlib.util.find_spec("mlflow") is None:
            module, name = _STAND_FOR.get((module, name), (module, name))
        return super().find_class(module, name)


def _opened(path: Path, compression: object) -> IO[bytes]:
    if compression is None:
        return path.open("rb")
    if compression not in _OPENERS:
        raise DamagedError(
            f"the model says that it is compressed as '{compression!s:.40}', which nobody knows"
        )
    return cast("IO[bytes]", _OPENERS[compression](path, "rb"))


def _cloudpickle() -> Any:
    try:
        import cloudpickle
    except ModuleNotFoundError as err:
        instead = "python_model='model.py' keeps code instead of a pickle"
        raise MissingPackageError("a Python model", "cloudpickle", instead=instead) from err
    return cloudpickle
