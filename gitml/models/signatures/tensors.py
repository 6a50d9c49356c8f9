"""Inputs for signatures made of tensors: numpy's arrays, dictionaries of them, sparse matrices, data frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from gitml.entities.signature import Schema, TensorSpec
from gitml.models.signatures.problems import Mismatch, Problem, SchemaError, whole

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def fit_tensors(data: Any, schema: Schema) -> Any:
    """Check an input, and give arrays of it: one, or a dictionary.

    Raises:
        SchemaError: It doesn't fit; names the tensors that don't, with type and shape.
    """
    specs = cast("tuple[TensorSpec, ...]", schema.inputs)
    if not schema.has_input_names():
        try:
            return _fit_only(data, specs[0])
        except Mismatch as err:
            raise whole(err.given.removeprefix("got "), expected_tensor(specs[0]), err.hint) from err
    fitted, problems = {}, []
    for spec in specs:
        try:
            fitted[spec.name] = _fit_named(data, spec)
        except Mismatch as err:
            problems.append(Problem(spec.name, expected_tensor(spec), err.given, err.hint))
    if problems:
        raise SchemaError(problems)
    return fitted


def is_sparse(data: object) -> bool:
    """Whether it is a matrix of scipy, by rows or by columns; scipy isn't loaded to find out."""
    kind = type(data)
    return kind.__module__.startswith("scipy.sparse") and kind.__name__ in (
        "csr_matrix", "csc_matrix", "csr_array", "csc_array",
    )  # fmt: skip


def plain_dtype(dtype: np.dtype[Any]) -> str:
    """Name a dtype, without the length of texts and bytes.

    Example:
        >>> import numpy
        >>> plain_dtype(numpy.array(["abc"]).dtype)
        'str'
    """
    return {"U": "str", "S": "bytes", "T": "str"}.get(dtype.char, dtype.name)


def _fit_named(data: Any, spec: TensorSpec) -> Any:
    import numpy as np
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return _from_column(data[spec.name], spec)
    value = data[spec.name]
    if not isinstance(value, np.ndarray):
        raise Mismatch(f"got {type(value).__name__}", hint="give a dictionary of arrays of numpy")
    return _check(value, spec)


def _fit_only(data: Any, spec: TensorSpec) -> Any:
    import numpy as np
    import pandas as pd

    if isinstance(data, np.ndarray) or is_sparse(data):
        return _check(data, spec)
    if not isinstance(data, pd.DataFrame):
        raise Mismatch(f"got {type(data).__name__}", hint="give an array of numpy: numpy.array(...)")
    if data.empty:
        raise Mismatch("got a data frame without rows")
    if len(data.columns) == 1:
        return _from_column(data.iloc[:, 0], spec)
    if spec.shape != (-1, len(data.columns)):
        raise Mismatch(f"got a data frame of {len(data.columns)} columns")
    return _check(data.to_numpy(), spec)


def _check(array: Any, spec: TensorSpec) -> Any:
    dtype = array.data.dtype if is_sparse(array) else array.dtype
    if spec.dtype == "object" and spec.shape == (-1,):
        return array  # rows of any length
    if len(spec.shape) > 1 and -1 in spec.shape[1:] and array.ndim == 1 and dtype.kind == "O":
        return array
    fits = len(spec.shape) == len(array.shape) and all(
        expected in (-1, actual) for expected, actual in zip(spec.shape, array.shape, strict=True)
    )
    if not fits or plain_dtype(dtype) != spec.dtype:
        raise Mismatch(f"got {plain_dtype(dtype)} of shape {tuple(array.shape)}")
    return array


def _from_column(column: pd.Series[Any], spec: TensorSpec) -> np.ndarray[Any, Any]:
    """Make a tensor of a column: of its values, or of the lists in it, which are put into shape."""
    import numpy as np

    if spec.shape[:1] != (-1,) or -1 in spec.shape[1:]:
        raise Mismatch("got a data frame, which fits only shapes with -1 first and nowhere else")
    if not len(column):
        raise Mismatch("got a column without rows")
    first = column.iloc[0]
    if np.isscalar(first):
        if spec.shape not in ((-1,), (-1, 1)):
            raise Mismatch("got a column of single values")
        try:
            return np.asarray(column, dtype=spec.type).reshape(spec.shape)
        except (ValueError, TypeError) as err:
            raise Mismatch(f"got {column.dtype}: {err!s:.100}") from err
    if isinstance(first, list) and first and np.isscalar(first[0]):
        return _stacked(column, spec).astype(spec.type)
    if isinstance(first, np.ndarray):
        return cast("np.ndarray[Any, Any]", _check(_stacked(column, spec), spec))
    raise Mismatch(f"got a column of {type(first).__name__}, not of values, lists of values or arrays")


def _stacked(column: pd.Series[Any], spec: TensorSpec) -> np.ndarray[Any, Any]:
    import numpy as np

    try:
        stacked = np.vstack(column.tolist()).reshape(spec.shape)
    except (ValueError, TypeError) as err:
        raise Mismatch(f"got rows that can't be put into that shape: {err!s:.100}") from err
    if len(stacked) != len(column):
        raise Mismatch("got rows that are of another length")
    return stacked


def expected_tensor(spec: TensorSpec) -> str:
    """Say what a tensor should be."""
    return f"{spec.dtype} of shape {spec.shape}"
