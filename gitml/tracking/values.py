"""What users hand in, made into what a run records."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gitml.entities.run import Number, ParamValue
from gitml.errors import InvalidValueError
from gitml.formats.names import check_name

MAX_PARAM_BYTES = 1024**2
MAX_TAG_BYTES = 1024**2
MAX_PARAM_DEPTH = 20
_HUGE = 10**4000  # Python refuses to read back integers of more than 4,300 digits


class StepCutWarning(UserWarning):
    """A step was no whole number, and is recorded without its fraction."""


def to_number(key: str, value: object) -> Number:
    """Make a metric's value of a Python, NumPy or tensor scalar.

    Integers stay exact integers, everything else becomes a float.

    Raises:
        InvalidValueError: It is no single number.
    """
    kind = type(value)
    if kind is float or (kind is int and -_HUGE < value < _HUGE):  # type: ignore[operator]  # just checked
        return value  # type: ignore[return-value]
    if kind is int:
        raise InvalidValueError(
            "metric", key, "its integer has more than 4,000 digits", hint="log its logarithm"
        )
    if kind is bool:
        return int(value)  # type: ignore[call-overload, no-any-return]
    try:
        plain: Any = value.item() if hasattr(value, "item") else value
        if isinstance(plain, int):
            return int(plain)
        if isinstance(plain, str | bytes):
            raise TypeError
        return float(plain)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise InvalidValueError(
            "metric",
            key,
            f"{value!r:.80} is not a number",
            hint="log one number at a time; text belongs into a tag",
        ) from None


def to_whole(key: str, part: str, value: Any) -> int:
    """Make a metric's step or timestamp a whole number.

    Raises:
        InvalidValueError: It is none.
    """
    if type(value) is int:
        return value
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidValueError("metric", key, f"its {part} {value!r:.80} is no whole number") from None


def warn_if_cut(key: str, step: Any, whole: int, stacklevel: int) -> bool:
    """Say that the step of a metric lost its fraction, if it did; tells whether it did."""
    try:
        is_cut = float(step) != float(whole)
    except (TypeError, ValueError, OverflowError):
        return False
    if is_cut:
        warnings.warn(
            f"metric '{key}': steps are whole numbers, so {step!r:.80} is recorded as {whole}; "
            "this is said once a run for each metric",
            StepCutWarning,
            stacklevel=stacklevel + 1,
        )
    return is_cut


def flatten_params(
    params: Mapping[Any, Any], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, ParamValue]]:
    """Make nested mappings flat, joining keys with dots.

    Raises:
        InvalidNameError: A key is no usable name.
        InvalidValueError: A value is too large or nested too deeply.
    """
    for raw, value in params.items():
        key = f"{prefix}{raw}"
        if isinstance(value, Mapping) and value:
            if depth >= MAX_PARAM_DEPTH:
                raise InvalidValueError("param", key, f"it is nested more than {MAX_PARAM_DEPTH} levels deep")
            yield from flatten_params(value, f"{key}.", depth + 1)
        else:
            yield check_name("param", key), to_param(key, value)


def distinct_params(items: Iterable[tuple[str, ParamValue]]) -> dict[str, ParamValue]:
    """Collect params by name.

    Raises:
        InvalidValueError: A name is there twice, with two values.
    """
    params: dict[str, ParamValue] = {}
    for key, value in items:
        if not same_param(params.setdefault(key, value), value):
            raise InvalidValueError(
                "param", key, f"it is given twice, as {params[key]!r:.80} and as {value!r:.80}",
                hint="params are set once; use a tag or a metric for what changes",
            )  # fmt: skip
    return params


def to_param(key: str, value: object, depth: int = 0) -> ParamValue:
    """Make a param's value: int, float, bool, str, None or a list of these.

    Anything else is recorded as the text that `str` makes of it.

    Raises:
        InvalidValueError: The value is larger than a megabyte.
    """
    plain = _plain_param(key, value, depth)
    if isinstance(plain, str | list) and len(plain) > 1000:
        size = len(plain.encode("utf-8", "replace")) if isinstance(plain, str) else len(repr(plain))
        if size > MAX_PARAM_BYTES:
            raise InvalidValueError(
                "param", key, f"its value has {size:,} bytes, at most {MAX_PARAM_BYTES:,} are allowed",
                hint="log it as an artifact: gitml.log_text or gitml.log_dict",
            )  # fmt: skip
    return plain


def _plain_param(key: str, value: object, depth: int) -> ParamValue:
    kind = type(value)
    if value is None or kind is bool or kind is int or kind is float:
        return value  # type: ignore[return-value]  # just checked
    if isinstance(value, str):
        return clean_text(str(value))
    if isinstance(value, list | tuple) and depth < MAX_PARAM_DEPTH:
        return [_plain_param(key, item, depth + 1) for item in value]
    item = getattr(value, "item", None)
    if item is not None and getattr(value, "ndim", 0) == 0:
        try:
            return _plain_param(key, item(), depth + 1) if depth < MAX_PARAM_DEPTH else str(value)
        except (TypeError, ValueError, RuntimeError):
            return clean_text(str(value))
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, Mapping) and depth:  # in a list: there is no name to flatten it to
        return clean_text(json.dumps(_parts(key, value, depth), ensure_ascii=False))
    return clean_text(str(value))


def _parts(key: str, value: object, depth: int) -> Any:
    """Make what is in a mapping in a list into what JSON has words for."""
    if isinstance(value, Mapping):
        if depth >= MAX_PARAM_DEPTH:
            return str(value)
        return {str(name): _parts(key, part, depth + 1) for name, part in value.items()}
    if isinstance(value, list | tuple) and depth < MAX_PARAM_DEPTH:
        return [_parts(key, part, depth + 1) for part in value]
    return _plain_param(key, value, MAX_PARAM_DEPTH)


def to_tag(key: str, value: object) -> str:
    """Make a tag's value, which is text.

    Raises:
        InvalidValueError: The value is larger than a megabyte.
    """
    text = clean_text(value if isinstance(value, str) else str(value))
    if len(text) > MAX_TAG_BYTES:
        raise InvalidValueError(
            "tag", key, f"its value has {len(text):,} characters, at most {MAX_TAG_BYTES:,} are allowed",
            hint="log it as an artifact: gitml.log_text",
        )  # fmt: skip
    return text


def clean_text(text: str) -> str:
    """Replace what UTF-8 can't hold (lone surrogates)."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def same_param(left: ParamValue, right: ParamValue) -> bool:
    """Whether two values are the same: type and all, NaN being the same as NaN."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same_param, left, right))
    if type(left) is not type(right):
        return False
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left) and math.isnan(right):
        return True
    return left == right
