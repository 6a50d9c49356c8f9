"""What is wrong with a record's fields, in words."""

from __future__ import annotations


def what_is_wrong(err: Exception) -> str:
    """Say what kept fields from being read.

    Example:
        >>> what_is_wrong(KeyError("status"))
        "lacks 'status'"
        >>> what_is_wrong(ValueError("Invalid isoformat string: 'soon'"))
        "holds what makes no sense there: Invalid isoformat string: 'soon'"
    """
    if isinstance(err, KeyError):
        return f"lacks {err}"
    return f"holds what makes no sense there: {err}"
