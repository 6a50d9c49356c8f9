"""Inputs for signatures, for gitml and for the mlflow package: imported by both, so it imports neither."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


MOMENT = dt.datetime(2024, 5, 17, 12, 30)
NAN = float("nan")

# Samples, of which a schema is inferred.
SAMPLES: dict[str, Any] = {
    "numbers": frame(a=[1, 2], b=[1.5, 2.5], c=np.array([1, 2], "int32"), d=np.array([1, 2], "float32")),
    "narrow": frame(a=np.array([1], "int8"), b=np.array([1], "uint8"), c=np.array([1], "uint16")),
    "unsigned": frame(a=np.array([1], "uint32"), b=np.array([1], "float16")),
    "uint64": frame(a=np.array([1], "uint64")),
    "texts": frame(a=["x", "y"], b=["x", None]),
    "text objects": pd.DataFrame({"a": pd.Series(["x", None], dtype=object)}),
    "flags": frame(a=[True, False], b=[True, None]),
    "bytes": frame(a=[b"x", b"y"]),
    "times": frame(a=[MOMENT, None], b=pd.to_datetime(["2024-01-01", "2024-01-02"])),
    "dates": frame(a=[MOMENT.date(), MOMENT.date()]),
    "zones": frame(a=pd.to_datetime(["2024-01-01"]).tz_localize("UTC")),
    "gaps": frame(a=[1, None], b=[1.5, NAN], c=[None, None], d=[pd.NaT, MOMENT]),
    "nullable": frame(
        a=pd.array([1, 2], "Int64"), b=pd.array([True, None], "boolean"), c=pd.array([1.5, None], "Float64")
    ),
    "nullable small": frame(a=pd.array([1, None], "Int32")),
    "category": frame(a=pd.Categorical(["x", "y"]), b=pd.Categorical([1, 2])),
    "lists": frame(a=[["x"], ["y", "z"]], b=[[1], []], c=[[1.5], None]),
    "arrays": frame(a=[np.array([1.5, 2.5]), np.array([1.0, 2.0])]),
    "objects": frame(a=[{"x": 1}, {"x": 2, "y": "z"}], b=[{"x": [{"y": 1}]}, {"x": []}]),
    "objects with none": frame(a=[{"x": None, "y": 1}, {"x": "t", "y": 2}]),
    "mixed": frame(a=[1, "x"]),
    "mixed lists": frame(a=[[1], ["x"]]),
    "decimals": frame(a=[decimal.Decimal("1.5")]),
    "complex": frame(a=[1j]),
    "number names": pd.DataFrame([[1.5, 2.5]]),
    "same names": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "no rows": pd.DataFrame({"a": pd.Series([], dtype="float64"), "b": pd.Series([], dtype=object)}),
    "no columns": pd.DataFrame(),
    "series": pd.Series([1.5, 2.5], name="y"),
    "series without name": pd.Series([1, 2]),
    "series with gaps": pd.Series(["x", None], name="y"),
    "vector": np.array([1.5, 2.5]),
    "matrix": np.zeros((3, 4), "float32"),
    "tensor": np.zeros((2, 3, 4, 5), "uint8"),
    "text vector": np.array(["abc", "d"]),
    "bytes vector": np.array([b"abc"]),
    "object vector": np.array(["abc", 1], dtype=object),
    "time vector": np.array(["2024-01-01"], dtype="datetime64[ns]"),
    "scalar array": np.array(1.5),
    "arrays by name": {"x": np.zeros((2, 3)), "y": np.array(["a", "b"])},
    "array among others": {"x": np.array([1.5, 2.5]), "y": "text"},
    "csr": sparse.csr_matrix(np.eye(3)),
    "csc": sparse.csc_matrix(np.eye(3, dtype="float32")),
    "text": "hello",
    "int": 3,
    "float": 1.5,
    "bool": True,
    "raw": b"x",
    "numpy int32": np.int32(3),
    "numpy float32": np.float32(1.5),
    "numpy int8": np.int8(3),
    "moment": MOMENT,
    "day": MOMENT.date(),
    "nothing in a list": [None],
    "empty list": [],
    "empty lists": [[], []],
    "list": ["a", "b"],
    "list of numbers": [1, 2, None],
    "list of both": [1, "a"],
    "list of floats and ints": [1, 1.5],
    "nested list": [["a"], ["b", "c"]],
    "list of arrays": [np.array([1, 2]), np.array([3])],
    "tuple": (1, 2),
    "dictionary": {"a": "x", "b": [1, 2], "c": {"d": True, "e": None}, "f": None},
    "dictionary with gaps": {"a": ["x", None], "b": NAN},
    "empty dictionary": {},
    "number keys": {1: "a"},
    "list of dictionaries": [{"a": "x", "b": [1]}, {"a": None, "b": [2], "c": 1.5}],
    "chat": {"messages": [{"role": "user", "content": "hi"}, {"role": "bot", "content": "ho", "n": 1}], "t": 0.5},
    "chats": [{"messages": [{"role": "user", "content": "hi"}]}, {"messages": []}],
    "deep": [{"a": {"b": {"c": [{"d": 1}, {"e": "x"}]}}}],
}  # fmt: skip

PARAMS: dict[str, Any] = {
    "plain": {"a": 1, "b": 1.5, "c": "x", "d": True, "e": [1, 2], "f": ["x"], "g": [1, 2.5]},
    "times": {"a": MOMENT, "b": [MOMENT], "c": MOMENT.date()},
    "numpy": {"a": np.int32(1), "b": np.float32(1.5), "c": np.array([1, 2]), "d": np.bool_(True)},
    "dictionary": {"a": {"b": 1, "c": [1.5]}},
    "none": {"a": None},
    "nested": {"a": [[1]]},
    "raw": {"a": b"x"},
}

# Types of the columns a, b, ... (a name: unnamed) and inputs for them.
EVERY = ["boolean", "integer", "long", "float", "double", "string", "binary", "datetime"]
COLUMNS: dict[str, pd.Series[Any]] = {
    "bool": pd.Series([True, False]),
    "bool objects": pd.Series([True, None], dtype=object),
    "int8": pd.Series([1, 2], dtype="int8"),
    "int32": pd.Series([1, 2], dtype="int32"),
    "int64": pd.Series([1, 2]),
    "int64 of 0 and 1": pd.Series([0, 1]),
    "int64 beyond doubles": pd.Series([2**53 + 1, 2]),
    "uint16": pd.Series([1, 2], dtype="uint16"),
    "uint32": pd.Series([1, 2], dtype="uint32"),
    "uint64": pd.Series([1, 2], dtype="uint64"),
    "float32": pd.Series([1.5, 2], dtype="float32"),
    "float64": pd.Series([1.5, 2]),
    "whole float64": pd.Series([1.0, 2.0]),
    "float64 with gaps": pd.Series([1.0, NAN]),
    "Int64": pd.Series([1, 2], dtype="Int64"),
    "Int32": pd.Series([1, 2], dtype="Int32"),
    "Int64 with gaps": pd.Series([1, None], dtype="Int64"),
    "str": pd.Series(["x", None]),
    "text objects": pd.Series(["x", "y"], dtype=object),
    "bytes": pd.Series([b"x", b"y"]),
    "datetime64": pd.to_datetime(pd.Series(["2024-01-01", None])),
    "datetime64[s]": pd.Series(np.array(["2024-01-01"], "datetime64[s]")),
    "zones": pd.to_datetime(pd.Series(["2024-01-01"])).dt.tz_localize("UTC"),
    "dates": pd.Series([MOMENT.date()]),
    "decimals": pd.Series([decimal.Decimal("1.5")]),
    "complex": pd.Series([1j]),
    "no rows": pd.Series([], dtype="float64"),
}

# Columns as (type, name, required), tensors as (dtype, shape, name); then the input.
OBJECT = {"type": "object", "properties": {"x": {"type": "long"}, "y": {"type": "string", "required": False}}}
ROW: list[tuple[Any, ...]] = [("double", "a", True), ("string", "b", False)]
INPUTS: dict[str, tuple[list[tuple[Any, ...]], Any]] = {
    "in order": (ROW, frame(a=[1.5], b=["x"])),
    "turned": (ROW, frame(b=["x"], a=[1.5])),
    "optional missing": (ROW, frame(a=[1.5])),
    "required missing": (ROW, frame(b=["x"])),
    "extra": (ROW, frame(a=[1.5], c=[1])),
    "index kept": (ROW, pd.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]}, index=[7, 7])),
    "dictionary": (ROW, {"a": 1.5, "b": "x"}),
    "dictionary of lists": (ROW, {"a": [1.5, 2.5], "b": ["x", "y"]}),
    "dictionary of arrays": (ROW, {"a": np.array([1.5, 2.5]), "b": np.array(["x", "y"])}),
    "dictionary of lists of texts": ([("string", "b", True)], {"b": ["x", "y"]}),
    "dictionary of matrices": (ROW, {"a": np.zeros((2, 2))}),
    "records": (ROW, [{"a": 1.5, "b": "x"}, {"a": 2.5}]),
    "list for names": (ROW, [1.5]),
    "number": ([("double", None, True)], 1.5),
    "text": ([("string", None, True)], "x"),
    "texts": ([("string", None, True)], ["x", "y"]),
    "vector": ([("double", None, True)], np.array([1.5, 2.5])),
    "matrix": ([("double", None, True), ("double", None, True)], np.zeros((2, 2))),
    "narrow": ([("double", None, True), ("double", None, True)], np.zeros((2, 1))),
    "wide": ([("double", None, True)], np.zeros((2, 2))),
    "cube": ([("double", None, True)], np.zeros((2, 2, 2))),
    "series": ([("double", "y", True)], pd.Series([1.5], name="y")),
    "none": (ROW, None),
    "set": (ROW, {1, 2}),
    "empty list": (ROW, []),
    "no rows": (ROW, pd.DataFrame({"a": pd.Series([], dtype="float64")})),
    "arrays": ([({"type": "array", "items": {"type": "double"}}, "a", True)], frame(a=[[1.5], [2.5, 3.5]])),
    "arrays of ints": ([({"type": "array", "items": {"type": "long"}}, "a", True)], frame(a=[[1], [2, 3]])),
    "arrays of the wrong": ([({"type": "array", "items": {"type": "long"}}, "a", True)], frame(a=[[1.5]])),
    "no array": ([({"type": "array", "items": {"type": "long"}}, "a", True)], frame(a=[1])),
    "array for a dictionary": ([({"type": "array", "items": {"type": "string"}}, "a", True)], {"a": ["x"]}),
    "none for an array": ([({"type": "array", "items": {"type": "string"}}, "a", True)], frame(a=[None])),
    "none for an optional array": ([({"type": "array", "items": {"type": "string"}}, "a", False)], frame(a=[None])),
    "numpy in an array": ([({"type": "array", "items": {"type": "double"}}, "a", True)], frame(a=[np.array([1.5])])),
    "objects": ([(OBJECT, "a", True)], frame(a=[{"x": 1}, {"x": 2, "y": "z"}])),
    "object that lacks": ([(OBJECT, "a", True)], frame(a=[{"y": "z"}])),
    "object with more": ([(OBJECT, "a", True)], frame(a=[{"x": 1, "z": 1}])),
    "object of the wrong": ([(OBJECT, "a", True)], frame(a=[{"x": "1"}])),
    "no object": ([(OBJECT, "a", True)], frame(a=[1])),
    "object for a dictionary": ([(OBJECT, "a", True)], {"a": {"x": 1, "y": None}}),
    "maps": ([({"type": "map", "values": {"type": "long"}}, "a", True)], frame(a=[{"x": 1}, {"y": 2, "z": 3}])),
    "map of the wrong": ([({"type": "map", "values": {"type": "long"}}, "a", True)], frame(a=[{"x": "y"}])),
    "map with numbers as keys": ([({"type": "map", "values": {"type": "long"}}, "a", True)], frame(a=[{1: 2}])),
    "anything": ([({"type": "any"}, "a", True)], frame(a=[{"x": [1, None]}])),
    "tensor": ([("float32", (-1, 2), None)], np.zeros((3, 2), "float32")),
    "tensor of another type": ([("float32", (-1, 2), None)], np.zeros((3, 2))),
    "tensor of another shape": ([("float32", (-1, 2), None)], np.zeros((3, 3), "float32")),
    "tensor of less": ([("float32", (-1, 2), None)], np.zeros(2, "float32")),
    "tensor of texts": ([("str", (-1,), None)], np.array(["abc", "d"])),
    "ragged": ([("object", (-1,), None)], np.array([[1], [2, 3]], dtype=object)),
    "ragged for a shape": ([("float64", (-1, -1), None)], np.array([[1], [2, 3]], dtype=object)),
    "list for a tensor": ([("float64", (-1,), None)], [1.5]),
    "frame for a tensor": ([("float64", (-1, 2), None)], frame(a=[1.5], b=[2.5])),
    "frame for a wider tensor": ([("float64", (-1, 3), None)], frame(a=[1.5], b=[2.5])),
    "frame of one column": ([("float64", (-1, 1), None)], frame(a=[1.5, 2.5])),
    "frame of lists": ([("float32", (-1, 2), None)], frame(a=[[1, 2], [3, 4]])),
    "frame of uneven lists": ([("float32", (-1, 2), None)], frame(a=[[1, 2], [3]])),
    "empty frame": ([("float64", (-1, 2), None)], pd.DataFrame()),
    "sparse": ([("float64", (-1, 3), None)], sparse.csr_matrix(np.eye(3))),
    "sparse of another type": ([("float32", (-1, 3), None)], sparse.csc_matrix(np.eye(3))),
    "tensors": ([("float64", (-1,), "x"), ("str", (-1,), "y")], {"x": np.array([1.5]), "y": np.array(["a"])}),
    "tensors and more": ([("float64", (-1,), "x")], {"x": np.array([1.5]), "y": np.array(["a"])}),
    "tensor missing": ([("float64", (-1,), "x"), ("str", (-1,), "y")], {"x": np.array([1.5])}),
    "lists for tensors": ([("float64", (-1,), "x")], {"x": [1.5]}),
    "array for a name": ([("float64", (-1,), "x")], np.array([1.5])),
    "frame for tensors": ([("float64", (-1, 2), "x"), ("int64", (-1,), "y")], frame(x=[[1, 2]], y=[3])),
}  # fmt: skip

# Values of a JSON column a, of which every type is made.
JSON: dict[str, list[Any]] = {
    "numbers": [1.5, 2.5],
    "whole numbers": [1, 2],
    "whole floats": [1.0, 2.0],
    "zero and one": [0, 1],
    "beyond 32 bits": [2**31],
    "beyond 64 bits": [2**63],
    "gaps": [1.5, None],
    "gaps among whole numbers": [1, None],
    "only gaps": [None],
    "texts": ["x", "y"],
    "texts with gaps": ["x", None],
    "texts of numbers": ["1.5", "2"],
    "texts of whole numbers": ["1", "2"],
    "flags": [True, False],
    "flags with gaps": [True, None],
    "base64": ["YWJj", "YWJjZA=="],
    "times": ["2024-05-17T12:30:00", "2024-05-17"],
    "times of UTC": ["2024-05-17T12:30:00Z"],
    "times with gaps": ["2024-05-17 12:30:00.125", None],
    "times in other words": ["May 17, 2024"],
    "lists": [[1], [2]],
    "lists of texts": [["x"], ["y"]],
    "objects": [{"x": 1}],
    "numbers and texts": [1, "x"],
}

EXAMPLES: dict[str, Any] = {
    "frame": frame(a=[1, 2], b=[1.5, NAN], c=["x", None], d=[MOMENT, MOMENT]),
    "frame without names": pd.DataFrame([[1.5, 2.5], [3.5, NAN]]),
    "frame of lists": frame(a=[["x"], []], b=[{"x": 1}, {"x": 2}]),
    "frame of bytes": frame(a=[b"x", b"y"]),
    "array": np.array([[1.5, NAN], [2.5, 3.5]], "float32"),
    "whole numbers": np.array([[1, 2]]),
    "text array": np.array(["a", "bc"]),
    "arrays": {"x": np.array([1.5, 2.5]), "y": np.array([[1], [2]])},
    "dictionary": {"a": 1, "b": ["x", None], "c": {"d": True}},
    "chat": {"messages": [{"role": "user", "content": "hi"}]},
    "list": ["a", "b"],
    "records": [{"a": 1}, {"a": 2, "b": "x"}],
    "text": "hello",
    "number": 3,
    "moment": MOMENT,
    "csr": sparse.csr_matrix(np.array([[0, 1.5], [2.5, 0]])),
    "csc": sparse.csc_matrix(np.array([[0, 1.5], [2.5, 0]])),
    "with params": (frame(a=[1.5]), {"k": 3, "t": [1.5]}),
    "chat with params": ({"messages": [{"role": "user", "content": "hi"}]}, {"k": 3}),
}


def described(value: Any) -> Any:
    """Say what a value is, so that answers of two programs can be compared."""
    if isinstance(value, pd.DataFrame):
        return {
            "columns": [str(name) for name in value.columns],
            "dtypes": [str(dtype) for dtype in value.dtypes],
            "index": [str(label) for label in value.index],
            "cells": [[described(cell) for cell in value.iloc[:, at]] for at in range(value.shape[1])],
        }
    if sparse.issparse(value):
        return {value.format: described(value.toarray())}
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "shape": list(value.shape), "values": described(value.tolist())}
    if isinstance(value, dict):
        return {str(key): described(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [described(each) for each in value]
    if isinstance(value, np.generic):
        return described(value.item())
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return "missing"
    return value.isoformat() if isinstance(value, (dt.date, pd.Timestamp)) else repr(value)
