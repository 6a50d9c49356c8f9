"""scikit-learn: skops files, which are data; pickles only where they are asked for."""

from __future__ import annotations

import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.entities.model import Model, ModelInfo
from gitml.errors import DamagedError, UsageError
from gitml.models import loading, saving
from gitml.models.contract import Predictor, Written
from gitml.models.directory import member
from gitml.models.errors import MissingPackageError

SKOPS, CLOUDPICKLE, PICKLE = "skops", "cloudpickle", "pickle"
_FORMATS = (SKOPS, CLOUDPICKLE, PICKLE)
_MODULE = re.compile(rb'"__module__": ?"([^"]+)"')


class UntrustedTypesError(UsageError):
    """A model has types that skops does not know to be harmless."""

    def __init__(self, types: Sequence[str]) -> None:
        super().__init__(
            f"the model has types that skops does not know to be harmless: {', '.join(types)}",
            hint=f"skops_trusted_types={list(types)!r}, or serialization_format='cloudpickle'",
        )
        self.types = tuple(types)


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """An estimator as `python_function`."""

    model: Any
    method: str

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Call the method that the model was saved with; params are its keywords."""
        return getattr(self.model, self.method)(data, **(params or {}))


@dataclass(frozen=True, slots=True)
class SklearnFlavor:
    """Estimators, pipelines and searches of scikit-learn."""

    name: str = "sklearn"
    loader_module: str = "mlflow.sklearn"
    packages: tuple[str, ...] = ("scikit-learn",)

    def write(self, model: Any, folder: Path, options: Mapping[str, Any]) -> Written:
        """Write `model.skops` or `model.pkl`."""
        kind = options.get("serialization_format") or SKOPS
        if kind not in _FORMATS:
            raise UsageError(
                f"there is no serialization format '{kind}'", hint=f"there are {', '.join(_FORMATS)}"
            )
        trusted = options.get("skops_trusted_types")
        file = "model.skops" if kind == SKOPS else "model.pkl"
        if kind == SKOPS:
            _dump_skops(model, folder / file, trusted or ())
        else:
            _dump_pickle(model, folder / file, kind)
        facts = {
            "pickled_model": file,
            "serialization_format": kind,
            "sklearn_version": _version(),
            "skops_trusted_types": list(trusted) if trusted else None,
        }
        method = options.get("pyfunc_predict_fn") or "predict"
        function = {"model_path": file, "predict_fn": method} if hasattr(model, method) else None
        packages = () if kind == PICKLE else (kind,)
        modules = _modules(folder / file) if kind == SKOPS else None
        return Written(facts, function, packages, modules=modules)

    def code(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
        """Pickles are code; so are types in a skops file that the caller did not name."""
        path = _file(folder, facts)
        kind = _kind(facts)
        if kind != SKOPS:
            return (f"'{path.name}' is a {kind}",)
        unknown = sorted(set(_untrusted(path)) - set(options.get("skops_trusted_types") or ()))
        return (f"'{path.name}' has the types {', '.join(unknown)}",) if unknown else ()

    def read(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Load the estimator."""
        del options
        path, kind = _file(folder, facts), _kind(facts)
        _warn_of_version(facts)
        if kind == SKOPS:
            return _skops().load(path, trusted=_untrusted(path))
        if kind == CLOUDPICKLE:
            _cloudpickle()
        with path.open("rb") as stream:
            return pickle.load(stream)  # noqa: S301 - whoever loads it agreed: `code` says what it is

    def wrap(self, model: Any, facts: Mapping[str, Any], function: Mapping[str, Any]) -> Predictor:
        """Predict by the method that it was saved with."""
        del facts
        return _Wrapped(model, str(function.get("predict_fn") or "predict"))


FLAVOR = SklearnFlavor()


def save_model(
    sk_model: Any, path: str | os.PathLike[str], conda_env: Any = None, code_paths: Any = None, *,
    serialization_format: str | None = None, pyfunc_predict_fn: str = "predict",
    skops_trusted_types: Sequence[str] | None = None, **common: Any,
) -> Model:  # fmt: skip
    """Save an estimator of scikit-learn to a folder.

    Args:
        sk_model: The estimator, pipeline or search.
        path: The folder, which must not exist or be empty.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        serialization_format: `skops`, which is data; or `cloudpickle` or `pickle`, which run code
            when they are loaded.
        pyfunc_predict_fn: The method that predicts when it is loaded as `python_function`.
        skops_trusted_types: Types in it that skops does not know to be harmless, and you do.
        common: See `gitml.models.saving.Common`.

    Raises:
        MissingPackageError: skops is not installed.
        UntrustedTypesError: It has types that skops does not know, and you did not name.
    """
    options = {
        "serialization_format": serialization_format,
        "pyfunc_predict_fn": pyfunc_predict_fn,
        "skops_trusted_types": skops_trusted_types,
    }
    common = {"conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.save_model(FLAVOR, sk_model, path, options, common)


def log_model(
    sk_model: Any, artifact_path: str | None = None, conda_env: Any = None, code_paths: Any = None, *,
    serialization_format: str | None = None, pyfunc_predict_fn: str = "predict",
    skops_trusted_types: Sequence[str] | None = None, **common: Any,
) -> ModelInfo:  # fmt: skip
    """Keep an estimator of scikit-learn with the current run.

    Args:
        sk_model: The estimator, pipeline or search.
        artifact_path: The folder among the run's artifacts; `model` if not given.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        serialization_format: As for `save_model`.
        pyfunc_predict_fn: As there.
        skops_trusted_types: As there.
        common: See `Common` and `Place` in `gitml.models.saving`.
    """
    options = {
        "serialization_format": serialization_format,
        "pyfunc_predict_fn": pyfunc_predict_fn,
        "skops_trusted_types": skops_trusted_types,
    }
    given = {"artifact_path": artifact_path, "conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.log_model(FLAVOR, sk_model, options, given)


def load_model(
    model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None, *,
    trust: bool | None = None, skops_trusted_types: Sequence[str] | None = None,
) -> Any:  # fmt: skip
    """Load an estimator of scikit-learn.

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


def _skops() -> Any:
    try:
        import skops.io
    except ModuleNotFoundError as err:
        instead = "serialization_format='cloudpickle' writes a pickle, which runs code when it is loaded"
        raise MissingPackageError("a model in skops' format", "skops", instead=instead) from err
    return skops.io


def _cloudpickle() -> Any:
    try:
        import cloudpickle
    except ModuleNotFoundError as err:
        raise MissingPackageError("a model in cloudpickle's format", "cloudpickle") from err
    return cloudpickle


def _dump_skops(model: Any, path: Path, trusted: Sequence[str]) -> None:
    skops = _skops()
    try:
        skops.dump(model, path)
        types = set(_untrusted(path))
        if types and types <= set(trusted):
            skops.load(path, trusted=sorted(types))  # not all that skops writes can it read
    except Exception as err:
        raise UsageError(
            f"skops can't keep this {type(model).__name__}: {err}",
            hint="serialization_format='cloudpickle' writes a pickle, which runs code when it is loaded",
        ) from err
    if unknown := sorted(types - set(trusted)):
        raise UntrustedTypesError(unknown)


def _dump_pickle(model: Any, path: Path, kind: str) -> None:
    dump = _cloudpickle().dump if kind == CLOUDPICKLE else pickle.dump
    try:
        with path.open("wb") as stream:
            dump(model, stream)
    except (pickle.PicklingError, TypeError, AttributeError) as err:
        raise UsageError(f"{kind} can't write this {type(model).__name__}: {err}") from err


def _untrusted(path: Path) -> list[str]:
    """The types in a skops file that skops does not know to be harmless; nothing of it is run."""
    skops = _skops()
    try:
        return list(skops.get_untrusted_types(file=path))
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as err:
        raise DamagedError(f"'{path.name}' is no file of skops: {err}") from err


def _modules(path: Path) -> frozenset[str]:
    with zipfile.ZipFile(path) as archive:
        return frozenset(name.decode() for name in _MODULE.findall(archive.read("schema.json")))


def _file(folder: Path, facts: Mapping[str, Any]) -> Path:
    return member(folder, "pickled_model", facts.get("pickled_model", "model.pkl"))


def _kind(facts: Mapping[str, Any]) -> str:
    kind = str(facts.get("serialization_format") or PICKLE)
    if kind not in _FORMATS:
        raise DamagedError(f"the model says that it is in the format '{kind:.40}', which nobody knows")
    return kind


def _version() -> str:
    import sklearn

    return str(sklearn.__version__)


def _warn_of_version(facts: Mapping[str, Any]) -> None:
    wanted, here = facts.get("sklearn_version"), _version()
    if wanted is not None and str(wanted) != here:
        warnings.warn(
            f"the model was made with scikit-learn {wanted}, and {here} is installed: "
            f"pip install 'scikit-learn=={wanted}'",
            loading.ModelVersionsWarning,
            stacklevel=5,
        )
