"""Letting whatever was given as a model predict: classes or values, and chances if it knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitml.errors import UsageError
from gitml.models.pyfunc.model import PyFuncModel

# Models after scikit-learn's manner, which tell classes and chances apart.
_LIKE_SKLEARN = ("mlflow.catboost", "mlflow.lightgbm", "mlflow.sklearn", "mlflow.xgboost")


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a model made of the inputs.

    Attributes:
        values: A class or a number for each.
        chances: A chance for each class, in the order of `classes`; None if the model knows none.
        classes: The classes that the model knows; None if it does not say.
        others: What else came out, by name.
    """

    values: Any
    chances: Any = None
    classes: Any = None
    others: Any = None


def load(model: Any, model_config: Mapping[str, Any] | None, trust: bool | None) -> Any:
    """Get what predicts: load a URI, take anything else as it is.

    Args:
        model: A URI, a loaded model, a function.
        model_config: What a model that is loaded is told.
        trust: Whether code in it may run; see `gitml.models.trust`.

    Raises:
        UsageError: It can't predict.
    """
    if model is None:
        return None
    if isinstance(model, str):
        from gitml.models.pyfunc.loading import load_function

        return load_function(model, trust=trust, model_config=model_config)
    if isinstance(model, PyFuncModel) or hasattr(model, "predict") or callable(model):
        return model
    raise UsageError(
        f"{type(model).__name__} is no model",
        hint="give a URI, a loaded model, a function, or None and 'predictions'",
    )


def predict(model: Any, inputs: Any, column: str | None, params: Mapping[str, Any] | None) -> Predicted:
    """Predict.

    Args:
        model: What `load` gave.
        inputs: What goes in.
        column: The column of what comes out that is the prediction, if there are several.
        params: What the prediction is told besides.

    Raises:
        UsageError: What comes out has several columns, and none was named.
    """
    native = _native(model)
    if (
        native is not None
        and not params
        and (hasattr(native, "predict_proba") or _loader(model) == "mlflow.sklearn")
    ):
        chances = native.predict_proba(_copy(inputs)) if hasattr(native, "predict_proba") else None
        values = native.predict(_copy(inputs))
        return Predicted(_flat(values), chances, getattr(native, "classes_", None))
    if isinstance(model, PyFuncModel):
        found = model.predict(_copy(inputs), params)
    elif hasattr(model, "predict"):
        found = model.predict(_copy(inputs))
    else:
        found = model(_copy(inputs))
    values, others = _chosen(found, column)
    return Predicted(_flat(values), others=others)


def score(model: Any, inputs: Any, targets: Any, weights: Any) -> float | None:
    """Let an estimator of scikit-learn say how good it is; None if it can't."""
    native = _native(model)
    if native is None or _loader(model) not in {"mlflow.sklearn", None} or not hasattr(native, "score"):
        return None
    weighted = {} if weights is None else {"sample_weight": weights}
    return float(native.score(_copy(inputs), targets, **weighted))


def _native(model: Any) -> Any:
    if isinstance(model, PyFuncModel):
        return model.native if model.loader_module in _LIKE_SKLEARN else None
    return model if hasattr(model, "predict") and hasattr(model, "get_params") else None


def _loader(model: Any) -> str | None:
    return model.loader_module if isinstance(model, PyFuncModel) else None


def _copy(inputs: Any) -> Any:
    """A model may change what it gets."""
    return inputs.copy()


def _flat(values: Any) -> Any:
    import numpy as np

    found = np.asarray(values)
    return found.reshape(-1) if found.ndim == 2 and found.shape[1] == 1 else found


def _chosen(found: Any, column: str | None) -> tuple[Any, Any]:
    """Find the predictions among what came out."""
    import pandas as pd

    if isinstance(found, list) and found and all(isinstance(one, dict) for one in found):
        found = pd.DataFrame(found)
    if isinstance(found, Mapping):
        found = pd.DataFrame(dict(found))
    if not isinstance(found, pd.DataFrame):
        return found, None
    name = column if column is not None else found.columns[0] if len(found.columns) == 1 else None
    if name not in found.columns:
        there = ", ".join(map(str, found.columns[:20]))
        raise UsageError(
            f"the model gives several columns ({there})"
            if name is None
            else f"the model gives no column '{name}'",
            hint=f"name the prediction: predictions='{found.columns[0]}'",
        )
    return found[name], found.drop(columns=[name])
