"""Python models: classes and functions, as pickles or as code; and modules that load what they wrote."""

from __future__ import annotations

import importlib
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.entities.model import PYTHON_FUNCTION, Model, ModelInfo
from gitml.entities.signature import ModelSignature, SignatureError
from gitml.errors import NotFoundError, UsageError
from gitml.models import saving
from gitml.models.contract import Predictor, Written
from gitml.models.describing import SignatureWarning
from gitml.models.directory import member
from gitml.models.pyfunc import pickling
from gitml.models.pyfunc.code_model import read_config, run_file
from gitml.models.pyfunc.loading import load_function
from gitml.models.pyfunc.model import PyFuncModel
from gitml.models.pyfunc.python_model import FunctionModel, PythonModel, PythonModelContext, call
from gitml.tracking.secrets import strip_url_credentials

_PICKLE_LOADER, _CODE_LOADER = "mlflow.pyfunc.model", "mlflow.pyfunc.loaders.code_model"
_PICKLE = "python_model.pkl"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A Python model with its context.

    Attributes:
        model: The model.
        context: Where its files are, and its configuration.
    """

    model: Any
    context: PythonModelContext

    @property
    def model_config(self) -> Mapping[str, Any] | None:
        """Its configuration, if it has one."""
        return self.context.model_config

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Call its `predict` with what that takes."""
        return call(self.model.predict, self.context, data, params)

    def predict_stream(self, data: Any, params: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Call its `predict_stream` with what that takes."""
        yield from call(self.model.predict_stream, self.context, data, params)

    def fit(self, data: Any) -> Any:
        """Give data the form that its type hints say."""
        from gitml.models.signatures.hint_values import fit_hint

        hint = self.model.predict_type_hints.input
        return data if hint is None else fit_hint(data, hint)

    def unwrap(self) -> Any:
        """Give what the user wrote."""
        return self.model.func if isinstance(self.model, FunctionModel) else self.model


@dataclass(frozen=True, slots=True)
class PyfuncFlavor:
    """`python_function` by itself."""

    name: str = PYTHON_FUNCTION
    loader_module: str = _PICKLE_LOADER
    packages: tuple[str, ...] = ()

    def write(self, model: Any, folder: Path, options: Mapping[str, Any]) -> Written:
        """Write a pickle, a file of code, or data for a loader module."""
        config = options.get("model_config")
        facts: dict[str, Any] = {} if config is None else {"config": read_config(config)}
        if options.get("loader_module") is not None:
            return _write_data(folder, options, facts)
        if model is None:
            raise UsageError(
                "give 'python_model' or 'loader_module'",
                hint="python_model=MyModel(), a function, or 'model.py'",
            )
        artifacts = _copy_artifacts(options.get("artifacts") or {}, folder)
        if artifacts:
            facts["artifacts"] = artifacts
        if isinstance(model, str | Path):
            source = Path(model)
            python_model = _from_file(source, facts.get("config"))
            shutil.copy(source, folder / source.name)
            facts |= {"loader_module": _CODE_LOADER, "model_code_path": source.name}
            packages: tuple[str, ...] = ()
        else:
            python_model = as_python_model(model)
            version = pickling.dump(python_model, folder / _PICKLE)
            facts |= {"python_model": _PICKLE, "cloudpickle_version": version}
            packages = ("cloudpickle",)
        facts["streamable"] = _can_stream(python_model, options.get("streamable"))
        return Written(facts, packages=packages, signature=_signature_of(python_model))

    def code(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
        """All of it is code."""
        del options
        loader = str(facts.get("loader_module"))
        if "model_code_path" in facts:
            return (f"'{_code_file(folder, facts).name}' is Python code",)
        if "python_model" in facts:
            return (f"'{member(folder, 'python_model', facts['python_model']).name}' is a cloudpickle",)
        return (f"the module '{loader}' loads it",)

    def read(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Load the model, and what it loads when it gets its context."""
        config = _config(facts, options.get("model_config"))
        if "model_code_path" in facts:
            python_model = as_python_model(run_file(_code_file(folder, facts), config))
        elif "python_model" in facts:
            path = member(folder, "python_model", facts["python_model"])
            python_model = pickling.load(path, facts.get("python_model_compression"))
        else:
            return _read_data(folder, facts, config)
        artifacts = {
            str(name): str(member(folder, f"artifacts.{name}", told.get("path")))
            for name, told in (facts.get("artifacts") or {}).items()
        }
        context = PythonModelContext(artifacts, config)
        python_model.load_context(context)
        return Loaded(python_model, context)

    def wrap(self, model: Any, facts: Mapping[str, Any], function: Mapping[str, Any]) -> Predictor:
        """Give what predicts: that is loaded already, or is the object that was just saved."""
        if isinstance(model, Loaded):
            return model
        if "python_model" not in facts and "model_code_path" not in facts:
            return _Foreign(model, str(function.get("predict_fn") or "predict"))
        if isinstance(model, str | Path):
            model = _from_file(Path(model), facts.get("config"))
        return Loaded(as_python_model(model), PythonModelContext({}, facts.get("config")))


@dataclass(frozen=True, slots=True)
class _Foreign:
    """What a loader module gave."""

    model: Any
    method: str

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Call its method; params only where there are any, since old loaders take none."""
        method = getattr(self.model, self.method)
        return method(data, params=params) if params else method(data)


FLAVOR = PyfuncFlavor()


def as_python_model(model: Any) -> Any:
    """Give what has a `predict`; a function becomes a model of it.

    Raises:
        UsageError: It is no model.
    """
    if isinstance(model, type):
        raise UsageError(
            f"'{model.__name__}' is a class, not a model", hint=f"python_model={model.__name__}()"
        )
    if hasattr(model, "predict") and hasattr(model, "load_context"):
        return model
    if callable(model):
        return FunctionModel(model)
    raise UsageError(
        f"a {type(model).__name__} is no PythonModel and no function",
        hint="derive it from gitml.pyfunc.PythonModel",
    )


# Writing


def _from_file(source: Path, config: Mapping[str, Any] | None) -> Any:
    if source.suffix != ".py" or not source.is_file():
        raise NotFoundError(
            f"there is no file of code '{source}'", hint="python_model is a model, a function, or a .py file"
        )
    return as_python_model(run_file(source, config))


def _write_data(folder: Path, options: Mapping[str, Any], facts: dict[str, Any]) -> Written:
    if options.get("artifacts"):
        raise UsageError("'artifacts' go with 'python_model', not with 'loader_module'", hint="use data_path")
    facts["loader_module"] = str(options["loader_module"])
    data = options.get("data_path")
    if data is not None:
        source = Path(data)
        target = folder / "data" / source.name
        target.parent.mkdir()
        _copy(source, target)
        facts["data"] = f"data/{source.name}"
    return Written(facts)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.is_file():
        shutil.copyfile(source, target)
    else:
        raise NotFoundError(f"there is no file or folder '{source}'")


def _copy_artifacts(given: Mapping[Any, Any], folder: Path) -> dict[str, dict[str, str]]:
    """Copy files into the model, and say where they came from, without what is nobody's business."""
    found: dict[str, dict[str, str]] = {}
    taken: set[str] = set()
    for name, uri in given.items():
        if not isinstance(name, str) or not isinstance(uri, str | Path):
            raise UsageError(
                "'artifacts' says for each name which file it is", hint="{'vocabulary': 'words.txt'}"
            )
        source = _fetched(str(uri))
        base = source.resolve().name
        path = f"artifacts/{base}" if base not in taken else f"artifacts/{len(taken)}/{base}"
        taken.add(base)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        _copy(source, folder / path)
        found[name] = {"path": path, "uri": _public(str(uri))}
    return found


def _fetched(uri: str) -> Path:
    if "://" in uri and not uri.startswith("file:"):
        raise UsageError(
            f"'{strip_url_credentials(uri)}' is not a file here", hint="download it first, and give its path"
        )
    from gitml.api.artifacts import download_artifacts

    return Path(download_artifacts(uri))


def _public(uri: str) -> str:
    """What is told of where a file came from: no place on this machine."""
    if uri.startswith(("runs:/", "models:/")):
        return strip_url_credentials(uri)
    return os.path.basename(uri.rstrip("/")) if os.path.isabs(uri) or uri.startswith("file:") else uri


def _can_stream(model: Any, asked: bool | None) -> bool:
    if asked is not None:
        return bool(asked)
    own = getattr(type(model), "predict_stream", None)
    return own is not None and own is not PythonModel.predict_stream


def _signature_of(model: Any) -> ModelSignature | None:
    """What the type hints of a model say that goes in and comes out; None if they say nothing."""
    from gitml.models.signatures.hints import says_columns, schema_of_hint, schema_of_output_hint

    hints = getattr(model, "predict_type_hints", None)
    if hints is None or hints.input is None or not says_columns(hints.input):
        return None
    try:
        inputs = schema_of_hint(hints.input)
    except SignatureError as err:
        warnings.warn(f"the type hints of the model say nothing: {err}", SignatureWarning, stacklevel=6)
        return None
    try:
        outputs = schema_of_output_hint(hints.output) if hints.output is not None else None
    except SignatureError:  # what comes out is not held against anything
        outputs = None
    return ModelSignature(inputs, outputs)


# Reading


def _code_file(folder: Path, facts: Mapping[str, Any]) -> Path:
    # MLflow writes where the file was when it was saved; it is in the model by its name.
    name = str(facts.get("model_code_path")).replace("\\", "/").rpartition("/")[2]
    return member(folder, "model_code_path", name)


def _config(facts: Mapping[str, Any], given: Mapping[str, Any] | str | Path | None) -> dict[str, Any] | None:
    own = facts.get("config")
    if isinstance(own, str):  # a file, as older releases of MLflow have it
        own = None
    if own is None and given is None:
        return None
    return {**(own or {}), **(read_config(given) if given is not None else {})}


def _read_data(folder: Path, facts: Mapping[str, Any], config: Mapping[str, Any] | None) -> Any:
    loader = str(facts.get("loader_module"))
    data = member(folder, "data", facts["data"]) if facts.get("data") is not None else folder
    module = importlib.import_module(loader)
    load = getattr(module, "_load_pyfunc", None)
    if load is None:
        raise UsageError(
            f"the module '{loader}' has no function '_load_pyfunc'", hint="it loads the model's data"
        )
    return load(str(data), dict(config)) if config else load(str(data))


# What users call


def save_model(
    path: str | os.PathLike[str], loader_module: str | None = None, data_path: str | os.PathLike[str] | None = None,
    code_paths: Any = None, *, python_model: Any = None, artifacts: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | str | Path | None = None, streamable: bool | None = None, **common: Any,
) -> Model:  # fmt: skip
    """Save a Python model to a folder.

    Args:
        path: The folder, which must not exist or be empty.
        loader_module: A module whose `_load_pyfunc(data_path)` gives an object with `predict`; or
        data_path: and the file or folder that it reads.
        code_paths: See `gitml.models.saving.Common`, as for all that is not listed here.
        python_model: A `PythonModel`, a function, or a file of code that ends with `set_model`.
        artifacts: Files that it needs: name to path, `runs:/…` or `models:/…`.
        model_config: Its configuration: a mapping, or a YAML file.
        streamable: Whether it can `predict_stream`; seen from its class if not given.
        common: See `gitml.models.saving.Common`.

    Raises:
        UsageError: It is no model.
        MissingPackageError: cloudpickle is not installed.
    """
    options = _options(loader_module, data_path, artifacts, model_config, streamable)
    return saving.save_model(FLAVOR, python_model, path, options, {"code_paths": code_paths, **common})


def log_model(
    artifact_path: str | None = None, loader_module: str | None = None,
    data_path: str | os.PathLike[str] | None = None, code_paths: Any = None, *, python_model: Any = None,
    artifacts: Mapping[str, Any] | None = None, model_config: Mapping[str, Any] | str | Path | None = None,
    streamable: bool | None = None, **common: Any,
) -> ModelInfo:  # fmt: skip
    """Keep a Python model with the current run.

    Args:
        artifact_path: The folder among the run's artifacts; `model` if not given.
        loader_module: As for `save_model`, as all that follows.
        data_path: As there.
        code_paths: As there.
        python_model: As there.
        artifacts: As there.
        model_config: As there.
        streamable: As there.
        common: See `Common` and `Place` in `gitml.models.saving`.
    """
    options = _options(loader_module, data_path, artifacts, model_config, streamable)
    given = {"artifact_path": artifact_path, "code_paths": code_paths, **common}
    return saving.log_model(FLAVOR, python_model, options, given)


def _options(loader: Any, data: Any, artifacts: Any, config: Any, streamable: Any) -> dict[str, Any]:
    return {
        "loader_module": loader,
        "data_path": data,
        "artifacts": artifacts,
        "model_config": config,
        "streamable": streamable,
    }


def load_model(
    model_uri: str | os.PathLike[str], suppress_warnings: bool = False,
    dst_path: str | os.PathLike[str] | None = None, model_config: Mapping[str, Any] | str | Path | None = None, *,
    trust: bool | None = None,
) -> PyFuncModel:  # fmt: skip
    """Load any model that predicts, whatever it was made with.

    Args:
        model_uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `models:/NAME/Production`, `NAME@v3` …
        suppress_warnings: Whether nothing is said of packages that are not those that it was made with.
        dst_path: The folder to copy its files to.
        model_config: Values that stand over those of the model's own configuration.
        trust: Whether code in it may run; see `gitml.models.trust`.

    Raises:
        NotFoundError: There is no such model, or it can't predict.
        UntrustedModelError: It would run code, and nothing vouches for it.
        MissingPackageError: A package that it needs is not installed.
    """
    config = None if model_config is None else read_config(model_config)
    return load_function(
        model_uri, dst_path=dst_path, trust=trust, quiet=suppress_warnings, model_config=config
    )  # fmt: skip
