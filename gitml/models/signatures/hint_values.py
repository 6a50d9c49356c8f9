"""Data checked against a type hint, and made what it says: models of dictionaries, lists of data frames."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Union, get_args, get_origin

from gitml.entities.data_type import SignatureError
from gitml.entities.signature_values import described
from gitml.models.signatures.hints import PLAIN, is_list, is_pydantic, shown, without_none
from gitml.models.signatures.problems import SHOWN, SchemaError, whole


def fit_hint(data: Any, hint: Any, *, from_json: bool = False) -> Any:
    """Give data as a type hint says: dictionaries become pydantic models, a data frame a list.

    Args:
        data: The input of a predict function.
        hint: Its type hint.
        from_json: Whether texts stand for bytes (base64) and times (ISO 8601) where such are wanted.

    Raises:
        SchemaError: It is something else; says where, and what it is.

    Example:
        >>> fit_hint(["a", "b"], list[str])
        ['a', 'b']
    """
    return _fit(_listed(data, hint), hint, from_json)


def like_example(data: Any, example: Any) -> Any:
    """Make a data frame what the input example is: a series, a list, a dictionary, a value."""
    import numpy as np
    import pandas as pd

    if not isinstance(data, pd.DataFrame) or isinstance(example, pd.DataFrame):
        return data
    if isinstance(example, pd.Series):
        return pd.Series(data.iloc[:, 0], name=example.name)
    if isinstance(example, dict):
        return data.to_dict(orient="records")[0] if len(data) == 1 else data
    if isinstance(example, list):
        values = len(data.columns) == 1 and all(np.isscalar(each) for each in example)
        return data.iloc[:, 0].tolist() if values else data.to_dict(orient="records")
    return data.iloc[0, 0] if np.isscalar(example) else data


def _fit(data: Any, hint: Any, from_json: bool) -> Any:
    if hint is Any:
        return data
    if is_pydantic(hint):
        return _model(data, hint)
    if isinstance(hint, type) and hint in PLAIN:
        return _plain(data, hint, from_json)
    origin, args = get_origin(hint), get_args(hint)
    if origin is list:
        if not isinstance(data, list):
            raise whole(described(data), shown(hint))
        return list(
            _each(
                ((f"[{place}]", each, args[0]) for place, each in enumerate(data)), hint, from_json
            ).values()
        )
    if origin is dict:
        if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
            raise whole(described(data), shown(hint))
        return dict(zip(data, _each(((f"[{key!r}]", each, args[1]) for key, each in data.items()), hint, from_json).values(), strict=True))  # fmt: skip
    if origin is Union or type(hint).__name__ == "UnionType":
        lone = without_none(hint)
        return data if data is None or lone is hint else _fit(data, lone, from_json)
    raise SignatureError(f"data can't be checked against the type hint {shown(hint)}")


def _each(parts: Iterable[tuple[str, Any, Any]], hint: Any, from_json: bool) -> dict[str, Any]:
    """Fit all parts; one message says which don't fit."""
    fitted: dict[str, Any] = {}
    wrong: list[str] = []
    for where, value, kind in parts:
        try:
            fitted[where] = _fit(value, kind, from_json)
        except SchemaError as err:
            wrong.extend(f"at {where} {problem}" for problem in err.problems)
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise whole("; ".join(wrong[:SHOWN]) + more, shown(hint))
    return fitted


def _model(data: Any, model: Any) -> Any:
    told = data.model_dump() if hasattr(data, "model_dump") else data
    if not isinstance(told, dict):
        raise whole(described(data), f"{model.__name__}, or a dictionary of its fields")
    try:
        # Strict: "123" is no int. The model itself is made as its class has it.
        model.model_validate(told, strict=True)
    except ValueError as err:  # pydantic's error is one
        raise whole(f"{described(told)}: {_first_error(err)}", model.__name__) from err
    return model(**data) if isinstance(data, dict) else data


def _first_error(err: Any) -> str:
    found = err.errors() if hasattr(err, "errors") else []
    said = "; ".join(f"field '{'.'.join(map(str, each['loc']))}': {each['msg']}" for each in found[:SHOWN])
    return said or str(err)


def _plain(data: Any, kind: type, from_json: bool) -> Any:
    if from_json and isinstance(data, str):
        try:
            if kind is bytes:
                return base64.b64decode("".join(data.split()), validate=True)
            if kind is datetime:
                return datetime.fromisoformat(data.replace("Z", "+00:00"))
        except ValueError as err:
            raise whole(described(data), kind.__name__) from err
    if isinstance(data, kind):
        return data
    raise whole(described(data), kind.__name__)


def _listed(data: Any, hint: Any) -> Any:
    """Make a data frame a list: of its one column, or of its rows where the hint is a list of objects."""
    if type(data).__module__.partition(".")[0] != "pandas" or not hasattr(data, "columns"):
        return data
    if not is_list(hint):
        raise whole("a data frame", shown(hint))
    item = (get_args(without_none(hint)) or (Any,))[0]
    rows = is_pydantic(item) or item is dict or get_origin(item) is dict
    if rows and list(data.columns) != [0]:
        return plain_values(data.to_dict(orient="records"))
    if len(data.columns) != 1:
        raise whole(f"a data frame of {len(data.columns)} columns", f"one column, for {shown(hint)}")
    return plain_values(data.iloc[:, 0].tolist())


def plain_values(data: Any) -> Any:
    """Make lists of arrays, and None of NaN, in any depth."""
    if type(data).__module__ == "numpy" and hasattr(data, "tolist"):
        data = data.tolist()
    if isinstance(data, list):
        return [plain_values(each) for each in data]
    if isinstance(data, dict):
        return {key: plain_values(each) for key, each in data.items()}
    return None if isinstance(data, float) and data != data else data
