"""Predictions as JSON, as MLflow's server writes them.

Tables become a list of records; times ISO 8601; bytes base64 with a line break at its end. NaN and
infinity are written as such, which is no standard JSON, but what MLflow's clients read.
"""

from __future__ import annotations

import base64
import json
from datetime import date, datetime, time
from typing import Any

import orjson

from gitml.models.serving.replies import Reply, RequestError


class UnwritableError(RequestError):
    """The model gave what JSON has nothing for."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"the model's predictions can't be written as JSON: {problem}", status=500, code="INTERNAL_ERROR"
        )


def scored(predictions: Any) -> Reply:
    """Answer with predictions, wrapped as `{"predictions": …}`."""
    plain = finite_numbers(predictions)
    return Reply(
        orjson.dumps({"predictions": plain}) if plain is not None else _slow({"predictions": predictions})
    )


def scored_unwrapped(predictions: Any) -> Reply:
    """Answer with predictions as they are: what a chat or completion is answered with."""
    return Reply(_slow(predictions))


def finite_numbers(predictions: Any) -> list[Any] | None:
    """Give an array of numbers that JSON has as lists; None for all else."""
    import numpy as np

    if type(predictions) is not np.ndarray or predictions.dtype.kind not in "biuf":
        return None
    if predictions.dtype.kind == "f" and not np.isfinite(predictions).all():
        return None
    return predictions.tolist() if predictions.ndim else None


def plain(value: Any) -> Any:
    """Give what JSON can say for what it has no type for.

    Raises:
        TypeError: There is nothing for it.
    """
    import numpy as np

    if isinstance(value, np.ndarray):
        return _text_of_bytes(value) if value.dtype.kind == "S" else value.tolist()
    if isinstance(value, np.datetime64):
        return str(np.datetime_as_string(value))
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bytes | bytearray):
        return base64.encodebytes(value).decode("ascii")
    if isinstance(value, datetime | date | time):  # pandas' Timestamp is a datetime
        return value.isoformat()
    if hasattr(value, "model_dump") and not isinstance(value, type):
        return value.model_dump()
    if hasattr(value, "toarray"):  # a sparse matrix
        return value.toarray().tolist()
    if hasattr(value, "tolist"):  # a tensor
        return value.tolist()
    raise TypeError(f"it has nothing for {type(value).__name__}")


def _text_of_bytes(array: Any) -> Any:
    if array.ndim == 0:
        return plain(array.item())
    return [
        _text_of_bytes(each) if hasattr(each, "ndim") and each.ndim else plain(bytes(each)) for each in array
    ]


def _slow(value: Any) -> bytes:
    try:
        return json.dumps(_tables(value), default=plain).encode()
    except (TypeError, ValueError, RecursionError) as err:
        raise UnwritableError(str(err)[:200] or type(err).__name__) from err


def _tables(value: Any) -> Any:
    """Make records of a table, which stands alone or under `predictions`."""
    if isinstance(value, dict) and list(value) == ["predictions"]:
        return {"predictions": _records(value["predictions"])}
    return _records(value)


def _records(value: Any) -> Any:
    module = type(value).__module__.partition(".")[0]
    if module == "pandas" and type(value).__name__ == "Series":
        value = value.to_frame()
    if module == "pandas" and hasattr(value, "to_dict"):
        return [{_key(name): cell for name, cell in row.items()} for row in value.to_dict(orient="records")]
    if module == "polars" and hasattr(value, "to_dicts"):
        return value.to_dicts()
    return value


def _key(name: Any) -> Any:
    """Name a column in JSON, which has texts only; levels of a column index are joined."""
    return name if isinstance(name, str | int | float) or name is None else str(name)
