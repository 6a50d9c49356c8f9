"""The files of a module of PyTorch: a program, weights, or a pickle."""

from __future__ import annotations

import importlib
import inspect
import types
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gitml.errors import DamagedError, UsageError
from gitml.models.flavors.pytorch_predicting import evaluating
from gitml.models.flavors.shared import choice, class_name, import_module

PT2, SAFETENSORS, PICKLE = "pt2", "safetensors", "pickle"
FILES: Mapping[str, str] = {PT2: "model.pt2", SAFETENSORS: "model.safetensors", PICKLE: "model.pth"}
_PICKLE_MODULE = "pickle_module_info.txt"
_HINT = (
    "input_example=… makes a program of it; serialization_format='safetensors' with model_init={…} keeps weights; "
    "serialization_format='pickle' writes a pickle, which runs code when it is loaded"
)


class FixedSizeWarning(UserWarning):
    """A program takes inputs of one size only."""


# Examples


def tensors_of(example: Any) -> tuple[Any, ...] | None:
    """Make tensors of an example, one for each argument of the module; None if there is none."""
    import numpy as np
    import pandas as pd
    import torch

    if isinstance(example, tuple) and len(example) == 2 and isinstance(example[1], dict):
        example = example[0]
    if example is None:
        return None
    if isinstance(example, pd.DataFrame):
        example = example.to_numpy(dtype=np.float32)
    several = example if isinstance(example, (list, tuple)) else (example,)
    if several and all(isinstance(one, (np.ndarray, torch.Tensor)) for one in several):
        return tuple(torch.from_numpy(one) if isinstance(one, np.ndarray) else one for one in several)
    return None


def example_to_keep(example: Any) -> Any:
    """Give an example in a form that can be kept: arrays for tensors; None if it is of several arguments."""
    if isinstance(example, (list, tuple)) and any(hasattr(one, "shape") for one in example):
        if len(example) == 1:
            return example_to_keep(example[0])
        if not (len(example) == 2 and isinstance(example[1], dict)):
            return None
        return example_to_keep(example[0]), example[1]
    return example.detach().cpu().numpy() if hasattr(example, "detach") else example


def format_for(model: Any, options: Mapping[str, Any], example: tuple[Any, ...] | None) -> str:
    """Choose how to write a module.

    Raises:
        UsageError: There is no such format, or it can't be written so.
    """
    import torch

    asked = options.get("serialization_format")
    script = isinstance(model, torch.jit.ScriptModule)
    if asked is None:
        if script:
            return PICKLE
        return SAFETENSORS if example is None else PT2
    kind = choice("serialization format", asked, (PT2, SAFETENSORS, PICKLE))
    if script and kind != PICKLE:
        raise UsageError("TorchScript has a format of its own", hint="serialization_format='pickle'")
    if kind == PT2 and example is None:
        raise UsageError(
            "a program is made with an example: an array, a tensor, or a list of them", hint=_HINT
        )
    return kind


# Programs


def write_program(model: Any, path: Path, example: tuple[Any, ...], signature: Any) -> None:
    """Export a module, in the state in which it predicts, and write it.

    Raises:
        UsageError: torch can't export it.
    """
    import copy

    import torch

    cpu = torch.device("cpu")
    if any(one.device != cpu for one in (*model.parameters(), *model.buffers())):
        model = copy.deepcopy(model).to(cpu)  # so that it runs where there is no such device
    inputs = [one.detach().to(cpu) for one in example]
    free = _free_sizes(inputs, signature)
    inputs = [_enlarged(one, sizes) for one, sizes in zip(inputs, free, strict=True)]
    shapes = [dict.fromkeys(sizes, torch.export.Dim.AUTO) or None for sizes in free]
    try:
        with evaluating(model), torch.no_grad():
            program = torch.export.export(model, tuple(inputs), dynamic_shapes=shapes)
    except Exception as err:
        raise UsageError(
            f"torch.export can't make a program of this {class_name(model)}: {err!s:.500}", hint=_HINT
        ) from err
    _forget_places(program)
    _tell_fixed(program, free)
    torch.export.save(program, path)


def _free_sizes(inputs: Sequence[Any], signature: Any) -> list[list[int]]:
    """Say which sizes of each input may vary: those that the signature leaves open, or the first."""
    schema = getattr(signature, "inputs", None)
    specs = list(getattr(schema, "inputs", None) or ())
    shapes = [getattr(one, "shape", None) for one in specs]
    if len(shapes) == len(inputs) and all(shape is not None for shape in shapes):
        return [[axis for axis, size in enumerate(shape or ()) if size == -1] for shape in shapes]
    return [[0] if one.dim() else [] for one in inputs]


def _enlarged(tensor: Any, sizes: Sequence[int]) -> Any:
    """Repeat an input that has one row: torch takes a size of 1 for fixed."""
    for axis in sizes:
        if tensor.shape[axis] == 1:
            tensor = tensor.repeat_interleave(2, dim=axis)
    return tensor


def _forget_places(program: Any) -> None:
    """Take the lines and places of the source out, which are nobody's business."""
    for module in program.graph_module.modules():
        for node in getattr(getattr(module, "graph", None), "nodes", ()):
            node.meta.pop("stack_trace", None)


def _tell_fixed(program: Any, free: Sequence[Sequence[int]]) -> None:
    names = set(program.graph_signature.user_inputs)
    nodes = [node for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    for node, sizes in zip(nodes, free, strict=False):
        fixed = [axis for axis in sizes if isinstance(node.meta["val"].shape[axis], int)]
        if fixed:
            size = node.meta["val"].shape[fixed[0]]
            warnings.warn(
                f"the program takes '{node.name}' only with {size} along axis {fixed[0]}: "
                "the module's code depends on it",
                FixedSizeWarning,
                stacklevel=6,
            )


def read_program(path: Path, device: Any) -> Any:
    """Load a program as a module.

    Raises:
        DamagedError: It is none.
    """
    import torch

    try:
        program = torch.export.load(path)
    except (RuntimeError, ValueError, AssertionError, KeyError) as err:
        raise DamagedError(f"torch can't read '{path.name}': {err!s:.300}") from err
    if device is not None and str(device) != "cpu":
        from torch.export.passes import move_to_device_pass

        program = move_to_device_pass(program, str(device))
    return program.module()


# Weights


def write_weights(model: Any, path: Path, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Write a module's weights; give the facts that it is made anew with.

    Raises:
        UsageError: Its class can't be imported, or makes another module with these keywords.
    """
    safetensors = import_module("safetensors.torch", "weights as safetensors", "safetensors")
    name = class_name(model)
    arguments = dict(given or {})
    if (
        type(model).__module__ == "__main__"
        or "<" in type(model).__qualname__
        or _find_class(name) is not type(model)
    ):
        raise UsageError(
            f"the class '{name}' can't be imported by that name, so the model can't be made of its weights",
            hint="put it in a module: code_paths=['net.py']; or " + _HINT,
        )
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    try:
        fresh = _make(type(model), arguments)
    except TypeError as err:
        raise UsageError(f"'{name}' can't be made with {arguments}: {err}", hint=_HINT) from err
    if {key: tuple(value.shape) for key, value in fresh.state_dict().items()} != wanted:
        raise UsageError(f"'{name}' made with {arguments} has other weights than this one", hint=_HINT)
    try:
        safetensors.save_model(model, str(path))
    except (RuntimeError, ValueError, AttributeError) as err:
        raise UsageError(f"the state of this '{name}' is not only tensors: {err!s:.300}", hint=_HINT) from err
    return {"model_class": name, "model_init": arguments or None}


def read_weights(path: Path, facts: Mapping[str, Any], device: Any) -> Any:
    """Make the module anew and give it its weights.

    Raises:
        DamagedError: The class is no module's, or the weights are not those of it.
    """
    import torch

    safetensors = import_module("safetensors.torch", "weights as safetensors", "safetensors")
    kind = _find_class(str(facts.get("model_class")))
    if not (inspect.isclass(kind) and issubclass(kind, torch.nn.Module)):
        raise DamagedError(f"the model's class '{facts.get('model_class')!s:.120}' is no torch.nn.Module")
    model = _make(kind, dict(facts.get("model_init") or {}))
    try:
        safetensors.load_model(model, str(path), device="cpu")
    except Exception as err:
        raise DamagedError(
            f"'{path.name}' has not the weights of '{class_name(model)}': {err!s:.300}"
        ) from err
    model.eval()
    return model if device is None else model.to(device)


def _find_class(name: str) -> Any:
    """Import a class by its name; None if the module has none of that name."""
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:end])
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as err:
            if end > 1 and err.name is not None and (module == err.name or module.startswith(f"{err.name}.")):
                continue
            raise
        for part in parts[end:]:
            found = getattr(found, part, None)
        return found
    return None


def _make(kind: Any, arguments: Mapping[str, Any]) -> Any:
    """Make a module whose random weights take nothing from the random numbers of the program."""
    import torch

    with torch.random.fork_rng(devices=[]):
        return kind(**arguments)


# Pickles


def write_pickle(model: Any, folder: Path) -> tuple[str, ...]:
    """Write a whole module as a pickle, or a script as TorchScript; give the packages that read it."""
    import torch

    # cloudpickle's are read by pickle, and MLflow finds that by its name everywhere.
    (folder / _PICKLE_MODULE).write_text("pickle", encoding="utf-8")
    path = folder / FILES[PICKLE]
    if isinstance(model, torch.jit.ScriptModule):
        torch.jit.save(model, str(path))
        return ()
    cloudpickle = import_module("cloudpickle", "a pickle of a module", "cloudpickle")
    try:
        torch.save(model, path, pickle_module=_with_unpickler(cloudpickle))
    except Exception as err:
        raise UsageError(f"pickle can't write this {class_name(model)}: {err!s:.300}") from err
    return ("cloudpickle",)


def read_pickle(path: Path, device: Any) -> Any:
    """Load a pickle; whoever asks for that has been asked for trust."""
    import torch

    place = device if device is not None else None if torch.cuda.is_available() else "cpu"
    if _is_script(path):
        model = torch.jit.load(str(path), map_location=place)
    else:
        import_module("cloudpickle", "a pickle of a module", "cloudpickle")
        model = torch.load(path, map_location=place, weights_only=False)
    model.eval()
    return model if device is None else model.to(device)


def _with_unpickler(cloudpickle: Any) -> types.ModuleType:
    """Make the module that torch asks for: one that has a Pickler by the name of it."""
    import pickle

    made = types.ModuleType("cloudpickle")
    made.__dict__.update(vars(pickle))
    made.__dict__.update(
        {"Pickler": cloudpickle.Pickler, "dump": cloudpickle.dump, "dumps": cloudpickle.dumps}
    )
    return made


def _is_script(path: Path) -> bool:
    import zipfile

    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())
