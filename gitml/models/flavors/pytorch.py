"""PyTorch: programs of `torch.export`, or weights as safetensors and the model's class; pickles if asked for."""

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
from gitml.models.flavors import pytorch_files as files
from gitml.models.flavors.pt2_archive import unsafe_parts
from gitml.models.flavors.pytorch_predicting import Wrapped, default_device
from gitml.models.flavors.shared import NotThisFrameworkError, file_of, import_module, warn_of_version

_DATA = "data"


@dataclass(frozen=True, slots=True)
class PytorchFlavor:
    """Modules of PyTorch."""

    name: str = "pytorch"
    loader_module: str = "mlflow.pytorch"
    packages: tuple[str, ...] = ("torch",)

    def write(self, model: Any, folder: Path, options: Mapping[str, Any]) -> Written:
        """Write `data/model.pt2`, `data/model.safetensors` or `data/model.pth`."""
        torch = import_module("torch", "a model of PyTorch", "torch")
        if not isinstance(model, torch.nn.Module):
            raise NotThisFrameworkError(model, "PyTorch", "give a torch.nn.Module")
        example = files.tensors_of(options.get("input_example"))
        kind = files.format_for(model, options, example)
        (folder / _DATA).mkdir()
        told: dict[str, Any] = {"serialization_format": kind}
        packages: tuple[str, ...] = ()
        if kind == files.PT2 and example is not None:  # without one another format was chosen
            files.write_program(model, folder / _DATA / files.FILES[kind], example, options.get("signature"))
        elif kind == files.SAFETENSORS:
            told |= files.write_weights(model, folder / _DATA / files.FILES[kind], options.get("model_init"))
            packages = ("safetensors",)
        else:
            packages = files.write_pickle(model, folder / _DATA)
        facts = {"model_data": _DATA, "pytorch_version": str(torch.__version__), **told}
        function = {"data": _DATA, "pickle_module_name": "pickle", "config": {"device": None}}
        single = example is None or len(example) == 1
        modules = frozenset(("torch",)) if kind == files.PT2 else None
        return Written(facts, function if single else None, packages, modules=modules)

    def code(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
        """A pickle is code, and so is the class that weights are put into; a program is data if all of it is."""
        del options
        path, kind = _find(folder, facts)
        if kind == files.PT2:
            return unsafe_parts(path)
        if kind == files.SAFETENSORS:
            return (f"it makes an object of the class '{facts.get('model_class')}'",)
        return (f"'{path.name}' is a pickle",)

    def read(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Load the module, ready to predict, on the device that was asked for."""
        path, kind = _find(folder, facts)
        import_module("torch", "a model of PyTorch", "torch")
        warn_of_version("torch", facts.get("pytorch_version"))
        device = options.get("device")
        if "model_config" in options:
            device = default_device((options["model_config"] or {}).get("device"))
        if kind == files.PT2:
            return files.read_program(path, device)
        if kind == files.SAFETENSORS:
            return files.read_weights(path, facts, device)
        return files.read_pickle(path, device)

    def wrap(self, model: Any, facts: Mapping[str, Any], function: Mapping[str, Any]) -> Predictor:
        """Call the module with a tensor."""
        del facts, function
        return Wrapped(model)


FLAVOR = PytorchFlavor()


def _find(folder: Path, facts: Mapping[str, Any]) -> tuple[Path, str]:
    data = file_of(folder, facts, "model_data", _DATA)
    for kind in (files.PICKLE, files.PT2, files.SAFETENSORS):  # the order in which MLflow looks
        name = files.FILES[kind]
        if (data / name).exists():
            return file_of(
                folder, {"model_data": f"{data.relative_to(folder).as_posix()}/{name}"}, "model_data"
            ), kind
    raise DamagedError("the model lacks its file 'model.pt2'", hint="get or save the model anew")


def save_model(
    pytorch_model: Any, path: str | os.PathLike[str], conda_env: Any = None, code_paths: Any = None, *,
    serialization_format: str | None = None, model_init: Mapping[str, Any] | None = None,
    export_model: bool = False, **common: Any,
) -> Model:  # fmt: skip
    """Save a module of PyTorch to a folder.

    Args:
        pytorch_model: The `torch.nn.Module`.
        path: The folder, which must not exist or be empty.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        serialization_format: `pt2`, a program of `torch.export`: data, made with `input_example`;
            `safetensors`, weights, with the name of the model's class, which a module has: MLflow can't
            load that; or `pickle`, which runs code when it is loaded. If not given: `pt2` with an example,
            else `safetensors`; `pickle` for TorchScript.
        model_init: For `safetensors`: the keywords that the class is made with.
        export_model: The same as `serialization_format="pt2"`.
        common: See `gitml.models.saving.Common`; `input_example` may be tensors too.

    Raises:
        UsageError: It is no module, or can't be written in that format.
    """
    options, common = _given(serialization_format, model_init, export_model, common)
    return saving.save_model(
        FLAVOR, pytorch_model, path, options, {"conda_env": conda_env, "code_paths": code_paths, **common}
    )


def log_model(
    pytorch_model: Any, artifact_path: str | None = None, conda_env: Any = None, code_paths: Any = None, *,
    serialization_format: str | None = None, model_init: Mapping[str, Any] | None = None,
    export_model: bool = False, **common: Any,
) -> ModelInfo:  # fmt: skip
    """Keep a module of PyTorch with the current run.

    Args:
        pytorch_model: The `torch.nn.Module`.
        artifact_path: The folder among the run's artifacts; `model` if not given.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        serialization_format: As for `save_model`.
        model_init: As there.
        export_model: As there.
        common: See `Common` and `Place` in `gitml.models.saving`.
    """
    options, common = _given(serialization_format, model_init, export_model, common)
    given = {"artifact_path": artifact_path, "conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.log_model(FLAVOR, pytorch_model, options, given)


def load_model(
    model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None, *,
    trust: bool | None = None, device: Any = None,
) -> Any:  # fmt: skip
    """Load a module of PyTorch, in the state in which it predicts.

    Args:
        model_uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `models:/NAME/Production`, `NAME@v3` …
        dst_path: The folder to copy its files to.
        trust: Whether code in it may run; see `gitml.models.trust`.
        device: Where to put it; where it was, or on the CPU if that isn't here, if not given.

    Raises:
        NotFoundError: There is no such model, or it is of another framework.
        UntrustedModelError: It would run code, and nothing vouches for it.
    """
    return loading.load_native(
        FLAVOR.name, model_uri, dst_path=dst_path, trust=trust, options={"device": device}
    )


def _given(
    kind: str | None, model_init: Mapping[str, Any] | None, export_model: bool, common: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    if export_model and kind not in (None, files.PT2):
        raise UsageError(f"'export_model' can't go with serialization_format='{kind}'", hint="leave it out")
    example = common.get("input_example")
    options = {
        "serialization_format": files.PT2 if export_model else kind,
        "model_init": model_init,
        "input_example": example,
        "signature": common.get("signature"),
    }
    return options, {**common, "input_example": files.example_to_keep(example)}
