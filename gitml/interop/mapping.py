"""Names and values of other tools made into what gitml records: changed visibly, never dropped."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Container, Mapping
from typing import Any, TypeVar

from gitml.entities.run import ParamValue
from gitml.errors import InvalidNameError
from gitml.formats.names import MAX_NAME, check_name, metric_path
from gitml.tracking.redaction import redacted_text, redacted_value
from gitml.tracking.secrets import redact_text, redact_value
from gitml.tracking.values import MAX_TAG_BYTES, clean_text

T = TypeVar("T")
_SHORT = 60  # letters of the longest script that fit a metric's part, with the mark that follows
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,300})")
_FLOAT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?")
_WORDS: Mapping[str, ParamValue] = {"True": True, "False": False, "None": None}


def param_value(text: str) -> ParamValue:
    """Read the text that MLflow keeps of a param as the value that it was written from.

    A number, `True`, `False` or `None` only if Python writes exactly this text for
    it: so nothing is lost, and the way back gives the same text.

    Example:
        >>> param_value("0.1"), param_value("1e-3"), param_value("007"), param_value("True")
        (0.1, '1e-3', '007', True)
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and text != "-0":
        return int(text)
    if _FLOAT.fullmatch(text) and repr(float(text)) == text:
        return float(text)
    return text


def param_text(value: ParamValue) -> str:
    """Write a param as MLflow would: the text that `str` makes of it."""
    return value if isinstance(value, str) else str(value)


class Names:
    """Fits names to gitml's rules, and remembers which ones it had to change."""

    def __init__(self) -> None:
        self.changed: dict[str, dict[str, str]] = {}

    def fit(self, kind: str, name: str, taken: Container[str] = ()) -> str:
        """Give a name as gitml can use it.

        What is not allowed is percent-encoded; what is too long is cut and marked with
        a part of the hash of the whole, as is what would be the name of another one.
        """
        try:
            fitted = _checked(kind, name)
        except InvalidNameError:
            fitted = _fitted(kind, name)
        if fitted in taken:
            fitted = _marked(fitted, name)
        if fitted != name:
            self.changed.setdefault(kind, {})[fitted] = name
        return fitted

    def fit_all(self, kind: str, values: Mapping[str, T], make: Callable[[str, T], Any]) -> dict[str, Any]:
        """Fit the names of a mapping, and make its values by name."""
        result: dict[str, Any] = {}
        for name, value in values.items():
            fitted = self.fit(kind, name, result)
            result[fitted] = make(fitted, value)
        return result


def _checked(kind: str, name: str) -> str:
    check_name(kind, name)
    if kind == "metric":
        metric_path(name)
    return name


def _fitted(kind: str, name: str) -> str:
    fitted = "".join(map(_encoded, name)) or "unnamed"
    fitted = re.sub(r"^ | $", "%20", fitted)
    if kind == "metric":
        fitted = "/".join({"": "%", ".": "%2E", "..": "%2E%2E"}.get(part, part) for part in fitted.split("/"))
    try:
        return _checked(kind, fitted)
    except InvalidNameError:
        short = fitted[:_SHORT] if kind == "metric" else fitted[: MAX_NAME - 20]
        return _marked(short.rstrip("/ "), name)


def _encoded(letter: str) -> str:
    try:
        check_name("name", f"x{letter}x")
    except InvalidNameError:
        return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass"))
    return letter


def _marked(fitted: str, name: str) -> str:
    return f"{fitted}~{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


# Values


def clean_param(key: str, value: ParamValue) -> ParamValue:
    """Give a param's value as it may be recorded; a secret is told by a warning."""
    value = clean_text(value) if isinstance(value, str) else value
    if not redact_value(key, value)[1]:
        return value
    redacted: ParamValue = redacted_value("param", key, value)
    return redacted


def clean_tag(key: str, value: str) -> str:
    """Give a tag's value as it may be recorded; a secret is told by a warning."""
    value = clean_text(value)
    return value if not redact_value(key, value)[1] else str(redacted_value("tag", key, value))


def clean_note(text: str) -> str:
    """Give a note as it may be recorded; a secret is told by a warning."""
    text = clean_text(text)
    return text if not redact_text(text)[1] else redacted_text("note", text)


def is_too_long(value: object) -> bool:
    """Whether a param or tag is longer than gitml records: it becomes a file then."""
    return isinstance(value, str) and len(value) > MAX_TAG_BYTES
