"""Plain scalars as the YAML 1.2 core schema reads them."""

from __future__ import annotations

import math
import re
from typing import Any

_CORE_INT = re.compile(r"[-+]?[0-9]+")
_CORE_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_CORE_WORDS: dict[str, Any] = {
    "null": None, "Null": None, "NULL": None, "~": None, "": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
    ".inf": math.inf, ".Inf": math.inf, ".INF": math.inf, "+.inf": math.inf,
    "-.inf": -math.inf, "-.Inf": -math.inf, "-.INF": -math.inf,
    ".nan": math.nan, ".NaN": math.nan, ".NAN": math.nan,
}  # fmt: skip


def parse_scalar(text: str) -> Any:
    """Read one plain scalar as the YAML 1.2 core schema does.

    Example:
        >>> parse_scalar("1e-3"), parse_scalar("8"), parse_scalar("no"), parse_scalar("true")
        (0.001, 8, 'no', True)
    """
    if text in _CORE_WORDS:
        return _CORE_WORDS[text]
    # Python refuses to read integers of more than 4,300 digits; they stay text.
    if _CORE_INT.fullmatch(text):
        return int(text) if len(text) <= 4000 else text
    if _CORE_FLOAT.fullmatch(text):
        return float(text)
    return text
