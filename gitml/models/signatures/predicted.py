"""The signature of a model that predicts an example of its input."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from gitml.entities.data_type import SignatureError
from gitml.entities.signature import ModelSignature
from gitml.models.signatures.enforce import compile_enforcer, enforce_params
from gitml.models.signatures.infer import ANYTHING, infer_params, infer_schema


def signature_by_predicting(
    data: Any, params: Mapping[str, Any] | None, predict: Callable[[Any, dict[str, Any] | None], Any]
) -> ModelSignature:
    """Find a signature as MLflow does when a model is saved with an example.

    The example passes through its own signature, as an input will later: a dictionary reaches
    the model as a data frame.

    Args:
        data: The input.
        params: Params that came with it.
        predict: The model's own predict, as `pyfunc` calls it; what it raises passes through.

    Raises:
        SignatureError: Nothing can be said of the input.
    """
    inputs = infer_schema(data)
    told = infer_params(params) if params else None
    # A copy: a model may change what it is given.
    predicted = predict(compile_enforcer(inputs)(copy.deepcopy(data)), enforce_params(params, told))
    if not inputs.is_tensor_spec() and _is_row_of_values(predicted):
        import pandas as pd

        predicted = pd.Series(predicted)  # one value for each row: a column, not a tensor
    try:
        outputs = infer_schema(predicted)
    except SignatureError:
        outputs = ANYTHING
    return ModelSignature(inputs, outputs, told)


def _is_row_of_values(value: Any) -> bool:
    return type(value).__module__ == "numpy" and getattr(value, "ndim", 0) == 1
