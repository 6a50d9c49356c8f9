"""Estimators of scikit-learn on bare arrays, where that gives the same as on tables.

Most of what one row costs in scikit-learn is looking at a table's column names and types. Whoever
serves knows both already. An estimator that looks at nothing but numbers gets an array; whether the
predictions are the same is tried before it is used.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from gitml.models.pyfunc.model import PyFuncModel

_NAMES = "feature_names_in_"
_PROBES = 7


def on_matrices(
    model: PyFuncModel, names: Sequence[Any], dtype: np.dtype[Any]
) -> Callable[[Any], Any] | None:
    """Give a function that predicts from an array what the model does from a table of it.

    Args:
        model: The model.
        names: The columns, in the order of the signature.
        dtype: Their type.

    Returns:
        The function; None where there is none that is sure to give the same.
    """
    from gitml.entities.model import PYTHON_FUNCTION

    if model.loader_module != "mlflow.sklearn":
        return None
    method = str(model.metadata.flavors[PYTHON_FUNCTION].get("predict_fn") or "predict")
    bare = _without_names(model.native, list(names))
    predict: Callable[[Any], Any] | None = getattr(bare, method, None) if bare is not None else None
    return predict if predict is not None and _is_same(model, predict, names, dtype) else None


def _without_names(estimator: Any, names: list[Any] | None) -> Any:
    """Copy an estimator so that it does not ask for names of columns; None if it may need them."""
    kind = type(estimator)
    if not kind.__module__.startswith("sklearn.") or hasattr(estimator, "_sklearn_output_config"):
        return None
    known = getattr(estimator, _NAMES, None)
    if names is not None and known is not None and list(known) != names:
        return None
    if kind.__name__ == "Pipeline" and kind.__module__ == "sklearn.pipeline":
        return _pipeline(estimator)
    if any(_is_more_than_a_value(value) for value in estimator.get_params(deep=False).values()):
        return None
    bare = copy.copy(estimator)
    bare.__dict__.pop(_NAMES, None)
    return bare


def _pipeline(pipeline: Any) -> Any:
    steps = []
    for name, step in pipeline.steps:
        bare = step if isinstance(step, str) or step is None else _without_names(step, None)
        if bare is None and step is not None:
            return None
        steps.append((name, bare))
    made = copy.copy(pipeline)
    made.steps = steps
    return made


def _is_more_than_a_value(value: Any) -> bool:
    """Whether a parameter is an estimator, a function, or a list with one in it."""
    if isinstance(value, list | tuple):
        return any(map(_is_more_than_a_value, value))
    return hasattr(value, "fit") or callable(value)


def _is_same(
    model: PyFuncModel, predict: Callable[[Any], Any], names: Sequence[Any], dtype: np.dtype[Any]
) -> bool:
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(0)
    scale = np.logspace(-2, 3, _PROBES)[:, None]
    rows = np.concatenate([random.standard_normal((_PROBES, len(names))) * scale, np.zeros((1, len(names)))])
    rows = rows.astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wanted = model.predict_fitted(pd.DataFrame(rows, columns=list(names)), None)
            got = predict(rows)
        except Exception:  # noqa: BLE001 - whatever it dislikes: then it gets tables
            return False
    return type(got) is type(wanted) is np.ndarray and bool(np.array_equal(got, wanted))
