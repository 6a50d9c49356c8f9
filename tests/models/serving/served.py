"""Models to serve; each can be loaded by gitml and by mlflow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import gitml.pyfunc
import gitml.sklearn
from gitml.entities.signature import (
    ColSpec,
    DataType,
    ModelSignature,
    ParamSchema,
    ParamSpec,
    Schema,
    TensorSpec,
)
from gitml.models import infer_signature

QUICK = {"pip_requirements": ["numpy"]}
NAMES = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
_SET = "\ntry:\n    from mlflow.models import set_model\nexcept ImportError:\n    from gitml.models import set_model\nset_model(predict)\n"

ECHO = """
try:
    from mlflow.pyfunc import PythonModel
except ImportError:
    from gitml.pyfunc import PythonModel

class Echo(PythonModel):
    def predict(self, context, model_input, params=None):
        frame = model_input.copy()
        if params:
            frame["params"] = [params] * len(frame)
        return frame

predict = Echo()
"""
WHAT = """
import numpy as np

def predict(model_input):
    kind = type(model_input).__name__
    if kind == "DataFrame":
        return {"kind": kind, "columns": list(map(str, model_input.columns)), "rows": model_input.to_numpy().tolist()}
    if kind == "ndarray":
        return {"kind": kind, "dtype": model_input.dtype.name, "values": model_input}
    if kind == "dict":
        return {"kind": kind, "values": {name: np.asarray(each) for name, each in model_input.items()}}
    return {"kind": kind, "values": model_input}
"""
SHOUT = (
    "def predict(model_input: list[str]) -> list[str]:\n    return [text.upper() for text in model_input]\n"
)
OUTPUTS = """
import datetime
import numpy as np
import pandas as pd

def predict(model_input):
    times = pd.to_datetime(["2024-01-02 03:04:05", "2024-05-06 00:00:00"])
    made = {
        "frame": lambda: pd.DataFrame({"i": [1, 2], "f": [0.5, float("nan")], "s": ["a", None], "t": times}),
        "series": lambda: pd.Series([1.5, 2.5]),
        "named series": lambda: pd.Series([1, 2], name="y"),
        "float32": lambda: np.array([0.1, 0.2], dtype="float32"),
        "nan": lambda: np.array([0.1, np.nan, np.inf, -np.inf]),
        "matrix": lambda: np.arange(6).reshape(2, 3),
        "objects": lambda: np.array([1, "a", None, b"xyz", datetime.date(2024, 1, 2)], dtype=object),
        "moment": lambda: [np.datetime64("2024-01-02T03:04:05"), datetime.datetime(2024, 1, 2), datetime.time(1, 2)],
        "moments": lambda: np.array(["2024-01-02", "2024-01-03"], dtype="datetime64[us]"),
        "nested": lambda: {"a": np.float32(0.5), "b": [np.int64(1), {"c": np.array([True, False])}], "d": None},
        "bytes": lambda: b"abc" * 30,
        "scalar": lambda: 3,
        "numpy scalar": lambda: np.float64(2.5),
        "text": lambda: "é",
        "none": lambda: None,
        "cells": lambda: pd.DataFrame({"l": [[1, 2], [3]], "a": [np.array([1.0]), np.array([2.0])]}),
        "set": lambda: {1, 2},
        "raise": lambda: 1 / 0,
    }
    return made[str(np.asarray(model_input).ravel()[0])]()
"""

MIXED = Schema(
    [
        ColSpec(DataType.long, "l"),
        ColSpec(DataType.integer, "i"),
        ColSpec(DataType.double, "d"),
        ColSpec(DataType.float, "f"),
        ColSpec(DataType.boolean, "b"),
        ColSpec(DataType.string, "s"),
        ColSpec(DataType.datetime, "t"),
        ColSpec(DataType.string, "o", required=False),
    ]
)
PARAMS = ParamSchema([ParamSpec("k", "long", 3), ParamSpec("t", "double", 0.5)])


def save_iris(folder: Path) -> Path:
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    data = load_iris(as_frame=True)
    model = LogisticRegression(max_iter=500).fit(data.data, data.target)
    signature = infer_signature(data.data, model.predict(data.data))
    gitml.sklearn.save_model(model, folder, signature=signature, input_example=data.data.head(2), **QUICK)
    return folder


def save_code(folder: Path, code: str, signature: ModelSignature | None = None) -> Path:
    source = folder.with_name(f"{folder.name}_code.py")
    source.write_text(code + _SET)
    gitml.pyfunc.save_model(folder, python_model=str(source), signature=signature, **QUICK)
    return folder


def save_all(folder: Path) -> dict[str, Path]:
    """All of them, by name."""
    tensor = ModelSignature(Schema([TensorSpec(np.dtype("float64"), (-1, 3))]))
    named = ModelSignature(
        Schema([TensorSpec(np.dtype("float32"), (-1, 2), "x"), TensorSpec(np.dtype("int64"), (-1,), "n")])
    )
    lists = infer_signature(
        pd.DataFrame({"v": [[1.0, 2.0], [3.0]], "o": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]})
    )
    return {
        "iris": save_iris(folder / "iris"),
        "mixed": save_code(folder / "mixed", ECHO, ModelSignature(MIXED, params=PARAMS)),
        "lists": save_code(folder / "lists", ECHO, lists),
        "tensor": save_code(folder / "tensor", WHAT, tensor),
        "named": save_code(folder / "named", WHAT, named),
        "bare": save_code(folder / "bare", WHAT),
        "typed": save_code(folder / "typed", SHOUT),
        "outputs": save_code(folder / "outputs", OUTPUTS),
    }
