"""Values as JSON can hold them, in MLflow's way: bytes as base64, times as ISO 8601."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from gitml.errors import UsageError


def plain(value: Any, *, gaps: bool = False, where: str = "") -> Any:
    r"""Give a value as JSON can hold it.

    Args:
        value: Dictionaries, lists, arrays, values of Python, numpy and pandas.
        gaps: Whether NaN and its like become None, which JSON has a word for.
        where: Where it is in something greater.

    Raises:
        UsageError: Something is of a class that has no place in JSON; says where.

    Example:
        >>> plain({"a": b"abc", "b": float("nan")}, gaps=True)
        {'a': 'YWJj\n', 'b': None}
    """
    if value is None or isinstance(value, (str, bool, int)):
        return _own(value)
    if isinstance(value, float):
        return None if gaps and (value != value or value in _INFINITE) else float(value)
    if isinstance(value, dict):
        return {
            key if isinstance(key, str) else str(key): plain(each, gaps=gaps, where=f"{where}.{key}")
            for key, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [plain(each, gaps=gaps, where=f"{where}[{place}]") for place, each in enumerate(value)]
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    for kind, written in _WRITTEN:
        if isinstance(value, kind):
            return written(value)
    return _foreign(value, gaps, where)


_WRITTEN: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    ((bytes, bytearray), lambda value: base64.encodebytes(value).decode("ascii")),
    ((dt.date, dt.time), lambda value: value.isoformat()),
    (Decimal, float),
)
_INFINITE = (float("inf"), float("-inf"))


def _own(value: Any) -> Any:
    """Give the plain value of what is derived from one, as numpy's texts are."""
    for kind in (bool, int, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _foreign(value: Any, gaps: bool, where: str) -> Any:
    module = type(value).__module__.partition(".")[0]
    if module == "numpy" and hasattr(value, "dtype"):
        if value.dtype.kind == "M":
            import numpy as np

            return plain(_no_times(np.datetime_as_string(value)), gaps=gaps, where=where)
        return plain(value.tolist(), gaps=gaps, where=where)
    if hasattr(value, "model_dump") and not isinstance(value, type):
        return plain(value.model_dump(), gaps=gaps, where=where)
    if module == "pandas" and hasattr(value, "tolist"):
        return plain(value.tolist(), gaps=gaps, where=where)
    raise UsageError(
        f"an input example can't hold {type(value).__name__}{f' (at {where!r:.100})' if where else ''}"
    )


def _no_times(text: Any) -> Any:
    """Give the texts of times, None for what is no time."""
    if isinstance(text, str):
        return None if text == "NaT" else str(text)
    return (
        [_no_times(each) for each in text.tolist()]
        if hasattr(text, "tolist")
        else [_no_times(each) for each in text]
    )
