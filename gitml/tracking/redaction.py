"""Redact what looks like a secret before it is recorded, and say so."""

from __future__ import annotations

import warnings
from typing import Any

from gitml.tracking.secrets import redact_text, redact_value


class SecretRedactedWarning(UserWarning):
    """A value looked like a secret and was not recorded as it was."""


def redacted_value(kind: str, key: str, value: Any) -> Any:
    """Give the value of a param or tag as it may be recorded.

    Args:
        kind: What it is: "param", "tag".
        key: Its name, which can tell that it is a secret.
        value: Its value.
    """
    clean, found = redact_value(key, value)
    if found:
        _notice(f"{kind} '{key}' looks like a secret ({', '.join(found)}); it is recorded as {clean!r}")
    return clean


def redacted_text(kind: str, text: str) -> str:
    """Give a text, such as a note, as it may be recorded."""
    clean, found = redact_text(text)
    if found:
        _notice(f"the {kind} holds what looks like a secret ({', '.join(found)}); that part is not recorded")
    return clean


def _notice(message: str) -> None:
    warnings.warn(message, SecretRedactedWarning, stacklevel=5)
