"""The signature and the example of a model that is being saved."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml.entities.model import PYTHON_FUNCTION, Model
from gitml.errors import UsageError
from gitml.models.contract import Flavor, Written

if TYPE_CHECKING:
    from gitml.entities.signature import ModelSignature


class SignatureWarning(UserWarning):
    """The signature of a model could not be found as a whole."""


def describe(
    folder: Path, said: Model, flavor: Flavor, model: Any, written: Written,
    signature: ModelSignature | bool | None, example: Any,
) -> Model:  # fmt: skip
    """Find and add the signature of a model, and keep its example.

    Args:
        folder: The model's folder.
        said: What its `MLmodel` file says so far.
        flavor: How it was written.
        model: The model itself.
        written: What its flavor said.
        signature: The signature, if the caller knows it; False: there is to be none.
        example: An input, or a pair of input and params; None if there is none.

    Raises:
        UsageError: The signature is none, or the example can't be kept.
    """
    from gitml.entities.signature import ModelSignature

    if not (signature is None or signature is False or isinstance(signature, ModelSignature)):
        raise UsageError(
            f"'signature' is a ModelSignature, not {type(signature).__name__}",
            hint="gitml.models.infer_signature(X, model.predict(X)) makes one",
        )
    from_hints = signature is None and written.signature is not None
    found = written.signature if from_hints else signature or None
    if example is not None:
        from gitml.models.examples import save_example

        kept = save_example(folder, example)
        said = replace(said, saved_input_example_info=kept.info)
        if found is None and signature is None and written.python_function is not None:
            found = _by_predicting(said, flavor, model, kept.data, kept.params)
    return replace(said, signature=found, is_signature_from_type_hint=from_hints)


def _by_predicting(said: Model, flavor: Flavor, model: Any, data: Any, params: Any) -> ModelSignature | None:
    """Let the model predict its example: what goes in and comes out is then known."""
    from gitml.entities.signature import ModelSignature
    from gitml.models.signatures.infer import infer_schema, infer_signature
    from gitml.models.signatures.problems import SchemaWarning

    function = said.flavors.get(PYTHON_FUNCTION, {})
    try:
        predictor = flavor.wrap(model, said.flavors.get(flavor.name, {}), function)
        predicted = predictor.predict(data, params)
    except Exception as err:  # noqa: BLE001 - the model's own code can raise anything
        warnings.warn(
            f"the model can't predict its example ({type(err).__name__}: {err}); only the input's form is kept",
            SignatureWarning,
            stacklevel=6,
        )
        return infer_signature(data, None, params)
    known = infer_signature(data, None, params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchemaWarning)  # gaps in what comes out trouble nobody
        outputs = infer_schema(_rows(data, predicted))
    return ModelSignature(known.inputs, outputs, known.params)


def _rows(data: Any, predicted: Any) -> Any:
    """A value for each row of a table is a column, as in MLflow, and not a tensor."""
    import numpy as np
    import pandas as pd

    if isinstance(data, pd.DataFrame) and isinstance(predicted, np.ndarray) and predicted.ndim == 1:
        return pd.Series(predicted)
    return predicted
