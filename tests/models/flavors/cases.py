"""A small model of each flavor; both gitml and mlflow save and load them, so nothing here imports either."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Case:
    """A model, and what is to be seen of it.

    Attributes:
        id: What the test is called.
        flavor: The public module that saves and loads it.
        make: Trains it.
        example: An input.
        predict: Predicts with the framework alone.
        options: For `save_model`, both gitml's and MLflow's.
        needs: Modules that must be there.
        files: Its data files, equal for equal models.
        runs_code: Whether it is loaded only with trust.
        theirs: For MLflow's `save_model` instead of `options`; None: it has no such format.
        ours_there: Whether MLflow can load what gitml saves.
    """

    id: str
    flavor: str
    make: Callable[[], Any]
    example: Callable[[], Any]
    predict: Callable[[Any, Any], Any]
    files: tuple[str, ...]
    needs: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    runs_code: bool = False
    theirs: Mapping[str, Any] | None = field(default_factory=dict)
    ours_there: bool = True


def table() -> pd.DataFrame:
    random = np.random.default_rng(7)
    return pd.DataFrame({"a": random.normal(size=40), "b": random.normal(size=40)})


def labels() -> np.ndarray:
    x = table()
    return (x["a"] + x["b"] > 0).to_numpy().astype("int64")


def targets() -> np.ndarray:
    x = table()
    return (2 * x["a"] - x["b"] + 1).to_numpy()


def head() -> pd.DataFrame:
    return table().head(5)


def array() -> np.ndarray:
    return head().to_numpy().astype("float32")


def plain(value: Any) -> Any:
    """Predictions as JSON has them, whatever holds them."""
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, pd.DataFrame):
        return {str(name): plain(value[name]) for name in value.columns}
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    found = np.asarray(value)
    return found.tolist() if found.dtype != object else [plain(one) for one in value]


def alike(one: Any, other: Any) -> bool:
    """Whether two of them say the same, but for the last digits."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    first, second = np.asarray(one), np.asarray(other)
    if first.dtype.kind in "fc" or second.dtype.kind in "fc":
        return first.shape == second.shape and np.allclose(first, second, rtol=1e-4, atol=1e-5)
    return first.tolist() == second.tolist()


def own(model: Any, data: Any) -> Any:
    return model.predict(data)


# scikit-learn


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(table(), labels())


# XGBoost, LightGBM, CatBoost


def _xgb_booster() -> Any:
    import xgboost

    return xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(table(), targets()), 5)


def _by_matrix(model: Any, data: Any) -> Any:
    import xgboost

    return model.predict(xgboost.DMatrix(data))


def _xgb_classifier() -> Any:
    import xgboost

    return xgboost.XGBClassifier(n_estimators=5, max_depth=2, n_jobs=1).fit(table(), labels())


def _lgb_booster() -> Any:
    import lightgbm

    settings = {"objective": "regression", "min_data_in_leaf": 2, "verbose": -1, "num_threads": 1}
    return lightgbm.train(settings, lightgbm.Dataset(table(), targets()), 5)


def _lgb_classifier() -> Any:
    import lightgbm

    return lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=2, verbose=-1, n_jobs=1).fit(table(), labels())


def _cat_classifier() -> Any:
    import catboost

    model = catboost.CatBoostClassifier(
        iterations=5, depth=2, thread_count=1, verbose=False, allow_writing_files=False
    )
    return model.fit(table(), labels())


def _cat_regressor() -> Any:
    import catboost

    model = catboost.CatBoostRegressor(
        iterations=5, depth=2, thread_count=1, verbose=False, allow_writing_files=False
    )
    return model.fit(table(), targets())


# statsmodels


def _least_squares() -> Any:
    import statsmodels.api

    return statsmodels.api.OLS(targets(), table()).fit()


# ONNX


def _graph() -> Any:
    """y = x W + b, of two features and two outputs."""
    from onnx import TensorProto, checker, helper, numpy_helper

    weights = numpy_helper.from_array(np.array([[1.0, -1.0], [0.5, 2.0]], "float32"), "W")
    bias = numpy_helper.from_array(np.array([0.25, -0.25], "float32"), "b")
    node = helper.make_node("Gemm", ["x", "W", "b"], ["y"])
    graph = helper.make_graph(
        [node],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
        [weights, bias],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model


def _by_runtime(model: Any, data: Any) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return {"y": session.run(None, {"x": data.astype("float32")})[0]}


# PyTorch


def _network() -> Any:
    import torch

    torch.manual_seed(7)
    layers = torch.nn.Linear(2, 4), torch.nn.BatchNorm1d(4), torch.nn.Dropout(), torch.nn.Linear(4, 1)
    return torch.nn.Sequential(*layers)  # in training: dropout would show


def _line() -> Any:
    import torch

    torch.manual_seed(7)
    return torch.nn.Linear(in_features=2, out_features=1)


def _script() -> Any:
    import torch

    return torch.jit.script(_line())


def _by_call(model: Any, data: Any) -> Any:
    import torch

    modes = {one: one.training for one in model.modules()}
    for one in modes:
        one.training = False
    with torch.no_grad():
        found = model(torch.from_numpy(data)).numpy()
    for one, mode in modes.items():
        one.training = mode
    return found


BOOSTERS = (
    Case("xgboost-booster", "xgboost", _xgb_booster, head, _by_matrix, ("model.ubj",), ("xgboost",)),
    Case(
        "xgboost-json", "xgboost", _xgb_classifier, head, own, ("model.json",), ("xgboost", "sklearn"),
        {"model_format": "json"}, theirs={"model_format": "json"},
    ),
    Case("lightgbm-booster", "lightgbm", _lgb_booster, head, own, ("model.lgb",), ("lightgbm",)),
    Case("lightgbm-skops", "lightgbm", _lgb_classifier, head, own, (), ("lightgbm", "sklearn", "skops")),
    Case(
        "lightgbm-pickle", "lightgbm", _lgb_classifier, head, own, ("model.pkl",), ("lightgbm", "sklearn"),
        {"serialization_format": "cloudpickle"}, runs_code=True, theirs={"serialization_format": "cloudpickle"},
    ),
    Case("catboost-classifier", "catboost", _cat_classifier, head, own, ("model.cb",), ("catboost",)),
    Case(
        "catboost-json", "catboost", _cat_regressor, head, own, ("model.cb",), ("catboost",),
        {"format": "json"}, theirs={"format": "json"},
    ),
)  # fmt: skip
CASES = (
    Case("sklearn", "sklearn", _logistic, head, own, (), ("sklearn", "skops")),
    *BOOSTERS,
    Case(
        "statsmodels", "statsmodels", _least_squares, head, own, ("model.statsmodels",), ("statsmodels",),
        runs_code=True,
    ),
    Case("onnx", "onnx", _graph, array, _by_runtime, ("model.onnx",), ("onnx", "onnxruntime")),
    Case(
        "onnx-apart", "onnx", _graph, array, _by_runtime, ("model.onnx",), ("onnx", "onnxruntime"),
        {"save_as_external_data": True},
    ),
    Case(
        "pytorch-pt2", "pytorch", _network, array, _by_call, ("data/model.pt2",), ("torch",),
        theirs={"serialization_format": "pt2"},
    ),
    Case(
        "pytorch-pickle", "pytorch", _network, array, _by_call, ("data/model.pth",), ("torch", "cloudpickle"),
        {"serialization_format": "pickle"}, runs_code=True, theirs={"serialization_format": "pickle"},
    ),
    Case(
        "pytorch-script", "pytorch", _script, array, _by_call, (), ("torch",),
        runs_code=True, theirs={"serialization_format": "pickle"},
    ),
    Case(
        "pytorch-weights", "pytorch", _line, array, _by_call, ("data/model.safetensors",), ("torch", "safetensors"),
        {"serialization_format": "safetensors", "model_init": {"in_features": 2, "out_features": 1}},
        runs_code=True, theirs=None, ours_there=False,
    ),
)  # fmt: skip
BY_ID = {case.id: case for case in CASES}
