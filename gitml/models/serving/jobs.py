"""What is to be predicted for one request, and how several become one call of the model."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from gitml.errors import GitmlError
from gitml.models.serving.replies import Reply, as_reply

MATRIX = "matrix"  # the key of rows of numbers that no table was made of yet


class UnsplittableError(Exception):
    """Predictions that can't be told apart by request."""


@dataclass(frozen=True, slots=True)
class Job:
    """A request that was read and fits the model's signature.

    Attributes:
        data: What the model is given; of a `MATRIX`, an array of its columns.
        params: What it is told besides.
        write: Makes an answer of what it predicts.
        rows: How many rows go in.
        key: Jobs whose keys are equal can be predicted in one call; None: this one stays alone.
        refuse: Says what is wrong, in the words of its protocol.
    """

    data: Any
    params: dict[str, Any] | None
    write: Callable[[Any], Reply]
    rows: int = 1
    key: Hashable | None = None
    refuse: Callable[[GitmlError], Reply] = as_reply


def key_of(data: Any) -> tuple[Hashable | None, int]:
    """Say what data can be joined with, None if with nothing, and how many rows they are."""
    import numpy as np
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return ("frame", tuple(data.columns), tuple(map(str, data.dtypes))), len(data)
    if isinstance(data, np.ndarray):
        return (("array", data.dtype.str, data.shape[1:]), len(data)) if data.ndim else (None, 1)
    if isinstance(data, dict) and data and all(isinstance(each, np.ndarray) for each in data.values()):
        lengths = {len(each) if each.ndim else -1 for each in data.values()}
        rows = lengths.pop()
        if not lengths and rows >= 0:
            return ("arrays", *((name, each.dtype.str, each.shape[1:]) for name, each in data.items())), rows
    return None, 1


def join(data: Sequence[Any]) -> Any:
    """Put the data of several jobs with the same key below each other."""
    import numpy as np
    import pandas as pd

    first = data[0]
    if isinstance(first, pd.DataFrame):
        return pd.concat(data, ignore_index=True)
    if isinstance(first, dict):
        return {name: np.concatenate([each[name] for each in data]) for name in first}
    return np.concatenate(data)


def split(predictions: Any, rows: Sequence[int]) -> list[Any]:
    """Give each job its part of the predictions.

    Args:
        predictions: What the model gave for all.
        rows: How many rows went in, job by job.

    Raises:
        UnsplittableError: They are not one for each row.
    """
    ends: list[int] = []
    for count in rows:
        ends.append((ends[-1] if ends else 0) + count)
    cut = _cutter(predictions, ends[-1])
    return [cut(end - count, end) for end, count in zip(ends, rows, strict=True)]


def _cutter(predictions: Any, total: int) -> Callable[[int, int], Any]:
    import numpy as np
    import pandas as pd

    if isinstance(predictions, pd.DataFrame | pd.Series):
        if len(predictions) == total:
            return lambda start, end: predictions.iloc[start:end]
    elif isinstance(predictions, np.ndarray):
        if predictions.ndim and len(predictions) == total:
            return lambda start, end: predictions[start:end]
    elif isinstance(predictions, list):
        if len(predictions) == total:
            return lambda start, end: predictions[start:end]
    elif isinstance(predictions, dict) and predictions:
        cutters = {name: _cutter(each, total) for name, each in predictions.items()}
        return lambda start, end: {name: cut(start, end) for name, cut in cutters.items()}
    raise UnsplittableError(f"{total} rows went in, and {type(predictions).__name__} came out")
