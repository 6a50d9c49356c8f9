"""What is wrong with a record's fields, in words."""

from __future__ import annotations


class WrongValueError(ValueError):
    """A value that a field can't have; its text says so in words, which Python's own errors do not."""


def what_is_wrong(err: Exception) -> str:
    """Say what kept fields from being read.

    Example:
        >>> what_is_wrong(KeyError("status"))
        "lacks 'status'"
        >>> what_is_wrong(WrongValueError("'soon' is no time"))
        "holds what makes no sense there: 'soon' is no time"
        >>> what_is_wrong(TypeError("'int' object is not subscriptable"))
        'holds a value that does not belong there'
    """
    if isinstance(err, KeyError):
        return f"lacks {err}"
    if isinstance(err, WrongValueError):
        return f"holds what makes no sense there: {err}"
    return "holds a value that does not belong there"
