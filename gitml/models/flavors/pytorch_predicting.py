"""Modules of PyTorch as `python_function`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gitml.errors import UsageError

_DEVICE_VARIABLE = "MLFLOW_DEFAULT_PREDICTION_DEVICE"


def default_device(asked: Any) -> Any:
    """Say where to predict: where the caller says, or the variable does, or on the GPU if there is one."""
    import torch

    return asked or os.environ.get(_DEVICE_VARIABLE) or ("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Let a module be in the state in which it predicts, part by part, and put it back."""
    changed = [one for one in model.modules() if one.training]
    for one in changed:
        one.training = False
    try:
        yield
    finally:
        for one in changed:
            one.training = True


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A module that is called with tensors, and gives arrays."""

    model: Any

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Call the module; params are its keywords. Of a table, the numbers as 32-bit floats; gives a table."""
        import numpy as np
        import pandas as pd
        import torch

        if isinstance(data, pd.DataFrame):
            array = data.to_numpy(dtype=np.float32)
        elif isinstance(data, np.ndarray):
            array = data
        else:
            raise UsageError(
                f"a model of PyTorch can't predict a {type(data).__name__}",
                hint="give an array or a table of numbers",
            )
        tensor = torch.from_numpy(np.ascontiguousarray(array)).to(_device_of(self.model))
        with torch.no_grad(), evaluating(self.model):
            found = _arrays(self.model(tensor, **(params or {})))
        return pd.DataFrame(found, index=data.index) if isinstance(data, pd.DataFrame) else found


def _device_of(model: Any) -> Any:
    import itertools

    first = next(itertools.chain(model.parameters(), model.buffers()), None)
    return "cpu" if first is None else first.device


def _arrays(found: Any) -> Any:
    if hasattr(found, "detach"):
        return found.detach().cpu().numpy()
    raise UsageError(
        f"the model gives a {type(found).__name__}, and not one tensor",
        hint="load_model gives the module itself",
    )
