"""ONNX: graphs, which are data; ONNX Runtime predicts with them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.entities.model import Model, ModelInfo
from gitml.errors import DamagedError, UsageError
from gitml.models import loading, saving
from gitml.models.contract import Predictor, Written
from gitml.models.directory import member
from gitml.models.flavors.shared import (
    NotThisFrameworkError,
    file_of,
    import_module,
    installed_as,
    warn_of_version,
)

_FILE, _DATA = "model.onnx", "model.onnx.data"
_INLINE_BYTES = 1 << 30  # protobuf ends at 2 GiB
_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
_CPU = "CPUExecutionProvider"
_OPTIONS = ("inter_op_num_threads", "intra_op_num_threads")
_MODES = {"SEQUENTIAL": "ORT_SEQUENTIAL", "PARALLEL": "ORT_PARALLEL"}
_FLOATS = {"tensor(float)": "float32", "tensor(float16)": "float16"}


class ProviderWarning(UserWarning):
    """A model is to run on hardware that this ONNX Runtime does not know."""


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """A session of ONNX Runtime as `python_function`."""

    session: Any

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Run the graph: a dictionary of arrays, by output; of a table, a table."""
        import numpy as np
        import pandas as pd

        del params
        inputs = {one.name: one.type for one in self.session.get_inputs()}
        outputs = [one.name for one in self.session.get_outputs()]
        feed = {name: _cast(value, inputs.get(name)) for name, value in _feed(data, list(inputs)).items()}
        found = dict(zip(outputs, self.session.run(outputs, feed), strict=True))
        if not isinstance(data, pd.DataFrame):
            return found
        return pd.DataFrame({name: np.asarray(value).reshape(-1) for name, value in found.items()})


@dataclass(frozen=True, slots=True)
class OnnxFlavor:
    """Models in the ONNX format, whatever made them."""

    name: str = "onnx"
    loader_module: str = "mlflow.onnx"

    @property
    def packages(self) -> tuple[str, ...]:
        """ONNX, and the build of ONNX Runtime that is here."""
        return ("onnx", installed_as("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml"))

    def write(self, model: Any, folder: Path, options: Mapping[str, Any]) -> Written:
        """Write `model.onnx`, and the weights of a large model beside it."""
        onnx = import_module("onnx", "a model of ONNX", "onnx")
        if not isinstance(model, onnx.ModelProto):
            raise NotThisFrameworkError(model, "ONNX", "give an onnx.ModelProto, as onnx.load gives it")
        apart = options.get("save_as_external_data")
        if apart if apart is not None else model.ByteSize() > _INLINE_BYTES:
            copied = onnx.ModelProto()
            copied.CopyFrom(model)  # writing moves the weights out of it
            onnx.save_model(copied, str(folder / _FILE), save_as_external_data=True, location=_DATA)
        else:
            onnx.save_model(model, str(folder / _FILE))
        facts = {
            "data": _FILE,
            "onnx_version": str(onnx.__version__),
            "onnx_session_options": _checked(options.get("onnx_session_options")),
            "providers": list(options.get("onnx_execution_providers") or _PROVIDERS),
        }
        return Written(facts, {"data": _FILE}, modules=frozenset(("onnx",)))

    def code(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
        """None: graphs are data, and operators of others are loaded by nobody here."""
        del options
        file_of(folder, facts, "data", _FILE)
        return ()

    def read(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Load the graph; for `python_function`, a session that runs it, without reading it twice."""
        path = file_of(folder, facts, "data", _FILE)
        onnx = import_module("onnx", "a model of ONNX", "onnx")
        warn_of_version("onnx", facts.get("onnx_version"))
        try:
            graph = onnx.load(str(path), load_external_data=False)
            _check_places(onnx, graph, folder, path)
            if "model_config" in options:
                return _session(str(path), facts)
            onnx.load_external_data_for_model(graph, str(path.parent))
            onnx.checker.check_model(str(path))
        except (onnx.checker.ValidationError, ValueError, _decode_error()) as err:
            raise DamagedError(f"'{path.name}' is no model of ONNX: {err!s:.300}") from err
        return graph

    def wrap(self, model: Any, facts: Mapping[str, Any], function: Mapping[str, Any]) -> Predictor:
        """Run it with ONNX Runtime."""
        del function
        if not hasattr(model, "get_inputs"):
            model = _session(model.SerializeToString(), facts)
        return _Wrapped(model)


FLAVOR = OnnxFlavor()


# Data


def _feed(data: Any, names: Sequence[str]) -> dict[str, Any]:
    """Say which input each part of the data is."""
    import numpy as np
    import pandas as pd

    if isinstance(data, dict):
        return dict(data)
    if isinstance(data, pd.DataFrame) and len(names) > 1:
        missing = [name for name in names if name not in data.columns]
        if missing:
            raise UsageError(
                f"the model has the inputs {', '.join(names)}; the table lacks {', '.join(missing)}"
            )
        return {name: data[name].to_numpy() for name in names}
    if isinstance(data, pd.DataFrame):
        return {names[0]: data.to_numpy()}
    if isinstance(data, np.ndarray) and len(names) == 1:
        return {names[0]: data}
    raise UsageError(
        f"a model of ONNX with the inputs {', '.join(names)} can't predict a {type(data).__name__}",
        hint="give a dictionary of arrays by input, or a table",
    )


def _cast(value: Any, kind: str | None) -> Any:
    import numpy as np

    array = np.asarray(value)
    wanted = _FLOATS.get(kind or "")
    return array.astype(wanted) if wanted is not None and array.dtype == np.float64 else array


# Running


def _session(model: str | bytes, facts: Mapping[str, Any]) -> Any:
    runtime = import_module("onnxruntime", "predicting with a model of ONNX", "onnxruntime")
    listed = facts.get("providers") or _PROVIDERS
    wanted = (
        [listed]
        if isinstance(listed, str)
        else [tuple(one) if isinstance(one, list) else one for one in listed]
    )
    there = runtime.get_available_providers()
    usable = [one for one in wanted if _provider(one) in there]
    lacking = [_provider(one) for one in wanted if _provider(one) not in there]
    if lacking and not usable:
        warnings.warn(
            f"the model is to run on {', '.join(lacking)}, which this ONNX Runtime does not have; the CPU runs it",
            ProviderWarning,
            stacklevel=4,
        )
    settings = _settings(runtime, facts.get("onnx_session_options") or {})
    usable = usable or [_CPU]
    try:
        return runtime.InferenceSession(model, sess_options=settings, providers=usable)
    except Exception as err:  # they have no class in common
        if usable != [_CPU]:
            told = {**facts, "providers": [_CPU]}
            warnings.warn(
                f"the model can't run on {_provider(usable[0])}, the CPU runs it: {err!s:.200}",
                ProviderWarning,
                stacklevel=4,
            )
            return _session(model, told)
        raise DamagedError(f"ONNX Runtime can't load the model: {err!s:.300}") from err


def _provider(one: Any) -> str:
    return str(one[0] if isinstance(one, tuple) else one)


def _settings(runtime: Any, told: Mapping[str, Any]) -> Any:
    settings = runtime.SessionOptions()
    for name in _OPTIONS:
        if told.get(name):
            setattr(settings, name, int(told[name]))
    if told.get("execution_mode"):
        mode = _MODES[str(told["execution_mode"]).upper()]
        settings.execution_mode = getattr(runtime.ExecutionMode, mode)
    if told.get("graph_optimization_level") is not None:
        level = runtime.GraphOptimizationLevel(told["graph_optimization_level"])
        settings.graph_optimization_level = level
    for name, value in (told.get("extra_session_config") or {}).items():
        settings.add_session_config_entry(str(name), str(value))
    return settings


def _checked(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Check what a session is told, before it is written."""
    if not told:
        return None
    known = (*_OPTIONS, "execution_mode", "graph_optimization_level", "extra_session_config")
    unknown = [name for name in told if name not in known]
    if unknown:
        raise UsageError(f"there is no session option '{unknown[0]}'", hint=f"there are {', '.join(known)}")
    if told.get("execution_mode") and str(told["execution_mode"]).upper() not in _MODES:
        raise UsageError("'execution_mode' is 'sequential' or 'parallel'")
    return dict(told)


# Reading


def _check_places(onnx: Any, graph: Any, folder: Path, path: Path) -> None:
    """See that weights that are kept apart are files of the model."""
    base = path.parent.relative_to(folder).as_posix()
    for tensor in onnx.external_data_helper._get_all_tensors(graph):  # noqa: SLF001 - no public name for it
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            places = {entry.key: entry.value for entry in tensor.external_data}
            place = places.get("location", "")
            member(folder, f"the weights '{tensor.name}'", place if base == "." else f"{base}/{place}")


def _decode_error() -> type[Exception]:
    from google.protobuf.message import DecodeError

    return DecodeError  # type: ignore[no-any-return, unused-ignore]


def save_model(
    onnx_model: Any, path: str | os.PathLike[str], conda_env: Any = None, code_paths: Any = None, *,
    onnx_execution_providers: Sequence[Any] | None = None,
    onnx_session_options: Mapping[str, Any] | None = None, save_as_external_data: bool | None = None,
    **common: Any,
) -> Model:  # fmt: skip
    """Save a model of ONNX to a folder.

    Args:
        onnx_model: The `onnx.ModelProto`.
        path: The folder, which must not exist or be empty.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        onnx_execution_providers: What may run it, the best first; CUDA or else the CPU if not given.
        onnx_session_options: How: `inter_op_num_threads`, `intra_op_num_threads`, `execution_mode`,
            `graph_optimization_level`, `extra_session_config`.
        save_as_external_data: Whether weights are in a file of their own; above 1 GiB if not given.
        common: See `gitml.models.saving.Common`.

    Raises:
        UsageError: It is no model of ONNX.
    """
    options = _given(onnx_execution_providers, onnx_session_options, save_as_external_data)
    given = {"conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.save_model(FLAVOR, onnx_model, path, options, given)


def log_model(
    onnx_model: Any, artifact_path: str | None = None, conda_env: Any = None, code_paths: Any = None, *,
    onnx_execution_providers: Sequence[Any] | None = None,
    onnx_session_options: Mapping[str, Any] | None = None, save_as_external_data: bool | None = None,
    **common: Any,
) -> ModelInfo:  # fmt: skip
    """Keep a model of ONNX with the current run.

    Args:
        onnx_model: The `onnx.ModelProto`.
        artifact_path: The folder among the run's artifacts; `model` if not given.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        onnx_execution_providers: As for `save_model`.
        onnx_session_options: As there.
        save_as_external_data: As there.
        common: See `Common` and `Place` in `gitml.models.saving`.
    """
    options = _given(onnx_execution_providers, onnx_session_options, save_as_external_data)
    given = {"artifact_path": artifact_path, "conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.log_model(FLAVOR, onnx_model, options, given)


def load_model(
    model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None, *,
    trust: bool | None = None,
) -> Any:  # fmt: skip
    """Load a model of ONNX, as an `onnx.ModelProto`.

    Args:
        model_uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `models:/NAME/Production`, `NAME@v3` …
        dst_path: The folder to copy its files to.
        trust: Whether code that it brings along may run; see `gitml.models.trust`.

    Raises:
        NotFoundError: There is no such model, or it is of another framework.
        DamagedError: The graph can't be read, or names files that are not the model's.
    """
    return loading.load_native(FLAVOR.name, model_uri, dst_path=dst_path, trust=trust)


def _given(providers: Any, settings: Any, apart: Any) -> dict[str, Any]:
    return {
        "onnx_execution_providers": providers,
        "onnx_session_options": settings,
        "save_as_external_data": apart,
    }
