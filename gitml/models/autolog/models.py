"""Models, their data and their signatures, as autologging keeps them."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitml.api.fluent import get_client
from gitml.errors import UsageError
from gitml.models import saving
from gitml.models.autolog.training import Training
from gitml.models.flavor_registry import find_flavor
from gitml.models.flavors.sklearn import UntrustedTypesError

if TYPE_CHECKING:
    from gitml.entities.signature import ModelSignature

EXAMPLE_ROWS = 5
_saving = threading.Lock()  # the libraries that write models don't expect threads


def head(data: Any) -> Any:
    """Copy the first rows of training data, before a training may change them; None of what has no rows."""
    import numpy as np
    import pandas as pd

    if isinstance(data, pd.DataFrame | pd.Series):
        return data.iloc[:EXAMPLE_ROWS].copy(deep=True)
    if isinstance(data, np.ndarray) and data.ndim:
        return data[:EXAMPLE_ROWS].copy()
    if hasattr(data, "tocsr") and hasattr(data, "shape"):
        return data.tocsr()[:EXAMPLE_ROWS].copy()
    if isinstance(data, list) and data:
        return copy.deepcopy(data[:EXAMPLE_ROWS])
    return None


@dataclass(frozen=True, slots=True)
class Blank:
    """What stands for an example where there is none, for the signature only."""

    value: Any


def log_model(
    training: Training, flavor: str, model: Any, name: str = "model", *, example: Any = None,
    predict: Callable[[Any], Any] | None = None, options: Mapping[str, Any] | None = None,
    instead: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Keep a trained model with the training's run, if that is wanted.

    Args:
        training: What made it.
        flavor: Its flavor.
        model: The model.
        name: Its folder; numbered if the run has such a one already.
        example: The first rows of what it was trained with, or a `Blank`.
        predict: What its predictions are made with, for the signature.
        options: What only its flavor takes.
        instead: The options to write it with if it can't be written with those.
    """
    if not training.options.log_models:
        return
    signature = None
    sample, example = (example.value, None) if isinstance(example, Blank) else (example, example)
    if training.options.log_model_signatures and sample is not None and predict is not None:
        signature = training.attempt("the signature", lambda: _signature(sample, predict))
    common: dict[str, Any] = {
        "signature": False if signature is None else signature,
        "registered_model_name": training.options.registered_model_name if name == "model" else None,
    }
    if training.options.log_input_examples and example is not None:
        common["input_example"] = example

    def log() -> None:
        with _saving:
            given = {"artifact_path": _free(training.run_id, name), **common}
            writer, chosen = find_flavor(flavor), dict(options or {})
            try:
                saving.log_model(writer, model, chosen, given)
            except UntrustedTypesError as err:  # named in the model; who loads it decides about them
                saving.log_model(writer, model, {**chosen, "skops_trusted_types": err.types}, given)
            except UsageError:
                if instead is None:
                    raise
                saving.log_model(writer, model, dict(instead), given)

    training.attempt("the model", log)


def _signature(example: Any, predict: Callable[[Any], Any]) -> ModelSignature:
    from gitml.models.signatures.infer import infer_signature

    return infer_signature(example, predict(copy.deepcopy(example)))


def _free(run_id: str, name: str) -> str:
    """Number a folder of a run that has one of that name already: two models don't mix."""
    taken = {entry.path for entry in get_client().list_artifacts(run_id)}
    place, number = name, 1
    while place in taken:
        number += 1
        place = f"{name}-{number}"
    return place


def log_dataset(
    training: Training, features: Any, targets: Any, context: str = "train", name: str | None = None
) -> None:
    """Record what a model is trained or evaluated with, if that is wanted: never its content.

    Args:
        training: The training.
        features: A table or an array; of anything else nothing is recorded.
        targets: What is to be learned, if it is known.
        context: `train` or `eval`.
        name: What to call it.
    """
    if training.options.log_datasets:
        training.attempt(
            "the data set", lambda: _log_dataset(training.run_id, features, targets, context, name)
        )


def _log_dataset(run_id: str, features: Any, targets: Any, context: str, name: str | None) -> None:
    import numpy as np
    import pandas as pd

    from gitml.api.data import Dataset, from_numpy, from_pandas
    from gitml.api.inputs import input_record

    if isinstance(features, pd.DataFrame):
        dataset: Dataset = from_pandas(features, name=name)
    elif isinstance(features, np.ndarray) and features.dtype.kind in "biufc":
        known = isinstance(targets, np.ndarray) and targets.dtype.kind in "biufc"
        dataset = from_numpy(features, targets=targets if known else None, name=name)
    else:
        return
    get_client().writer(run_id).log_input(input_record(dataset, context=context))
