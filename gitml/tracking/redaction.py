"""Redact what looks like a secret before it is recorded, and say so."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from gitml.formats.names import check_name
from gitml.tracking.secrets import redact_text, redact_value
from gitml.tracking.values import to_tag


class SecretRedactedWarning(UserWarning):
    """A value looked like a secret and was not recorded as it was."""


def redacted_value(kind: str, key: str, value: Any, shown: str | None = None) -> Any:
    """Give the value of a param or tag as it may be recorded.

    Args:
        kind: What it is: "param", "tag".
        key: Its name, which can tell that it is a secret.
        value: Its value.
        shown: The name as it may be told, if not as it is.
    """
    clean, found = redact_value(key, value)
    if found:
        _notice(
            f"{kind} '{shown or key}' looks like a secret ({', '.join(found)}); it is recorded as {clean!r}"
        )
    return clean


def redacted_tags(tags: Mapping[str, object]) -> dict[str, str]:
    """Give tags as they may be recorded; their names are looked at too.

    Raises:
        InvalidNameError: A name can't be used.
    """
    clean = {}
    for key, value in tags.items():
        name = redacted_name("tag", check_name("tag", key))
        clean[name] = str(redacted_value("tag", key, to_tag(name, value), shown=name))
    return clean


def redacted_name(kind: str, name: str) -> str:
    """Give the name of a tag as it may be recorded."""
    clean, found = redact_text(name)
    if found:
        _notice(f"the name of a {kind} looks like a secret ({', '.join(found)}); it is recorded as {clean!r}")
    return clean


def redacted_text(kind: str, text: str) -> str:
    """Give a text, such as a note, as it may be recorded."""
    clean, found = redact_text(text)
    if found:
        _notice(f"the {kind} holds what looks like a secret ({', '.join(found)}); that part is not recorded")
    return clean


def _notice(message: str) -> None:
    warnings.warn(message, SecretRedactedWarning, stacklevel=5)
